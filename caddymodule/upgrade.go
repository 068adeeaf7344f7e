package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"curfew.dev/curfew/internal/identity"
)

// protocols are those to which a request may switch its connection. A guard
// sees the request that asks for it and nothing that is sent afterwards: a
// protocol that carries requests of its own is a way around every guard.
type protocols []string

const (
	webSocket = "websocket"
	// overHTTP2 carries requests of its own, and its settings in a header.
	overHTTP2     = "h2c"
	http2Settings = "Http2-Settings" // as net/http keeps its name
)

// check reports a name that can't stand in an Upgrade header (RFC 9110 section
// 7.8).
func (p protocols) check() error {
	for _, protocol := range p {
		name, version, versioned := strings.Cut(protocol, "/")
		if !httpguts.ValidHeaderFieldName(name) || versioned && !httpguts.ValidHeaderFieldName(version) {
			return in("upgrade", protocol, fmt.Errorf("upgrade %s: want names of protocols, such as `upgrade %s`", protocol, webSocket))
		}
	}
	return nil
}

func (p protocols) has(protocol string) bool {
	return slices.ContainsFunc(p, func(known string) bool { return strings.EqualFold(known, protocol) })
}

// add adds what is not there yet.
func (p *protocols) add(more protocols) {
	for _, protocol := range more {
		if !p.has(protocol) {
			*p = append(*p, protocol)
		}
	}
}

// restrict takes out of a request what would switch its connection to another
// protocol than these, with everything that belongs to it.
func (p protocols) restrict(h http.Header) {
	asked, settings := h["Upgrade"], h[http2Settings]
	if len(asked) == 0 && len(settings) == 0 {
		return // without work: ordinary requests
	}
	var kept protocols
	for _, line := range asked {
		for protocol := range strings.SplitSeq(line, ",") {
			if known := p.spelling(strings.TrimSpace(protocol)); known != "" {
				kept = append(kept, known)
			}
		}
	}
	if !kept.has(overHTTP2) {
		delete(h, http2Settings)
		identity.DropHops(h, func(name string) bool { return strings.EqualFold(name, http2Settings) })
	}
	if len(kept) == 0 {
		delete(h, "Upgrade")
		identity.DropHops(h, func(name string) bool { return strings.EqualFold(name, "Upgrade") })
		return
	}
	h["Upgrade"] = []string{strings.Join(kept, ", ")}
	spellHops(h)
}

// spelling is a protocol as the guards write it, empty if none does. Servers know
// it in capitals as well, and a matcher such as `header Upgrade websocket` does
// not.
func (p protocols) spelling(protocol string) string {
	i := slices.IndexFunc(p, func(known string) bool { return strings.EqualFold(known, protocol) })
	switch {
	case i < 0:
		return ""
	case strings.EqualFold(protocol, webSocket):
		return webSocket
	}
	return p[i]
}

// spellHops writes the Upgrade in Connection as matchers have it.
func spellHops(h http.Header) {
	for i, line := range h["Connection"] {
		if httpguts.HeaderValuesContainsToken([]string{line}, "Upgrade") && !strings.Contains(line, "Upgrade") {
			names := strings.Split(line, ",")
			for n, name := range names {
				if strings.EqualFold(strings.TrimSpace(name), "Upgrade") {
					names[n] = "Upgrade"
				}
			}
			h["Connection"][i] = strings.Join(names, ",")
		}
	}
}

// extended is the protocol of an extended CONNECT (RFC 8441, RFC 9220), or
// empty. net/http keeps :protocol among the headers and quic-go in Proto.
func extended(r *http.Request) string {
	switch {
	case r.Method != http.MethodConnect:
	case r.ProtoMajor == 2 && len(r.Header[":protocol"]) > 0:
		return r.Header[":protocol"][0]
	case r.ProtoMajor == 3 && r.Proto != "HTTP/3.0":
		return r.Proto
	}
	return ""
}

// checkExtended refuses an extended CONNECT for another protocol, as RFC 9220
// section 3 has it: unlike an upgrade it can't be answered without.
func (p protocols) checkExtended(r *http.Request) error {
	if protocol := extended(r); protocol != "" && !p.has(protocol) {
		return caddyhttp.Error(http.StatusNotImplemented, errors.New("the request asks for a protocol that no guard names in `upgrade`"))
	}
	return nil
}

// asks reports whether a request asks to switch to the protocol.
func asks(r *http.Request, protocol string) bool {
	if by := extended(r); by != "" {
		return strings.EqualFold(by, protocol)
	}
	asked := r.Header["Upgrade"]
	return len(asked) == 1 && strings.EqualFold(asked[0], protocol) && httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade")
}

// upgrading is an extended CONNECT as Caddy's reverse_proxy sends it on: as an
// upgrade over HTTP/1.1.
func upgrading(r *http.Request) *http.Request {
	protocol := extended(r)
	return seen(r, func(other *http.Request) {
		other.Method, other.Header = http.MethodGet, r.Header.Clone()
		delete(other.Header, ":protocol")
		other.Header.Set("Upgrade", protocol)
		other.Header.Set("Connection", "Upgrade")
		other.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	}, func(name string) bool {
		return name == "http.request.method" || strings.HasPrefix(name, headerNames)
	})
}
