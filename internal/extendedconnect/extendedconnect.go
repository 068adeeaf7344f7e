// Package extendedconnect turns WebSockets over HTTP/2 (RFC 8441) on in the
// program that imports it. Go has them behind http2xconnect=1 in GODEBUG, which
// net/http reads once, when it is initialised, and which is none of the
// settings that a //go:debug line may name.
//
// It works because packages are initialised in the order of their import paths
// as far as their imports allow, which the language has promised since Go 1.21:
// this one needs os and strings alone and sorts before net/http. It must import nothing
// more, and only a main package or a test may import it.
package extendedconnect

import (
	"os"
	"strings"
)

const setting = "http2xconnect="

func init() {
	before := os.Getenv("GODEBUG")
	if strings.Contains(before, setting) {
		return // the operator has chosen
	}
	if before != "" {
		before += ","
	}
	_ = os.Setenv("GODEBUG", before+setting+"1") // fails only for malformed names
}
