//go:build e2e

package fleet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// wire is a network between this machine's processes and the servers, which run
// in namespaces of their own behind a router that can drop what passes:
//
//	this machine -- .1/.2 -- router -- .9/.10,.11 -- servers
//	                              \ -- .17/.18,.19 -- more servers
//
// Each server has two addresses, so that those who come by the first can be cut
// off while others go on by the second.
type wire struct {
	t *testing.T
	// id is this wire's own, and the third number of its /24.
	id int
}

var wires atomic.Int32

func (w wire) network(last int) string { return fmt.Sprintf("10.213.%d.%d", w.id, last) }

// newWire has so many namespaces for servers.
func newWire(t *testing.T, many int) wire {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		gatewaytest.Missing(t, "run as root, with iproute2 installed: real packets are dropped in network namespaces")
	}
	w := wire{t: t}
	for w.id = nextWire(); taken(w.router()); w.id = nextWire() { // by another run, or one that was killed
	}
	router := w.router()
	w.namespace(router)
	near, nearRouter := fmt.Sprint("cfn", w.id), fmt.Sprint("cfr", w.id)
	w.all([][]string{
		{"link", "add", near, "type", "veth", "peer", "name", nearRouter, "netns", router},
		{"addr", "add", w.network(1) + "/30", "dev", near},
		{"link", "set", near, "up"},
		{"-n", router, "addr", "add", w.network(2) + "/30", "dev", nearRouter},
		{"-n", router, "link", "set", nearRouter, "up"},
		{"netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"},
	})
	for i := range many {
		far, farRouter := w.far(i), fmt.Sprint("cfs", i)
		w.namespace(far)
		w.all([][]string{
			{"-n", router, "link", "add", farRouter, "type", "veth", "peer", "name", "eth0", "netns", far},
			{"-n", router, "addr", "add", w.address(i, 1) + "/29", "dev", farRouter},
			{"-n", router, "link", "set", farRouter, "up"},
			{"-n", far, "addr", "add", w.address(i, 2) + "/29", "dev", "eth0"},
			{"-n", far, "addr", "add", w.address(i, 3) + "/29", "dev", "eth0"},
			{"-n", far, "link", "set", "lo", "up"},
			{"-n", far, "link", "set", "eth0", "up"},
			{"-n", far, "route", "add", "default", "via", w.address(i, 1)},
			{"route", "add", w.address(i, 0) + "/29", "via", w.network(2)},
		})
	}
	return w
}

func (w wire) router() string   { return fmt.Sprint("curfew-router-", w.id) }
func (w wire) far(i int) string { return fmt.Sprintf("curfew-servers-%d-%d", w.id, i) }

// exec is a command that runs another one with the servers.
func (w wire) exec(i int) []string { return []string{"ip", "netns", "exec", w.far(i)} }

// address is the nth of a namespace of servers: its router has the first.
func (w wire) address(i, n int) string { return w.network(8*(i+1) + n) }

func nextWire() int { return (os.Getpid() + int(wires.Add(1))) % 250 }

func taken(namespace string) bool {
	_, err := os.Stat(filepath.Join("/run/netns", namespace))
	return err == nil
}

func (w wire) namespace(name string) {
	w.t.Helper()
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		gatewaytest.Missing(w.t, "let this container make network namespaces: "+string(out))
	}
	w.t.Cleanup(func() { w.ip("netns", "del", name) })
}

func (w wire) all(commands [][]string) {
	w.t.Helper()
	for _, c := range commands {
		w.ip(c...)
	}
}

func (w wire) ip(args ...string) {
	w.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		w.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// drop has the router drop, without a word, what goes to or comes from the first
// address of the servers, or no longer.
func (w wire) drop(l line, on bool) {
	w.t.Helper()
	action := "del"
	if on {
		action = "add"
	}
	if l == cutBoth || l == cutUp {
		w.ip("-n", w.router(), "rule", action, "to", w.address(0, 2), "blackhole")
	}
	if l == cutBoth || l == cutDown {
		w.ip("-n", w.router(), "rule", action, "from", w.address(0, 2), "blackhole")
	}
}

// apart has the router drop what one namespace of servers and the others say to
// one another, or no longer. Clients reach all of them.
func (w wire) apart(one, many int, on bool) {
	w.t.Helper()
	action := "del"
	if on {
		action = "add"
	}
	for other := range many {
		if other == one {
			continue
		}
		for _, way := range [][2]int{{one, other}, {other, one}} {
			w.ip("-n", w.router(), "rule", action, "from", w.address(way[0], 2), "to", w.address(way[1], 2), "blackhole")
		}
	}
}

// F-14 with TLS and real packets: a gateway whose packets are dropped, in both
// directions or in one, is fenced and comes back.
func TestDroppedPackets(t *testing.T) {
	t.Parallel()
	w := newWire(t, 1)
	ca := newAuthority(t)
	s := ownServers(t, setting{
		place: func(int) ([]string, string) { return w.exec(0), w.address(0, 3) },
		more:  ca.server(t, w.address(0, 2), w.address(0, 3)), ca: ca.file,
	})
	f := newFleet(t, s, 2, func(g *gateway) {
		g.CA, g.URLs = ca.file, nil
		address := w.address(0, 3)
		if g.Name == "edge-2" {
			address = w.address(0, 2)
		}
		for _, one := range s.all {
			g.URLs = append(g.URLs, "tls://"+strings.Replace(one.client, w.address(0, 3), address, 1))
		}
	})
	writer, cut := f.gateways[0], f.gateways[1]
	people := crowd("person", 12)
	f.load(people, 20*time.Millisecond, f.gateways...)
	for round := range pick(1, 3) {
		for i, l := range []line{cutBoth, cutUp, cutDown} {
			who := people[round*3+i]
			talks := f.talk(cut, "bystander")
			w.drop(l, true)
			r := f.mustRevoke(writer, who, "wait", "0s")
			if by := r.Enforcement.EnforcedBy; by != nil {
				rest(t.Context(), time.Until(by.Time))
			}
			if a := f.ask(f.ctx, cut, who); a.status != http.StatusServiceUnavailable {
				t.Errorf("%s: after the bound %d", l, a.status)
			}
			ends(t, talks)
			rest(t.Context(), pick(0, 5*time.Second))
			w.drop(l, false)
			took := gatewaytest.Eventually(t, patience, cut.Name+" serves again", cut.Ready)
			t.Logf("%s: it serves again after %s", l, took)
			if took > healedBusy+retransmission {
				t.Errorf("%s: it serves again after %s", l, took)
			}
			if a := f.decides(cut, who); a.status != http.StatusUnauthorized {
				t.Errorf("%s: healed, %d", l, a.status)
			}
		}
	}
	f.judge()
}

// retransmission is how long the kernel may wait until it sends again what was
// dropped: each time twice as long.
const retransmission = 2 * time.Second
