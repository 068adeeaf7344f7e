package demo

import (
	"net"
	"strconv"
	"testing"
)

func TestPlacesDiffer(t *testing.T) {
	p, err := findPlaces(0)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, address := range []string{
		p.app, p.api, p.health, p.admin,
		p.issuer.Addr().String(), p.service.Addr().String(), p.devices.Addr().String(),
	} {
		if seen[address] {
			t.Errorf("%s is given twice", address)
		}
		seen[address] = true
	}
	for range 2 {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}
}

// Where one of a row is taken, the others are released.
func TestPlacesInUse(t *testing.T) {
	first := freeBeforeTaken(t)
	if _, err := findPlaces(first); err == nil {
		t.Fatal("a port that is in use was given away")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first)))
	if err != nil {
		t.Fatalf("the port before it was not released: %v", err)
	}
	l.Close()
}

// freeBeforeTaken finds a free port whose successor is taken until the test ends.
func freeBeforeTaken(t *testing.T) int {
	t.Helper()
	for {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { taken.Close() })
		port := taken.Addr().(*net.TCPAddr).Port - 1
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
}
