package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/admin/admintest"
	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/node"
)

const issuer = admintest.Issuer

// bench is the real API over a real ledger, where Caddy's admin endpoint would
// have it, and the command line in this process.
type bench struct {
	*testing.T
	address string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	api := admintest.New(t)
	api.Mux.HandleFunc(issuersPath, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `[{"url":"`+issuer+`"}]`)
	})
	return &bench{t, api.Listener.Addr().String()}
}

// run runs a command line, with what it reads, and returns what it prints.
func (b *bench) run(stdin string, args ...string) (out string, err error) {
	b.Helper()
	var stdout, stderr bytes.Buffer
	cmd := b.command(stdin, args...)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err = cmd.ExecuteContext(b.Context())
	b.Logf("%s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	return stdout.String(), err
}

func (b *bench) command(stdin string, args ...string) *cobra.Command {
	cmd := group()
	cmd.SilenceUsage = true // as Caddy's root does
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(append(args, "--address", b.address))
	return cmd
}

// statusOf is the exit status that Caddy's main makes of an error, whose type it
// keeps to itself.
func statusOf(err error) (status int) {
	if err == nil {
		return 0
	}
	if _, scanErr := fmt.Sscanf(err.Error(), "exiting with status %d", &status); scanErr != nil {
		return exitFailed
	}
	return status
}

// must is run for what has to succeed, as JSON.
func (b *bench) must(into any, stdin string, args ...string) {
	b.Helper()
	out, err := b.run(stdin, append(args, "--json")...)
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		b.Fatalf("%v: %q", err, out)
	}
}

// TestRealAPI: the shapes that the scripts take for granted are those of the
// API, and it takes what the commands send.
func TestRealAPI(t *testing.T) {
	b := newBench(t)
	var r, again node.Receipt
	b.must(&r, "", "sign-out", "--sub", "alice", "--reason", "lost phone", "--on-behalf-of", "agent-42", "--wait", "2s")
	if r.Mode != "sign_in" || r.Target.Subject != "alice" || r.Target.Issuer != issuer || r.Source != "cli" ||
		r.Reason != "lost phone" || r.OnBehalfOf != "agent-42" || len(r.ExemptClients) != 1 {
		t.Errorf("receipt %+v", r)
	}
	b.must(&again, "", "receipt", r.ID)
	if again.ID != r.ID {
		t.Errorf("receipt of %s is that of %s", r.ID, again.ID)
	}
	b.must(&r, "", "sign-out", "--sub", "alice", "--idempotency-key", "k")
	b.must(&again, "", "sign-out", "--sub", "alice", "--idempotency-key", "k")
	if again.ID != r.ID {
		t.Errorf("one key made %s and %s", r.ID, again.ID)
	}
	b.must(&r, `{"iss":"`+issuer+`","sub":"bob"}`, "sign-out", "--target-file", "-", "--mode", "refresh", "--include-exempt", "--at", time.Now().Add(-time.Minute).Format(time.RFC3339))
	if r.Target.Subject != "bob" || r.Mode != "refresh" || len(r.ExemptClients) != 0 {
		t.Errorf("receipt %+v", r)
	}
	b.must(&r, "", "unlink", "--sub", "alice", "--device", "pc-7")
	if r.Target.Device != "pc-7" {
		t.Errorf("receipt %+v", r)
	}
}

// Wide targets of each kind of write get the consent that the API wants.
func TestRealAPIWide(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{
		{"sign-out", "--tenant", "acme", "--include-exempt", "--mode", "refresh"},
		{"sign-out", "--iss", issuer, "--max-affected", "10"},
		{"sign-out", "--kid", "2026-11"},
		{"block", "--client", "old-app"},
		{"step-up", "--tenant", "acme", "--acr", "mfa"},
	} {
		var r node.Receipt
		b.must(&r, "", append(args, "--yes")...)
		if r.Enforcement.State != "enforced" {
			t.Errorf("%s: %+v", args, r)
		}
		if _, err := b.run("", args...); statusOf(err) != exitFailed {
			t.Errorf("%s without anybody to ask: %v", args, err)
		}
	}
}

func TestRealAPIHolds(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{
		{"block", "--sub", "mallory", "--reason", "account taken over"},
		{"step-up", "--sub", "alice", "--acr", "mfa,phr", "--amr", "hwk", "--routes", "sensitive", "--on-behalf-of", "agent-42"},
	} {
		var held, lifted node.Receipt
		b.must(&held, "", args...)
		b.must(&lifted, "", "lift", held.ID)
		if lifted.Lifts != held.ID {
			t.Errorf("lifting %s lifted %q", held.ID, lifted.Lifts)
		}
	}
	if _, err := b.run("", "lift", "blk_9.9.9"); statusOf(err) != exitRefused {
		t.Errorf("lifting what isn't there: %v", err)
	}
}

func TestRealAPIReads(t *testing.T) {
	b := newBench(t)
	var n adminclient.Nodes
	b.must(&n, "", "status")
	if len(n.Items) != 1 || readyOf(n) != 1 {
		t.Errorf("nodes %+v", n)
	}
	var p adminclient.Preview
	b.must(&p, "", "preview", "--sub", "alice")
	if p.ID == "" || p.Accounts != 1 || len(p.ExemptClients) != 1 || p.ExpiresAt == nil || p.At == nil || p.Target.Subject != "alice" {
		t.Errorf("preview %+v", p)
	}
	var s, last adminclient.Sessions
	b.must(&s, "", "sessions", "--sub", "alice", "--sid", "s1", "--limit", "1")
	if len(s.Items) != 1 || s.Items[0].Client != "app" || s.Items[0].State != "active" || s.Items[0].SignedIn == nil ||
		s.Items[0].FirstSeen == nil || s.Items[0].LastSeen == nil || s.Node != "edge-1/t" {
		t.Errorf("sessions %+v", s)
	}
	b.must(&last, "", "sessions", "--sub", "alice", "--sid", "s1", "--limit", "1", "--cursor", s.NextCursor)
	if len(last.Items) != 1 || last.Items[0].Client != "web" || last.NextCursor != "" {
		t.Errorf("the rest of the sessions %+v", last)
	}
	var e adminclient.Explanation
	b.must(&e, "Bearer a.b.c\n", "explain")
	if e.Decision != "admit" || len(e.Rules) != 1 {
		t.Errorf("explanation %+v", e)
	}
	for _, args := range [][]string{{"status"}, {"nodes"}, {"preview", "--sub", "alice"}, {"sessions", "--sub", "alice"}} {
		if out, err := b.run("", args...); err != nil || out == "" {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
	if out, err := b.run("a.b.c", "explain"); err != nil || !strings.HasPrefix(out, "admit\n") {
		t.Errorf("explain: %q, %v", out, err)
	}
}

func TestRealAPIImport(t *testing.T) {
	b := newBench(t)
	var lines strings.Builder
	for range 2500 {
		lines.WriteString(`{"target":{"iss":"` + issuer + `","sub":"alice"}}` + "\n")
	}
	out, err := b.run(lines.String(), "import", "--idempotency-key", "k")
	if err != nil || out != "2500 lines signed out, 0 refused, 0 failed\n" {
		t.Fatalf("%q, %v", out, err)
	}
	out, err = b.run("\n"+`{"target":{"iss":"`+issuer+`","sub":""}}`+"\n \n"+`{"target":{"iss":"`+issuer+`","sub":"bob"}}`, "import", "-")
	if statusOf(err) != exitRefused || !strings.Contains(out, "line 2: ") || !strings.Contains(out, "1 line signed out, 2 refused, 0 failed\n") {
		t.Fatalf("%q, %v", out, err)
	}
}

// A tail sees what is signed out while it runs, from its first moment on.
func TestRealAPITail(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	cmd := b.command("", "tail", "--after", "1.1")
	cmd.SetOut(w)
	done := make(chan error)
	go func() {
		err := cmd.ExecuteContext(ctx)
		w.Close()
		done <- err
	}()
	var receipt node.Receipt
	b.must(&receipt, "", "sign-out", "--sub", "alice")
	line := make([]byte, 1024)
	n, err := r.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), receipt.ID+"  iss="+issuer+" sub=alice  sign_in  by cli") {
		t.Errorf("%q, %v", line[:n], err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := b.run("", "tail", "--after", "9.9"); statusOf(err) != exitRefused {
		t.Errorf("a position that is gone: %v", err)
	}
}
