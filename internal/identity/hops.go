package identity

import (
	"net/http"
	"strings"
)

// DropHops takes names out of the headers that tell the next proxy which headers
// are for it alone.
func DropHops(h http.Header, drop func(name string) bool) {
	for _, hop := range [...]string{"Connection", "Proxy-Connection"} {
		if lines := h[hop]; len(lines) > 0 {
			dropHop(h, hop, lines, drop)
		}
	}
}

func dropHop(h http.Header, hop string, lines []string, drop func(name string) bool) {
	if len(lines) == 1 && !strings.Contains(lines[0], ",") && !drop(strings.TrimSpace(lines[0])) {
		return // one name that stays: most requests
	}
	var kept []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" && !drop(name) {
				kept = append(kept, name)
			}
		}
	}
	if kept == nil {
		delete(h, hop)
		return
	}
	h[hop] = []string{strings.Join(kept, ", ")}
}
