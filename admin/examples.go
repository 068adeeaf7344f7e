package admin

import (
	"time"

	"curfew.dev/curfew/node"
)

// The examples of the document are values of the types that are sent, so that
// they can't fall behind them.

var exampleInstant = time.Date(2026, 11, 20, 10, 0, 0, 123e6, time.UTC)

const exampleIssuer = "https://login.example.com"

// exampleOf is the receipt of another record of the same story.
func exampleOf(change func(*node.Receipt)) node.Receipt {
	r := exampleReceipt
	r.Mode, r.At, r.ExemptClients, r.Reason = "", nil, []string{}, ""
	change(&r)
	return r
}
