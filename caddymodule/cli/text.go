package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// sheet is an aligned list of labels and values.
type sheet struct{ w *tabwriter.Writer }

func newSheet(w io.Writer) sheet { return sheet{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// line adds a label and its value; without a value nothing is added.
func (s sheet) line(label, value string) {
	if value != "" {
		fmt.Fprintf(s.w, "  %s\t%s\n", label, printable.Text(value))
	}
}

// row adds a line of a table, indented like the rest.
func (s sheet) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable.Text(c)
	}
	fmt.Fprintf(s.w, "  %s\n", strings.Join(cells, "\t"))
}

func (s sheet) flush() error { return s.w.Flush() }

func targetText(t *revocation.Target) string {
	if t == nil {
		return ""
	}
	var parts []string
	for _, m := range t.Members() {
		parts = append(parts, m.Name+"="+m.Value)
	}
	return strings.Join(parts, " ")
}

func timeText(t *node.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// count is "1 account", "2 accounts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// limits are what a gateway can say that an action can't do, in words.
var limits = map[string]string{
	"no_auth_time": "tokens of this issuer carry no auth_time: a refresh token that survives looks like a new sign-in, and so does a machine's next token",
	"no_client_id": "some tokens of this issuer name no client, so they are neither hit by client nor exempt: see client_claim",
	"no_sid":       "some tokens of this issuer name no session, so those of the session may go on: sign the user out",
	"no_jti":       "some tokens of this issuer have no id, so it may not hit the one that is meant: sign the user out",
	"no_kid":       "some keys of this issuer have no id, so it may not hit the tokens that are meant: sign the issuer out",
	"no_device_id": "a kind of token of this issuer names no device, so those of the device go on: see device_claim",
	"no_tenant":    "a kind of token of this issuer names no organisation, so those of its members go on: see tenant_claim",
}

func limitText(limit string) string {
	if words, ok := limits[limit]; ok {
		return limit + " (" + words + ")"
	}
	return limit
}

func exemptText(clients []string) string {
	if len(clients) == 0 {
		return ""
	}
	return strings.Join(clients, " ") + " (passed by; --include-exempt takes them too)"
}
