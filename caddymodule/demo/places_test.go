package demo

import (
	"net"
	"strconv"
	"testing"

	"curfew.dev/curfew/internal/porttest"
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
	first := porttest.KeepRow(t, 2)
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := findPlaces(first); err == nil {
		t.Fatal("a port that is in use was given away")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first)))
	if err != nil {
		t.Fatalf("the port before it was not released: %v", err)
	}
	l.Close()
}
