package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errSettings means that the stream's settings break a promise of the ledger.
var errSettings = errors.New("unsafe stream")

// streamConfig returns the settings that a stream must have. No message may expire
// by age, count or size. No message may be deleted from the middle. An
// acknowledged message must be stored.
func (o Options) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              o.Stream,
		Description:       "Curfew's ledger of revocations",
		Subjects:          []string{o.subject("log.>")},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		Storage:           jetstream.FileStorage,
		Replicas:          o.Replicas,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: -1,
		MaxConsumers:      -1,
		MaxMsgSize:        -1,
		DenyDelete:        true,
	}
}

func (o Options) subject(name string) string { return o.Stream + "." + name }

// checkSettings refuses settings that break a promise, and names the mend.
func (o Options) checkSettings(c jetstream.StreamConfig) error {
	var wrong []error
	for _, check := range []struct {
		bad  bool
		mend string
	}{
		{c.Storage != jetstream.FileStorage, "storage must be file: what is in memory is gone with its server"},
		{c.Replicas < o.Replicas, fmt.Sprintf("num_replicas is %d and must be at least %d", c.Replicas, o.Replicas)},
		{c.Retention != jetstream.LimitsPolicy, "retention must be limits"},
		{c.MaxAge != 0, "max_age must be 0: revocations don't go by age"},
		{c.MaxMsgs > 0, "max_msgs must be -1"},
		{c.MaxMsgsPerSubject > 0, "max_msgs_per_subject must be -1"},
		{c.MaxBytes > 0 && c.Discard != jetstream.DiscardNew, "max_bytes must be -1, or discard new"},
		{c.AllowMsgTTL || c.SubjectDeleteMarkerTTL != 0, "allow_msg_ttl must be off: it leaves gaps that nobody reports"},
		{c.AllowMsgSchedules, "allow_msg_schedules must be off"},
		{c.AllowMsgCounter, "allow_msg_counter must be off"},
		{c.AllowRollup, "allow_rollup_hdrs must be off: a rollup deletes what was before it"},
		{!c.DenyDelete, "deny_delete must be on: a sequence that is missing must mean damage"},
		{c.NoAck, "no_ack must be off"},
		{c.Sealed, "it is sealed, and nothing can be appended"},
		{c.PersistMode == jetstream.AsyncPersistMode, "persist_mode must not be async: it acknowledges before it stores"},
		{c.Mirror != nil || len(c.Sources) > 0, "it must not be filled from another stream"},
		{c.SubjectTransform != nil, "it must not transform subjects"},
		{!slices.Equal(c.Subjects, []string{o.subject("log.>")}), "its subjects must be " + o.subject("log.>") + " and nothing else"},
	} {
		if check.bad {
			wrong = append(wrong, errors.New(check.mend))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s: %w; see deploy/nats", errSettings, o.Stream, errors.Join(wrong...))
}

// streamInfo asks the servers for the stream. The error wraps
// [jetstream.ErrStreamNotFound] if there is none.
func streamInfo(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, *jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return s, s.CachedInfo(), nil
}

// askWithin is the time limit of a request to the servers.
const askWithin = 3 * time.Second

// verifyEvery is the time between requests for the servers' settings. A server may
// restart with other settings, or may have been down at the last request.
const verifyEvery = time.Minute

// keepVerifying verifies the servers regularly while they can be reached.
func (l *Ledger) keepVerifying() {
	if l.options.SystemCredentials == "" {
		return
	}
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.failed:
			return
		case <-time.After(verifyEvery):
		}
		if _, info, err := streamInfo(l.ctx, l.js, l.options.Stream); err == nil {
			l.verify(info)
		}
	}
}

// verify records whether every server that holds the stream syncs. It logs the
// reason against when the reason changes.
func (l *Ledger) verify(info *jetstream.StreamInfo) {
	verified, err := l.options.syncs(l.ctx, info)
	why := ""
	if err != nil {
		why = err.Error()
	}
	l.mu.Lock()
	news := why != l.unseen
	l.connection.Verified, l.unseen = verified, why
	l.mu.Unlock()
	if news && why != "" {
		l.log.Warn("the servers' settings can't be seen: receipts say unverified", "error", err)
	}
}

// syncs reports whether every server that holds the stream syncs before it
// acknowledges. Only the system account can see that.
func (o Options) syncs(ctx context.Context, info *jetstream.StreamInfo) (bool, error) {
	if o.SystemCredentials == "" || info.Config.Replicas < 3 && o.Replicas >= 3 {
		return false, nil
	}
	if info.Cluster == nil {
		return false, fmt.Errorf("the server does not say who holds the stream %s", o.Stream)
	}
	ctx, refused := context.WithCancelCause(ctx)
	defer refused(nil)
	conn, err := o.connect("curfew "+o.Node+" (settings)", o.SystemCredentials,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused(err) }))
	if err != nil {
		return false, err
	}
	defer conn.Close()
	wanted := []string{info.Cluster.Leader}
	for _, peer := range info.Cluster.Replicas {
		wanted = append(wanted, peer.Name)
	}
	all, err := allSync(ctx, conn, wanted)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return all, err
}

// varz is the part of a server's answer that is needed here.
type varz struct {
	Server struct {
		Name string `json:"name"`
	} `json:"server"`
	Data struct {
		JetStream struct {
			Config *struct {
				SyncAlways bool `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	} `json:"data"`
}

// allSync asks all servers and waits for the wanted ones.
func allSync(ctx context.Context, conn *nats.Conn, wanted []string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for !conn.IsConnected() {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("asking the servers for their settings: %w", cmp.Or(withoutURL(conn.LastError()), ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return false, fmt.Errorf("asking the servers for their settings: %w", err)
	}
	if err := conn.PublishRequest("$SYS.REQ.SERVER.PING.VARZ", inbox, nil); err != nil {
		return false, fmt.Errorf("asking the servers for their settings: %w", err)
	}
	for len(wanted) > 0 {
		msg, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return false, fmt.Errorf("asking the servers for their settings: %v did not answer: %w", wanted, err)
		}
		var v varz
		if err := json.Unmarshal(msg.Data, &v); err != nil {
			continue
		}
		at := slices.Index(wanted, v.Server.Name)
		if at < 0 {
			continue
		}
		if v.Data.JetStream.Config == nil || !v.Data.JetStream.Config.SyncAlways {
			return false, fmt.Errorf("server %s acknowledges before it syncs: set `sync_interval: always` in its jetstream block", v.Server.Name)
		}
		wanted = slices.Delete(wanted, at, at+1)
	}
	return true, nil
}
