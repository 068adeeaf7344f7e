package nats_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats/natstest"
)

// with returns the lines that have all of some words.
func (l *lines) with(words ...string) (found []string) {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// joinLogging returns a node with a role, and its log lines.
func joinLogging(t *testing.T, c *natstest.Cluster, name, credentials string) (*edge, *lines) {
	t.Helper()
	var log lines
	o := fleetOptions(t, c, name)
	o.Credentials, o.Log, o.DocumentBytes = credentials, slog.New(slog.NewTextHandler(&log, nil)), 16<<20
	e := join(t, o)
	following(t, e.Ledger)
	return e, &log
}

// documents returns the documents of a node. They must be usable.
func (e *edge) documents() ledger.Documents {
	e.t.Helper()
	var d ledger.Documents
	until(e.t, e.options.Node+" has documents", func() bool {
		ctx, cancel := context.WithTimeout(e.t.Context(), patience)
		defer cancel()
		var err error
		d, err = e.Documents(ctx)
		return err == nil
	})
	return d
}

var aliceKey = ledger.KeyOf("https://login.example.com", "alice")

func TestANodeWritesDocumentsAndAnEdgeReadsThem(t *testing.T) {
	c, is := guarded(t, 1)
	owner, _ := joinLogging(t, c, "owner", is.owner)
	owner.documents()
	node, _ := joinLogging(t, c, "node", is.node)
	reader, log := joinLogging(t, c, "edge", is.edge)
	d := node.documents()
	ctx := t.Context()
	for _, collection := range ledger.Collections {
		revision, err := d.Store(ctx, collection, aliceKey.Below("x"), []byte("seen"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Append(ctx, aliceKey, []byte("sign-in")); err != nil {
			t.Fatal(err)
		}
		found, err := reader.documents().Load(ctx, collection, aliceKey.Below("x"))
		if err != nil || string(found.Value) != "seen" || found.Revision != revision {
			t.Errorf("the edge loads %q at %d, %v", found.Value, found.Revision, err)
		}
		listed := 0
		err = reader.documents().List(ctx, collection, aliceKey, func(ledger.Document) error { listed++; return nil })
		if err != nil || listed != 1 {
			t.Errorf("the edge lists %d, %v", listed, err)
		}
		began := time.Now()
		_, storing := reader.documents().Store(ctx, collection, aliceKey, nil, 0)
		for what, err := range map[string]error{
			"storing": storing, "deleting": reader.documents().Delete(ctx, collection, aliceKey.Below("x"), revision),
		} {
			if !errors.Is(err, ledger.ErrReadOnly) || !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%s at an edge: %v", what, err)
			}
		}
		if took := time.Since(began); took > 4*time.Second { // waiting for an answer takes 5 s each
			t.Errorf("it was told after %s", took)
		}
	}
	_, reading := reader.documents().Newest(ctx, aliceKey, 0, 1)
	for what, err := range map[string]error{
		"reading": reading, "appending": reader.documents().Append(ctx, aliceKey, nil), "forgetting": reader.documents().Forget(ctx, aliceKey),
	} {
		if !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s a list at an edge: %v", what, err)
		}
	}
	if err := d.Forget(ctx, aliceKey); err != nil {
		t.Errorf("forgetting a list at a node: %v", err)
	}
	if got := log.with("WARN"); len(got) != 0 {
		t.Errorf("the edge warns: %q", got)
	}
	if reader.Connection().ReadOnly || reader.Connection().Problem != nil {
		t.Errorf("its ledger is said to be %+v", reader.Connection())
	}
}

// A node waits for the owner to create the streams, and notices when they exist.
func TestOnlyTheOwnerCreatesTheStreamsOfDocuments(t *testing.T) {
	c, is := guarded(t, 1)
	owner, _ := joinLogging(t, c, "owner", is.owner)
	node, log := joinLogging(t, c, "node", is.node)
	if _, err := node.Documents(t.Context()); !errors.Is(err, ledger.ErrNoDocuments) || !strings.Contains(err.Error(), "owner's rights") {
		t.Errorf("before the owner has created them: %v", err)
	}
	until(t, "it is logged once", func() bool { return len(log.with("WARN", "keeps no documents")) == 1 })
	owner.documents()
	node.documents()
	until(t, "that they are there is logged", func() bool { return len(log.with("keeps documents")) == 1 })
}

// With an accounts.conf from before documents existed, the log works as before.
func TestAClusterWithTheAccountsOfBeforeKeepsNoDocumentsAndRuns(t *testing.T) {
	c, is := guardedBy(t, "testdata/accounts-without-documents.conf", 1)
	for _, role := range [][2]string{{"owner", is.owner}, {"node", is.node}, {"edge", is.edge}} {
		name := role[0]
		e, log := joinLogging(t, c, name, role[1])
		for range 3 {
			began := time.Now()
			if _, err := e.Documents(t.Context()); !errors.Is(err, ledger.ErrNoDocuments) || errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("the documents of the %s: %v", name, err)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("the %s was told after %s", name, took)
			}
		}
		for range 2 {
			e.LookAtDocuments() // again
		}
		if got := log.with("WARN"); len(got) != 1 || !strings.Contains(got[0], "keeps no documents") {
			t.Errorf("the %s warns %q", name, got)
		}
		if name != "edge" {
			e.write("goes on")
			if err := e.tick(); err != nil {
				t.Error(err)
			}
		}
		if err := e.Err(); err != nil {
			t.Error(err)
		}
	}
}

// An owner says so if its account may have only one stream.
func TestTooFewStreamsOfTheAccountAreNamed(t *testing.T) {
	c, is := guarded(t, 1)
	account, err := c.Server(0).LookupAccount("CURFEW")
	if err != nil {
		t.Fatal(err)
	}
	limits := account.JetStreamUsage().Limits
	limits.MaxStreams = 1
	if err := account.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
		t.Fatal(err)
	}
	owner, log := joinLogging(t, c, "owner", is.owner)
	if _, err := owner.Documents(t.Context()); !errors.Is(err, ledger.ErrNoDocuments) || !strings.Contains(err.Error(), "maximum number of streams") {
		t.Errorf("the documents of the owner: %v", err)
	}
	owner.write("goes on")
	if got := log.with("WARN"); len(got) != 1 {
		t.Errorf("it warns %q", got)
	}
}

// Every setting that would lose documents, fill the disk or return old documents is
// refused with its mend. Mending it is enough.
func TestUnsafeSettingsOfDocumentsAreNamed(t *testing.T) {
	c := natstest.Run(t, 1)
	js := raw(t, c)
	first, _ := joinLogging(t, c, "a", "")
	first.documents()
	sound := make(map[string]jetstream.StreamConfig)
	for _, name := range []string{"KV_CURFEW_ACCOUNTS", "KV_CURFEW_SESSIONS", "CURFEW_ACTIVITY"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		sound[name] = s.CachedInfo().Config
	}
	for name, tt := range map[string]struct {
		stream string
		unsafe func(*jetstream.StreamConfig)
		mend   string
	}{
		"no limit":             {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.MaxBytes = -1 }, "max_bytes must be set"},
		"no limit of lists":    {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.MaxBytes = -1 }, "max_bytes must be set"},
		"old documents go":     {"KV_CURFEW_SESSIONS", func(s *jetstream.StreamConfig) { s.Discard = jetstream.DiscardOld }, "discard must be new"},
		"new items go":         {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.Discard = jetstream.DiscardNew }, "discard must be old"},
		"documents age":        {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }, "max_age must be 0"},
		"items don't":          {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.MaxAge = 0 }, "max_age must be set"},
		"items age late":       {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.MaxAge = 2 * ledger.MaxItemAge }, "max_age must be set"},
		"history":              {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = 5 }, "max_msgs_per_subject must be 1"},
		"unbounded lists":      {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = -1 }, "max_msgs_per_subject must be 200"},
		"few documents":        {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.MaxMsgs = 1000 }, "max_msgs must be -1"},
		"small documents":      {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.MaxMsgSize = 1000 }, "max_msg_size must be at least"},
		"answers of followers": {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.AllowDirect = true }, "allow_direct and mirror_direct must be off"},
		"rollups":              {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.AllowRollup = true }, "allow_rollup_hdrs must be false"},
		"no rollups of lists":  {"CURFEW_ACTIVITY", func(s *jetstream.StreamConfig) { s.AllowRollup = false }, "allow_rollup_hdrs must be true"},
		"no acks":              {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.NoAck = true }, "no_ack must be off"},
		"republished": {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) {
			s.RePublish = &jetstream.RePublish{Source: ">", Destination: "CURFEW.log.>"}
		}, "it must not republish"},
		"sourced": {"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.Sources = []*jetstream.StreamSource{{Name: "OTHER"}} }, "it must not be filled"},
		"more subjects": {
			"KV_CURFEW_ACCOUNTS", func(s *jetstream.StreamConfig) { s.Subjects = append([]string{"elsewhere"}, s.Subjects...) },
			"its subjects must be $KV.CURFEW_ACCOUNTS.> and nothing else",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := sound[tt.stream]
			tt.unsafe(&bad)
			updateStream(t, js, bad)
			var log lines
			o := fleetOptions(t, c, "b")
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			e := join(t, o)
			if _, err := e.Documents(t.Context()); err != nil {
				t.Errorf("the other streams are sound: %v", err)
			}
			d, _ := e.Documents(t.Context())
			var err error
			switch tt.stream {
			case "KV_CURFEW_ACCOUNTS":
				_, err = d.Load(t.Context(), ledger.Accounts, aliceKey)
			case "KV_CURFEW_SESSIONS":
				_, err = d.Load(t.Context(), ledger.Sessions, aliceKey)
			default:
				_, err = d.Newest(t.Context(), aliceKey, 0, 1)
			}
			if !errors.Is(err, ledger.ErrNoDocuments) || !strings.Contains(err.Error(), tt.mend) || !strings.Contains(err.Error(), tt.stream) {
				t.Errorf("told %v; want %q", err, tt.mend)
			}
			updateStream(t, js, sound[tt.stream])
			until(t, "mending it is enough", func() bool {
				return len(log.with("the ledger of the cluster keeps documents")) == 1
			})
		})
	}
}
