package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuer = "https://idp"

func start(t *testing.T, open func() (ledger.Ledger, error)) *node.Node {
	t.Helper()
	n := node.New(node.Config{Name: "edge-1", Instance: "k3f9", Open: open})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func inDir(dir string, onEmpty local.OnEmpty) func() (ledger.Ledger, error) {
	return func() (ledger.Ledger, error) { return local.Open(local.Options{Dir: dir, OnEmpty: onEmpty}) }
}

// patience is how long a test waits for what must come about: more than a busy
// machine takes for it.
const patience = time.Minute

// await waits for a state; the node says no sooner that it has changed.
func await(t *testing.T, n *node.Node, want node.State) {
	t.Helper()
	for deadline := time.Now().Add(patience); n.State() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the node is %s (%v), want %s", n.State(), n.Why(), want)
		}
	}
}

func cutOf(sub string) revocation.Record {
	now := time.Now()
	return revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: sub}, Mode: revocation.SignIn,
		At: now.UnixMilli(), Through: now.Unix(), Source: "admin", Time: now.UnixMilli(),
	}
}

func isCut(n *node.Node, sub string) bool {
	c := revocation.Credential{Issuer: issuer, Subject: sub, AuthTime: 1, IssuedAt: 1}
	c.Seal()
	var f revocation.Finding
	n.Index().Find(&c, &f)
	return f.SignIn.Through > 0
}

func TestSubmitEnforcesBeforeItAnswersAndForEver(t *testing.T) {
	dir := t.TempDir()
	n := start(t, inDir(dir, local.Start))
	await(t, n, node.Ready)
	changes := n.Changes()
	w, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if !isCut(n, "alice") || isCut(n, "bob") {
		t.Error("the cut is not in force, or hits others")
	}
	select {
	case <-changes:
	default:
		t.Error("nobody was told of the change")
	}
	ref := revocation.Ref{Position: w.Position}
	first, err := n.Receipt(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if first.Enforcement.State != "enforced" || first.Enforcement.Nodes[0].Node != "edge-1/k3f9" || first.Durability != "verified" {
		t.Errorf("receipt %+v", first)
	}
	n.Configure(node.Settings{Expect: 3})
	if missed, err := n.Receipt(t.Context(), ref); err != nil || missed.Enforcement.State != "partial" {
		t.Errorf("with two nodes missing: %+v %v", missed.Enforcement, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("x")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a closed node took a record: %v", err)
	}

	again := start(t, inDir(dir, local.Start))
	await(t, again, node.Ready)
	if !isCut(again, "alice") {
		t.Error("the cut was forgotten")
	}
	later, err := again.Receipt(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if at := later.Enforcement.Nodes[0].EnforcedAt; at.Before(first.Enforcement.Nodes[0].EnforcedAt.Time) {
		t.Errorf("the new instance says that it enforced at %s, before it started", at)
	}
}

// A ledger that begins by signing everyone out says so like any other cut.
func TestReceiptOfGenesis(t *testing.T) {
	n := start(t, inDir(t.TempDir(), local.SignOutAll))
	await(t, n, node.Ready)
	got, err := n.Receipt(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}})
	if err != nil || got.Mode != "sign_in" || got.At == nil || got.Target != nil || got.Source != "genesis" {
		t.Errorf("receipt %+v, %v", got, err)
	}
}

func TestUninitialisedWaitsForInit(t *testing.T) {
	dir := t.TempDir()
	n := start(t, inDir(dir, local.Refuse))
	if n.State() != node.Starting || !errors.Is(n.Why(), ledger.ErrUninitialised) {
		t.Fatalf("%s: %v", n.State(), n.Why())
	}
	if err := local.Init(local.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	await(t, n, node.Ready)
	c := revocation.Credential{Issuer: issuer, Subject: "alice", AuthTime: 1, IssuedAt: 1}
	c.Seal()
	var f revocation.Finding
	if n.Index().Find(&c, &f); f.SignIn.Through == 0 {
		t.Error("init did not sign everybody out")
	}
}

func TestDamagedServesNothing(t *testing.T) {
	dir := t.TempDir()
	n := start(t, inDir(dir, local.Start))
	await(t, n, node.Ready)
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "position")); err != nil {
		t.Fatal(err)
	}
	n = start(t, inDir(dir, local.Start))
	await(t, n, node.Damaged)
	if !errors.Is(n.Why(), ledger.ErrIntegrity) {
		t.Errorf("why: %v", n.Why())
	}
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("bob")}, ledger.Idempotency{}); err == nil {
		t.Error("a damaged node took a record")
	}

	// An operator looks, and accepts what is there: no restart is needed.
	if _, err := local.Adopt(local.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	await(t, n, node.Ready)
	if !isCut(n, "alice") || !isCut(n, "bob") {
		t.Error("adopting did not keep the cut, or did not sign everybody out")
	}
}

func TestLockedIsAnErrorAtOnce(t *testing.T) {
	dir := t.TempDir()
	await(t, start(t, inDir(dir, local.Start)), node.Ready)
	second := node.New(node.Config{Name: "edge-1", Instance: "other", Open: inDir(dir, local.Start)})
	if err := second.Start(); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("got %v", err)
	}
	_ = second.Close()
}

// late is a ledger whose appends become durable without an answer.
type late struct {
	ledger.Ledger
	silent atomic.Bool
	broken atomic.Pointer[error]
}

func (l *late) Append(ctx context.Context, r []revocation.Record, k ledger.Idempotency) (revocation.Position, bool, error) {
	pos, replayed, err := l.Ledger.Append(ctx, r, k)
	if err == nil && l.silent.Load() {
		return revocation.Position{}, false, ledger.ErrOutcomeUnknown
	}
	return pos, replayed, err
}

func (l *late) Err() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return l.Ledger.Err()
}

// An entry that became durable without an answer is enforced all the same, and a
// retry with the same key finds it.
func TestUnknownOutcome(t *testing.T) {
	l := new(late)
	n := start(t, func() (ledger.Ledger, error) {
		opened, err := local.Open(local.Options{Dir: t.TempDir(), OnEmpty: local.Start})
		l.Ledger = opened
		return l, err
	})
	await(t, n, node.Ready)
	l.silent.Store(true)
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(time.Hour)}
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); !errors.Is(err, ledger.ErrOutcomeUnknown) {
		t.Fatalf("got %v", err)
	}
	for deadline := time.Now().Add(patience); !isCut(n, "alice"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("durable, and not enforced")
		}
	}
	l.silent.Store(false)
	w, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key)
	if err != nil || !w.Replayed {
		t.Errorf("the retry wrote again: %+v %v", w, err)
	}
}

func TestIntegrityFailureWhileRunning(t *testing.T) {
	l := new(late)
	n := start(t, func() (ledger.Ledger, error) {
		opened, err := local.Open(local.Options{Dir: t.TempDir(), OnEmpty: local.Start})
		l.Ledger = opened
		return l, err
	})
	await(t, n, node.Ready)
	changes := n.Changes()
	l.broken.Store(new(ledger.ErrIntegrity))
	await(t, n, node.Damaged)
	select {
	case <-changes:
	case <-time.After(patience):
		t.Error("nobody was told")
	}
}

// listening is an observer that keeps the errors of appends.
type listening struct{ failed []error }

func (o *listening) Appended(_ time.Duration, err error) {
	if err != nil {
		o.failed = append(o.failed, err)
	}
}
func (*listening) Written(revocation.Position, []revocation.Record) {}
func (*listening) Replayed(node.Replay)                             {}
func (*listening) Enforced(string, time.Duration)                   {}
func (*listening) EnforcedEverywhere(time.Duration)                 {}
func (*listening) Changed(node.State, error)                        {}
func (*listening) Doubted(node.ClockDoubt, time.Duration)           {}

// A key that a caller used twice is no failure of the ledger.
func TestAReusedKeyIsTheCallersMistake(t *testing.T) {
	o := new(listening)
	n := node.New(node.Config{Open: inDir(t.TempDir(), local.Start), Observer: o})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	await(t, n, node.Ready)
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{1}, Expires: time.Now().Add(time.Hour)}
	for _, want := range []error{nil, ledger.ErrKeyReused} {
		if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		key.Request[0]++
	}
	if len(o.failed) > 0 {
		t.Errorf("failures of the ledger: %v", o.failed)
	}
}
