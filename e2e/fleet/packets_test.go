//go:build e2e

package fleet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a network between this machine's processes and the servers, which run
// in a namespace of their own behind a router that can drop what passes:
//
//	this machine -- .1/.2 -- router -- .9/.10,.11 -- servers
//
// Each server has two addresses, so that those who come by the first can be cut
// off while others go on by the second.
type wire struct{ t *testing.T }

// network is this run's own /24.
func network(last int) string { return fmt.Sprintf("10.213.%d.%d", os.Getpid()%250, last) }

func newWire(t *testing.T) wire {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		missing(t, "run as root, with iproute2 installed: real packets are dropped in network namespaces")
	}
	w := wire{t}
	router, far := w.router(), w.far()
	for _, namespace := range []string{router, far} {
		if out, err := exec.Command("ip", "netns", "add", namespace).CombinedOutput(); err != nil {
			missing(t, "let this container make network namespaces: "+string(out))
		}
		t.Cleanup(func() { w.ip("netns", "del", namespace) })
	}
	near, nearRouter, farRouter := "cfn"+w.id(), "cfr"+w.id(), "cfs"+w.id()
	w.ip("link", "add", near, "type", "veth", "peer", "name", nearRouter, "netns", router)
	w.ip("-n", router, "link", "add", farRouter, "type", "veth", "peer", "name", "eth0", "netns", far)
	for _, a := range [][]string{
		{"addr", "add", network(1) + "/30", "dev", near},
		{"link", "set", near, "up"},
		{"-n", router, "addr", "add", network(2) + "/30", "dev", nearRouter},
		{"-n", router, "addr", "add", network(9) + "/29", "dev", farRouter},
		{"-n", router, "link", "set", nearRouter, "up"},
		{"-n", router, "link", "set", farRouter, "up"},
		{"-n", far, "addr", "add", network(10) + "/29", "dev", "eth0"},
		{"-n", far, "addr", "add", network(11) + "/29", "dev", "eth0"},
		{"-n", far, "link", "set", "lo", "up"},
		{"-n", far, "link", "set", "eth0", "up"},
		{"-n", far, "route", "add", "default", "via", network(9)},
		{"route", "add", network(8) + "/29", "via", network(2)},
		{"netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"},
	} {
		w.ip(a...)
	}
	return w
}

func (w wire) id() string     { return strconv.Itoa(os.Getpid()) }
func (w wire) router() string { return "curfew-router-" + w.id() }
func (w wire) far() string    { return "curfew-servers-" + w.id() }

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
		w.ip("-n", w.router(), "rule", action, "to", network(10), "blackhole")
	}
	if l == cutBoth || l == cutDown {
		w.ip("-n", w.router(), "rule", action, "from", network(10), "blackhole")
	}
}

// F-14 with TLS and real packets: a gateway whose packets are dropped, in both
// directions or in one, is fenced and comes back.
func TestDroppedPackets(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	ca := newAuthority(t)
	s := ownServers(t, setting{
		prefix: []string{"ip", "netns", "exec", w.far()}, host: network(11),
		more: ca.server(t, network(10), network(11)), ca: ca.file,
	})
	f := newFleet(t, s, 2, func(g *gateway) {
		g.CA, g.URLs = ca.file, nil
		address := network(11)
		if g.Name == "edge-2" {
			address = network(10)
		}
		for _, one := range s.all {
			g.URLs = append(g.URLs, "tls://"+strings.Replace(one.client, network(11), address, 1))
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
				rest(t.Context(), time.Until(*by))
			}
			if a := f.ask(f.ctx, cut, who); a.status != http.StatusServiceUnavailable {
				t.Errorf("%s: after the bound %d", l, a.status)
			}
			ends(t, talks, time.Second)
			rest(t.Context(), pick(0, 5*time.Second))
			w.drop(l, false)
			took := eventually(t, 20*time.Second, cut.Name+" serves again", cut.ready)
			t.Logf("%s: it serves again after %s", l, took)
			if took > healed+retransmission {
				t.Errorf("%s: it serves again after %s", l, took)
			}
			if a := f.ask(f.ctx, cut, who); a.status != http.StatusUnauthorized {
				t.Errorf("%s: healed, %d", l, a.status)
			}
		}
	}
	f.judge()
}

// retransmission is how long the kernel may wait until it sends again what was
// dropped: each time twice as long.
const retransmission = 2 * time.Second
