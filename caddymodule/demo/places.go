package demo

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// places are where the demo listens, on loopback.
type places struct {
	// Caddy listens there itself.
	app, api, health, admin string
	// These are open already.
	issuer, service, devices net.Listener
}

// findPlaces takes free ports, or with a first one those from it on. All are
// held until all are found, so that they differ. Caddy shares ports with others
// that also allow it, so it would not notice one that another Caddy has.
func findPlaces(first int) (_ places, err error) {
	var open [7]net.Listener
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(open[:]...))
		}
	}()
	for i := range open {
		port := 0
		if first != 0 {
			port = first + i
		}
		if open[i], err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			return places{}, fmt.Errorf("finding a port (--port takes %d in a row): %w", len(open), err)
		}
	}
	p := places{
		app: open[0].Addr().String(), api: open[1].Addr().String(),
		health: open[2].Addr().String(), admin: open[3].Addr().String(),
		issuer: open[4], service: open[5], devices: open[6],
	}
	return p, closeAll(open[:4]...)
}

// close closes what is still open; closing twice is no error.
func (p places) close() error { return closeAll(p.issuer, p.service, p.devices) }

func closeAll(listeners ...net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // it is a listener's
	return port
}

func urlOf(address string) string { return "http://" + address }
