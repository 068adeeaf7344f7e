package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// newTransport makes connections of its own: no proxy from the environment, no
// sharing with other users of the process.
func newTransport(loopback bool, roots *x509.CertPool) *http.Transport {
	guard := dialGuard{loopback}
	// Each request has a shorter time of its own. These end a dial that outlives
	// its request.
	dialer := &net.Dialer{Timeout: MaxTimeout, Control: guard.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    MaxTimeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
	}
}

// dialGuard refuses addresses at which no party can be. It runs after the name
// was resolved and on every dial, so no answer of a resolver leads there.
type dialGuard struct{ loopback bool }

func (g dialGuard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	if !g.allows(at.Addr()) {
		return errors.New("dialling: the name resolves to an address where no remote provider can be")
	}
	return nil
}

func (g dialGuard) allows(a netip.Addr) bool {
	a = a.Unmap()
	if b := a.As16(); a.Is6() && nat64.Contains(a) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.IsLoopback() {
		return g.loopback
	}
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && a != broadcast
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)
