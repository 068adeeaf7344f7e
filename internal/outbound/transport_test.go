package outbound

import (
	"net/netip"
	"testing"
)

func TestDialGuard(t *testing.T) {
	for address, remote := range map[string]bool{
		"93.184.216.34": true, "10.1.2.3": true, "fd00::1": true, "2001:db8::1": true, "64:ff9b::5db8:d822": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "64:ff9b::a9fe:a9fe": false, "fe80::1": false,
		"fe80::1%eth0": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false,
	} {
		a := netip.MustParseAddr(address)
		if got := (dialGuard{}).allows(a); got != remote {
			t.Errorf("%s: %v for a remote issuer", address, got)
		}
	}
	if !(dialGuard{loopback: true}).allows(netip.MustParseAddr("127.0.0.1")) {
		t.Error("a loopback issuer can't be dialled")
	}
	if err := (dialGuard{}).control("tcp", "not an address", nil); err == nil {
		t.Error("garbage was dialled")
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	if newTransport(false, nil).Proxy != nil {
		t.Error("the transport asks for a proxy")
	}
}
