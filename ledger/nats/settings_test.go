package nats_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
)

// streamOfOperators is the stream that deploy/nats lets operators create.
func streamOfOperators(t *testing.T) jetstream.StreamConfig {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nats/stream.json")
	if err != nil {
		t.Fatal(err)
	}
	var c jetstream.StreamConfig
	into := json.NewDecoder(bytes.NewReader(text))
	into.DisallowUnknownFields()
	if err := into.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// sound is that stream on one server.
func sound(t *testing.T) jetstream.StreamConfig {
	c := streamOfOperators(t)
	c.Replicas = 1
	return c
}

// createStream creates a stream. Servers that have just elected a leader may say
// for a moment that their peers are offline.
func createStream(t *testing.T, js jetstream.JetStream, c jetstream.StreamConfig) {
	t.Helper()
	until(t, "the stream is created", func() bool {
		_, err := js.CreateStream(t.Context(), c)
		if err != nil && !strings.Contains(err.Error(), "peer offline") {
			t.Fatalf("creating the stream: %v", err)
		}
		return err == nil
	})
}

func updateStream(t *testing.T, js jetstream.JetStream, c jetstream.StreamConfig) {
	t.Helper()
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatalf("changing the stream: %v", err)
	}
}

// The stream that operators create equals the one that the first node would create.
func TestStreamOfOperators(t *testing.T) {
	c := natstest.Run(t, 3)
	js := raw(t, c)
	byNode := join(t, fleetOptions(t, c, "a"))
	following(t, byNode.Ledger)
	created := func() jetstream.StreamConfig {
		s, err := js.Stream(t.Context(), nats.DefaultStream)
		if err != nil {
			t.Fatal(err)
		}
		is := s.CachedInfo().Config
		is.Metadata = nil // it has the server's version
		return is
	}
	want := created()
	byNode.leave()
	if err := js.DeleteStream(t.Context(), nats.DefaultStream); err != nil {
		t.Fatal(err)
	}
	createStream(t, js, streamOfOperators(t))
	if got := created(); !reflect.DeepEqual(got, want) {
		t.Errorf("deploy/nats/stream.json makes\n%+v\na node makes\n%+v", got, want)
	}
	// A node can begin a ledger in it.
	begins := join(t, fleetOptions(t, c, "b"))
	following(t, begins.Ledger)
	begins.write("good")
}

// Every setting that breaks a promise is refused with its mend, if a server accepts
// it. Mending it is enough.
func TestUnsafeSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		unsafe func(*jetstream.StreamConfig)
		mend   string
		// anew: the server doesn't let the setting be changed on a stream.
		anew bool
	}{
		"memory":         {func(s *jetstream.StreamConfig) { s.Storage = jetstream.MemoryStorage }, "storage must be file", true},
		"interest":       {func(s *jetstream.StreamConfig) { s.Retention = jetstream.InterestPolicy }, "retention must be limits", false},
		"work queue":     {func(s *jetstream.StreamConfig) { s.Retention = jetstream.WorkQueuePolicy }, "retention must be limits", true},
		"age":            {func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }, "max_age must be 0", false},
		"count":          {func(s *jetstream.StreamConfig) { s.MaxMsgs = 1000 }, "max_msgs must be -1", false},
		"per subject":    {func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = 10 }, "max_msgs_per_subject must be -1", false},
		"size, old goes": {func(s *jetstream.StreamConfig) { s.MaxBytes, s.Discard = 1<<20, jetstream.DiscardOld }, "max_bytes must be -1, or discard new", false},
		"message ttl":    {func(s *jetstream.StreamConfig) { s.AllowMsgTTL = true }, "allow_msg_ttl must be off", true},
		"markers": {func(s *jetstream.StreamConfig) {
			s.AllowMsgTTL, s.SubjectDeleteMarkerTTL, s.AllowRollup = true, time.Hour, true
		}, "allow_msg_ttl must be off", true},
		"schedules": {func(s *jetstream.StreamConfig) {
			s.AllowMsgSchedules, s.AllowRollup, s.Discard = true, true, jetstream.DiscardOld
		}, "allow_msg_schedules must be off", true},
		"counter": {func(s *jetstream.StreamConfig) { s.AllowMsgCounter, s.Discard = true, jetstream.DiscardOld }, "allow_msg_counter must be off", true},
		"rollups": {func(s *jetstream.StreamConfig) { s.AllowRollup = true }, "allow_rollup_hdrs must be off", false},
		"deletes": {func(s *jetstream.StreamConfig) { s.DenyDelete = false }, "deny_delete must be on", false},
		"no acks": {func(s *jetstream.StreamConfig) { s.NoAck = true }, "no_ack must be off", false},
		"sealed":  {func(s *jetstream.StreamConfig) { s.Sealed = true }, "it is sealed", true},
		"async":   {func(s *jetstream.StreamConfig) { s.PersistMode = jetstream.AsyncPersistMode }, "persist_mode must not be async", true},
		"sourced": {func(s *jetstream.StreamConfig) { s.Sources = []*jetstream.StreamSource{{Name: "OTHER"}} }, "it must not be filled from another stream", false},
		"transformed": {func(s *jetstream.StreamConfig) {
			s.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "CURFEW.log.>", Destination: "x.>"}
		}, "it must not transform subjects", false},
		"no subjects": {func(s *jetstream.StreamConfig) { s.Subjects = []string{"elsewhere"} }, "its subjects must be CURFEW.log.>", false},
		"more subjects": {
			func(s *jetstream.StreamConfig) { s.Subjects = append(s.Subjects, "CURFEW.heartbeat") },
			"its subjects must be CURFEW.log.> and nothing else", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Run(t, 1)
			js := raw(t, c)
			unsafe := sound(t)
			tt.unsafe(&unsafe)
			if unsafe.Sealed { // which no stream can be from the beginning
				createStream(t, js, sound(t))
				updateStream(t, js, unsafe)
			} else {
				createStream(t, js, unsafe)
			}
			a := join(t, fleetOptions(t, c, "a"))
			until(t, "it says what to mend", func() bool {
				p := a.Connection().Problem
				return p != nil && strings.Contains(p.Error(), tt.mend)
			})
			if !strings.Contains(a.Connection().Problem.Error(), "deploy/nats") {
				t.Errorf("it does not say where the right settings are: %v", a.Connection().Problem)
			}
			if !tt.anew {
				updateStream(t, js, sound(t))
			} else if err := js.DeleteStream(t.Context(), "CURFEW"); err != nil {
				t.Fatal(err)
			}
			following(t, a.Ledger)
			a.write("goes on")
		})
	}
}

// Operators may choose settings that break no promise.
func TestHarmlessSettings(t *testing.T) {
	for name, set := range map[string]func(*jetstream.StreamConfig){
		"bounded, new refused": func(s *jetstream.StreamConfig) { s.MaxBytes = 1 << 30 },
		"direct gets":          func(s *jetstream.StreamConfig) { s.AllowDirect = true },
		"compressed":           func(s *jetstream.StreamConfig) { s.Compression = jetstream.S2Compression },
		"nothing purged":       func(s *jetstream.StreamConfig) { s.DenyPurge = true },
		"deduplicated":         func(s *jetstream.StreamConfig) { s.Duplicates = time.Minute },
		"labelled":             func(s *jetstream.StreamConfig) { s.Metadata = map[string]string{"team": "identity"} },
		"described":            func(s *jetstream.StreamConfig) { s.Description = "ours" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Run(t, 1)
			s := sound(t)
			set(&s)
			createStream(t, raw(t, c), s)
			a := join(t, fleetOptions(t, c, "a"))
			following(t, a.Ledger)
			a.write("good")
		})
	}
}

// A stream on too few servers is refused until enough servers hold it.
func TestTooFewReplicas(t *testing.T) {
	c := natstest.Run(t, 3)
	js := raw(t, c)
	few := sound(t)
	createStream(t, js, few)
	o := fleetOptions(t, c, "a")
	a := join(t, o)
	until(t, "it says what to mend", func() bool {
		p := a.Connection().Problem
		return p != nil && strings.Contains(p.Error(), "num_replicas is 1 and must be at least 3")
	})
	o = fleetOptions(t, c, "b")
	o.Replicas = 1 // a node that needs only one server accepts the stream
	b := join(t, o)
	following(t, b.Ledger)
	b.write("on one server")
	few.Replicas = 3
	updateStream(t, js, few)
	following(t, a.Ledger)
	a.write("on three")
}

// Only the system account can see the servers' settings. Every server that holds
// the stream must answer.
func TestDurabilityIsVerified(t *testing.T) {
	always := func(int, *server.Options) {}
	never := func(_ int, o *server.Options) { o.SyncAlways = false }
	second := func(i int, o *server.Options) { o.SyncAlways = i != 1 }
	none := func(roles) string { return "" }
	system := func(is roles) string { return is.system }
	for name, tt := range map[string]struct {
		servers     int
		set         func(int, *server.Options)
		credentials func(roles) string
		verified    bool
		warning     string // empty: none
	}{
		"one server":            {1, always, system, true, ""},
		"three servers":         {3, always, system, true, ""},
		"nobody may ask":        {1, always, none, false, ""},
		"one of three does not": {3, second, system, false, "server n2 acknowledges before it syncs: set `sync_interval: always`"},
		"the only one does not": {1, never, system, false, "server n1 acknowledges before it syncs"},
		"of another account":    {1, always, func(is roles) string { return is.edge }, false, "Permissions Violation for Publish to \\\"$SYS.REQ.SERVER.PING.VARZ"},
		"of nobody":             {1, always, func(roles) string { _, stranger := natstest.User(t); return stranger }, false, "Authorization Violation"},
		"not there":             {1, always, func(is roles) string { return is.system + ".missing" }, false, "reading the NATS credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			c, is := guarded(t, tt.servers, tt.set)
			var logged lines
			o := fleetOptions(t, c, "a")
			o.Credentials, o.SystemCredentials, o.Log = is.owner, tt.credentials(is), slog.New(slog.NewTextHandler(&logged, nil))
			a := join(t, o)
			following(t, a.Ledger)
			a.write("good")
			wanted := func() bool {
				log := logged.String()
				return a.Connection().Verified == tt.verified && strings.Contains(log, tt.warning) && (tt.warning != "") == strings.Contains(log, "receipts say unverified")
			}
			for again := 0; !wanted(); again++ { // a busy machine may not have answered in time
				if again == 3 {
					t.Fatalf("verified: %t, want %t; it logs\n%s\nwant %q", a.Connection().Verified, tt.verified, &logged, tt.warning)
				}
				t.Logf("verified: %t; it logs\n%s", a.Connection().Verified, logged.take())
				if err := a.Verify(); err != nil {
					t.Log(err)
				}
			}
		})
	}
}

// A server that was down at a request is asked again.
func TestDurabilityIsVerifiedLater(t *testing.T) {
	c, is := guarded(t, 3)
	o := fleetOptions(t, c, "first")
	o.Credentials = is.owner
	first := join(t, o)
	following(t, first.Ledger)
	c.Stop(2)
	o = fleetOptions(t, c, "a")
	o.Credentials, o.SystemCredentials = is.node, is.system
	a := join(t, o)
	following(t, a.Ledger)
	if a.Connection().Verified {
		t.Error("verified, though a server was away")
	}
	c.Start(2)
	until(t, "all three were seen", func() bool { return a.Verify() == nil && a.Connection().Verified })
}

// lines records the log lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns the lines and removes them.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
