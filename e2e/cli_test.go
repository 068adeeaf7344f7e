//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCommandLine signs somebody out as an operator does who is logged in on the
// machine: without a credential, through Caddy's own admin endpoint.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	alice := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	bob := newBrowser(t, p, "bob", "laptop-of-bob").signIn(t, "web")
	g.expect(t, admit, alice, "/", "alice")

	out, status := g.curfew(t, `{"sub":"alice"}`, "sign-out", "--target-file", "-", "--reason", "lost phone", "--json")
	if status != 0 {
		t.Fatalf("signing out ends with %d", status)
	}
	var r receipt
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("reading the receipt: %v: %s", err, out)
	}
	checkReceipt(t, r)
	if r.Source != "cli" || r.Reason != "lost phone" {
		t.Errorf("the receipt says it came from %q because of %q", r.Source, r.Reason)
	}
	g.expect(t, "signed-out", alice, "/", "alice, signed out")
	g.expect(t, admit, bob, "/", "bob")

	if out, status := g.curfew(t, alice.Access, "explain"); !strings.Contains(out, "signed-out") || strings.Contains(out, alice.Access) {
		t.Errorf("explaining ends with %d and says %q", status, out)
	}
	if out, status := g.curfew(t, "", "status"); status != 0 || !strings.Contains(out, "edge-1/") {
		t.Errorf("the status ends with %d and says %q", status, out)
	}
	if _, status := g.curfew(t, "", "sign-out", "--iss", "https://nowhere.example.test", "--sub", "bob"); status != 4 {
		t.Errorf("an issuer that is not configured ends with %d, want 4", status)
	}
	g.Stop(t)
	if _, status := g.curfew(t, "", "sign-out", "--iss", p.Issuer, "--sub", "bob"); status != 1 {
		t.Errorf("without a gateway, it ends with %d, want 1", status)
	}
}

// curfew runs a command and returns what it printed and its exit status.
func (g *gateway) curfew(t *testing.T, stdin string, args ...string) (string, int) {
	t.Helper()
	cmd := g.Command(append([]string{"curfew"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stderr = logFile(t, "curfew")
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatalf("running caddy curfew: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
