package adminclient_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/admin/admintest"
	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func alice() revocation.Target {
	return revocation.Target{Issuer: admintest.Issuer, Subject: "alice"}
}

func tenant() revocation.Target {
	return revocation.Target{Issuer: admintest.Issuer, Tenant: "acme"}
}

func newClient(t *testing.T) *adminclient.Client {
	return &adminclient.Client{
		URL: admintest.New(t).URL, Secret: func() (string, error) { return admintest.Secret, nil }, Endurance: -1,
	}
}

func TestEveryWriteOfTheAPIHasItsReceipt(t *testing.T) {
	c := newClient(t)
	for name, write := range map[string]func(ctx context.Context, key string) (adminclient.Receipted, error){
		"rev_": func(ctx context.Context, key string) (adminclient.Receipted, error) {
			return c.Revoke(ctx, adminclient.Revocation{Target: alice(), Motive: adminclient.Motive{Reason: "lost phone"}}, key)
		},
		"blk_": func(ctx context.Context, key string) (adminclient.Receipted, error) {
			return c.Block(ctx, adminclient.Block{Target: alice()}, key)
		},
		"stp_": func(ctx context.Context, key string) (adminclient.Receipted, error) {
			return c.StepUp(ctx, adminclient.StepUp{Target: alice(), ACR: []string{"mfa"}, Routes: "sensitive"}, key)
		},
	} {
		first, err := write(t.Context(), "key-of-"+name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r := first.Value; !strings.HasPrefix(r.ID, name) || r.Actor != "oncall" || r.Enforcement.State != "enforced" || first.Replayed() {
			t.Errorf("%s: receipt %s", name, first.Raw)
		}
		again, err := write(t.Context(), "key-of-"+name)
		if err != nil || again.Value.ID != first.Value.ID || !again.Replayed() {
			t.Errorf("%s: the same key makes %s of %s (replayed: %v): %v", name, again.Value.ID, first.Value.ID, again.Replayed(), err)
		}
		if name == "rev_" {
			now, err := c.Receipt(t.Context(), first.Value.ID)
			if err != nil || now.Value.Reason != "lost phone" {
				t.Errorf("the receipt now: %s, %v", now.Raw, err)
			}
			continue
		}
		lifted, err := c.Lift(t.Context(), first.Value.ID, "")
		if err != nil || lifted.Value.Lifts != first.Value.ID {
			t.Errorf("lifting %s: %s, %v", first.Value.ID, lifted.Raw, err)
		}
	}
	unlinked, err := c.Unlink(t.Context(), adminclient.Unlink{Issuer: admintest.Issuer, Subject: "alice", Device: "pc-7"}, "")
	if err != nil || unlinked.Value.Target.Device != "pc-7" {
		t.Errorf("unlinking: %s, %v", unlinked.Raw, err)
	}
}

func TestATargetOfManyAccountsIsConfirmedByAPreview(t *testing.T) {
	c := newClient(t)
	wide := adminclient.Revocation{Target: tenant()}
	var refusal *adminclient.Problem
	if _, err := c.Revoke(t.Context(), wide, ""); !errors.As(err, &refusal) || refusal.Status/100 != 4 || refusal.Type == "" || refusal.Detail == "" {
		t.Errorf("without a preview: %v", err)
	}
	p, err := c.Preview(t.Context(), wide)
	if err != nil || p.Value.ID == "" || p.Value.ExpiresAt == nil || p.Value.Mode != "sign_in" {
		t.Fatalf("preview %s, %v", p.Raw, err)
	}
	wide.PreviewID = p.Value.ID
	if r, err := c.Revoke(t.Context(), wide, ""); err != nil || r.Value.Target.Tenant != "acme" {
		t.Errorf("with a preview: %s, %v", r.Raw, err)
	}
}

func TestASearchIsWalkedThroughPageByPage(t *testing.T) {
	c := newClient(t)
	var want []string
	for range 5 {
		r, err := c.Block(t.Context(), adminclient.Block{Target: alice()}, "")
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{r.Value.ID}, want...)
	}
	var got []string
	for held, err := range adminclient.All(t.Context(), c.Blocks, adminclient.Search{Issuer: admintest.Issuer, Subject: "alice", Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		if held.State != "in_force" {
			t.Errorf("%s is %q", held.ID, held.State)
		}
		got = append(got, held.ID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("found %s, want %s", got, want)
	}
	for _, err := range adminclient.All(t.Context(), c.Revocations, adminclient.Search{Cursor: "none"}) {
		var refusal *adminclient.Problem
		if !errors.As(err, &refusal) || refusal.Status != http.StatusBadRequest {
			t.Errorf("a cursor that is none: %v", err)
		}
	}
}

func TestWhatAGatewayKnowsIsRead(t *testing.T) {
	c := newClient(t)
	n, err := c.Nodes(t.Context())
	if err != nil || len(n.Value.Items) != 1 || n.Value.Items[0].State != node.Ready.String() {
		t.Errorf("nodes %s, %v", n.Raw, err)
	}
	s, err := c.Sessions(t.Context(), adminclient.SessionSearch{Issuer: admintest.Issuer, Subject: "alice", Limit: 1})
	if err != nil || len(s.Value.Items) != 1 || s.Value.Items[0].Session != "s1" || s.Value.NextCursor == "" || s.Value.Items[0].LastSeen == nil {
		t.Errorf("sessions %s, %v", s.Raw, err)
	}
	e, err := c.Explain(t.Context(), adminclient.Question{Token: "a.b.c"})
	if err != nil || e.Value.Decision != "admit" || len(e.Value.Rules) != 1 {
		t.Errorf("explanation %s, %v", e.Raw, err)
	}
	steps, err := c.StepUps(t.Context(), adminclient.Search{})
	if err != nil || len(steps.Value.Items) != 0 {
		t.Errorf("step-ups %s, %v", steps.Raw, err)
	}
}

func TestEachLineOfAnImportHasAnOutcome(t *testing.T) {
	c := newClient(t)
	text := `{"target":{"iss":"` + admintest.Issuer + `","sub":"alice"}}` + "\n\n" +
		`{"target":{"iss":"` + admintest.Issuer + `"}}` + "\n" +
		`{"target":{"iss":"` + admintest.Issuer + `","sub":"bob"}}`
	for _, key := range []string{"k", "k"} {
		var lines []int
		for o, err := range c.Import(t.Context(), strings.NewReader(text), key) {
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, o.Line)
			switch {
			case o.Line == 3 && (o.Status/100 != 4 || o.Problem == nil || o.Problem.Status != o.Status):
				t.Errorf("the target of many accounts: %s", o.Raw)
			case o.Line != 3 && (o.Status != http.StatusCreated || !strings.HasPrefix(o.ID, "rev_")):
				t.Errorf("line %d: %s", o.Line, o.Raw)
			}
		}
		if len(lines) != 3 || lines[0] != 1 || lines[1] != 3 || lines[2] != 4 {
			t.Errorf("outcomes of the lines %d", lines)
		}
	}
	found, err := c.Revocations(t.Context(), adminclient.Search{})
	if err != nil || len(found.Value.Items) < 2 || found.Value.Items[0].Target.Subject != "bob" {
		t.Errorf("found %s, %v", found.Raw, err)
	}
}

func TestEventsAreResumedAfterAPosition(t *testing.T) {
	c := newClient(t)
	var positions []string
	for range 3 {
		r, err := c.Revoke(t.Context(), adminclient.Revocation{Target: alice()}, "")
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, r.Value.Position)
	}
	lost := func(err error, after string) { t.Errorf("lost after %s: %v", after, err) }
	n := 0
	for e, err := range c.Follow(t.Context(), positions[0], lost) {
		if err != nil || e.Kind != "revocation" || !strings.Contains(string(e.Data), positions[n+1]) {
			t.Fatalf("%s %s, %v", e.Kind, e.Data, err)
		}
		if n++; n == 2 {
			break
		}
	}
	for _, err := range c.Follow(t.Context(), "9.9", lost) {
		var refusal *adminclient.Problem
		if !errors.As(err, &refusal) || refusal.Status != http.StatusGone {
			t.Errorf("a position that is gone: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for e, err := range c.Follow(ctx, "", lost) {
		t.Errorf("nothing happened, and there is %s %s, %v", e.Kind, e.Data, err)
	}
}

func TestTheSecretIsReadForEveryRequestAndInNoError(t *testing.T) {
	c := newClient(t)
	file := filepath.Join(t.TempDir(), "secret")
	c.Secret = adminclient.SecretFile(file)
	for _, test := range []struct {
		secret string
		status int // 0: there is no request
	}{
		{"a-wrong-secret-canary", http.StatusUnauthorized},
		{admintest.Secret + "\n", 0},
		{"", -1},
		{"canary\nof two lines", -1},
	} {
		if err := os.WriteFile(file, []byte(test.secret), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := c.Nodes(t.Context())
		var refusal *adminclient.Problem
		switch {
		case test.status == 0 && err != nil,
			test.status > 0 && (!errors.As(err, &refusal) || refusal.Status != test.status),
			test.status < 0 && (err == nil || errors.As(err, &refusal)):
			t.Errorf("secret %q: %v", test.secret, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
}

func TestCaddysEndpointWantsNoSecret(t *testing.T) {
	api := admintest.New(t)
	c := adminclient.Local("tcp", api.Listener.Addr().String())
	if r, err := c.Revoke(t.Context(), adminclient.Revocation{Target: alice()}, ""); err != nil || r.Value.Source != "cli" {
		t.Errorf("receipt %s, %v", r.Raw, err)
	}
}

func TestARefusedConnectionSaysThatNothingWasSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := adminclient.Local("tcp", l.Addr().String())
	_, err = c.Revoke(t.Context(), adminclient.Revocation{Target: alice()}, "")
	var doubt *adminclient.InDoubt
	if !errors.Is(err, adminclient.ErrUnreachable) || !adminclient.NotSent(err) || errors.As(err, &doubt) {
		t.Errorf("error %v", err)
	}
}
