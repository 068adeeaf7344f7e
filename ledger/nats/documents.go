package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/internal/pause"
	"curfew.dev/curfew/ledger"
)

// documents has the documents of a cluster, in three streams of their own. Every
// read asks a stream's leader, because its other servers may lack a document that
// was acknowledged. Consumers and direct gets must not be used: they send stored
// bytes to a subject that the reader names, which could be a subject of the log.
type documents struct {
	ledger *Ledger
	begun  bool          // guarded by the ledger's mu
	first  chan struct{} // closed when every stream was checked once

	mu      sync.Mutex
	streams []*documentStream // in the order of documentStreams
	logged  string            // the last logged reason why documents can't be used
}

// documentStream is one of the streams. It must not be changed, only replaced.
type documentStream struct {
	config jetstream.StreamConfig
	stream jetstream.Stream
	err    error // why it can't be used
	full   bool  // little space is left
}

func (s *documentStream) subject(key ledger.Key) string {
	return strings.TrimSuffix(s.config.Subjects[0], ">") + string(key)
}

// activityStream is the index of the lists' stream, after the collections.
const activityStream = len(ledger.Collections)

// markersFor is how long a deletion is kept as a message. It must be much longer
// than a caller takes between reading a document and writing it.
const markersFor = time.Hour

// headersMost bounds the bytes of a message's headers.
const headersMost = 1 << 10

// documentConfigs returns the settings that the streams must have: a key-value
// bucket with one revision for each collection, and the stream of the lists.
func (o Options) documentConfigs() []jetstream.StreamConfig {
	sound := jetstream.StreamConfig{
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: o.Replicas,
		MaxMsgs: -1, MaxBytes: o.DocumentBytes, MaxConsumers: -1,
		DenyDelete: true, AllowMsgTTL: true,
	}
	var all []jetstream.StreamConfig
	for _, c := range ledger.Collections {
		bucket := o.Stream + "_" + strings.ToUpper(c.String())
		config := sound
		config.Name, config.Subjects = "KV_"+bucket, []string{"$KV." + bucket + ".>"}
		config.Description = "Curfew's documents: " + c.String()
		config.Discard, config.MaxMsgsPerSubject, config.MaxMsgSize = jetstream.DiscardNew, 1, ledger.MaxDocument+headersMost
		all = append(all, config)
	}
	lists := sound
	lists.Name = o.Stream + "_ACTIVITY"
	lists.Subjects = []string{lists.Name + ".>"}
	lists.Description = "Curfew's documents: activity"
	lists.Discard, lists.MaxMsgsPerSubject, lists.MaxMsgSize = jetstream.DiscardOld, ledger.MaxItems, ledger.MaxItem+headersMost
	lists.MaxAge, lists.AllowRollup = ledger.MaxItemAge, true
	return append(all, lists)
}

// checkDocumentSettings refuses a stream that would lose documents, fill the
// servers' disks or return old documents. The error names the mend. The argument
// want has the settings with which a node creates the stream.
func checkDocumentSettings(want, c jetstream.StreamConfig) error {
	var wrong []error
	for _, check := range []struct {
		bad  bool
		mend string
	}{
		{c.Storage != jetstream.FileStorage, "storage must be file"},
		{c.Replicas < want.Replicas, fmt.Sprintf("num_replicas is %d and must be at least %d", c.Replicas, want.Replicas)},
		{c.Retention != jetstream.LimitsPolicy, "retention must be limits"},
		{c.MaxBytes <= 0, "max_bytes must be set: strangers must not fill the disk of the ledger"},
		{c.MaxMsgs > 0, "max_msgs must be -1"},
		{c.MaxMsgSize > 0 && c.MaxMsgSize < want.MaxMsgSize, fmt.Sprintf("max_msg_size must be at least %d", want.MaxMsgSize)},
		{c.Discard != want.Discard, "discard must be " + strings.ToLower(strings.TrimPrefix(want.Discard.String(), "Discard"))},
		{c.DiscardNewPerSubject, "discard_new_per_subject must be off"},
		{c.MaxMsgsPerSubject < 1 || c.MaxMsgsPerSubject > want.MaxMsgsPerSubject, fmt.Sprintf("max_msgs_per_subject must be %d", want.MaxMsgsPerSubject)},
		{want.MaxAge == 0 && c.MaxAge != 0, "max_age must be 0: documents don't go by age"},
		{want.MaxAge != 0 && (c.MaxAge == 0 || c.MaxAge > want.MaxAge), fmt.Sprintf("max_age must be set, to at most %s", want.MaxAge)},
		{c.AllowDirect || c.MirrorDirect, "allow_direct and mirror_direct must be off: a server that lacks the newest write would answer"},
		{c.AllowRollup != want.AllowRollup, fmt.Sprintf("allow_rollup_hdrs must be %t", want.AllowRollup)},
		{!c.AllowMsgTTL, "allow_msg_ttl must be on: what marks a deletion goes after a while"},
		{c.NoAck, "no_ack must be off"},
		{c.Sealed, "it is sealed"},
		{c.PersistMode == jetstream.AsyncPersistMode, "persist_mode must not be async"},
		{c.Mirror != nil || len(c.Sources) > 0, "it must not be filled from another stream"},
		{c.RePublish != nil || c.SubjectTransform != nil, "it must not republish or transform subjects"},
		{!slices.Equal(c.Subjects, want.Subjects), "its subjects must be " + want.Subjects[0] + " and nothing else"},
	} {
		if check.bad {
			wrong = append(wrong, errors.New(check.mend))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s: %w; see docs/cluster.md", errSettings, want.Name, errors.Join(wrong...))
}

// Documents returns the documents of the cluster. The first call begins to check
// and create their streams. Each call waits until every stream was checked once.
// See [ledger.DocumentKeeper].
func (l *Ledger) Documents(ctx context.Context) (ledger.Documents, error) {
	d := l.documents
	l.mu.Lock()
	if !d.begun && !l.closed {
		d.begun = true
		l.done.Go(d.keep)
	}
	l.mu.Unlock()
	select {
	case <-d.first:
	case <-l.ctx.Done():
		return nil, errClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the streams of the documents were not reached: %w", ledger.ErrUnavailable, errors.Join(ctx.Err(), l.Connection().Problem))
	}
	return d, d.usable()
}

// errClosed is the error of every call after Close.
var errClosed = fmt.Errorf("%w: the ledger is closed", ledger.ErrUnavailable)

func newDocuments(l *Ledger) *documents {
	d := &documents{ledger: l, first: make(chan struct{})}
	for _, c := range l.options.documentConfigs() {
		d.streams = append(d.streams, &documentStream{config: c, err: fmt.Errorf("%w: %s was not reached yet", ledger.ErrUnavailable, c.Name)})
	}
	return d
}

// usable returns nil if documents can be stored, and otherwise the reason.
func (d *documents) usable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []error
	for _, s := range d.streams {
		if s.err == nil {
			return nil
		}
		all = append(all, s.err)
	}
	return errors.Join(all...)
}

// keep checks the streams until the ledger is closed, because they may be created
// or changed while it runs. It checks more often soon after the start, when an
// owner may be about to create them.
func (d *documents) keep() {
	looked := false
	for wait := sessionRetry; ; wait = min(2*wait, verifyEvery) {
		switch done := d.look(); {
		case done && !looked:
			looked = true
			close(d.first)
		case !done && !looked:
			wait = sessionRetry
		}
		if pause.For(d.ledger.ctx, wait) != nil {
			return
		}
	}
}

// look checks all streams and reports whether the servers answered for each.
func (d *documents) look() bool {
	if !d.ledger.conn.IsConnected() {
		return false
	}
	all := true
	var why []error
	for i, config := range d.ledger.options.documentConfigs() {
		s, err := d.lookAt(config)
		if err != nil && !errors.Is(err, ledger.ErrNoDocuments) {
			all = false
			continue // keep the last result: each use returns its own error
		}
		if err != nil {
			why = append(why, err)
		}
		d.mu.Lock()
		before := d.streams[i]
		d.streams[i] = s
		d.mu.Unlock()
		if s.full && !before.full {
			d.ledger.log.Warn("the stream of documents is nearly full: no new ones are taken; raise its max_bytes", "stream", config.Name)
		}
	}
	if all {
		d.tell(errors.Join(why...))
	}
	return all
}

// tell logs why documents can't be used, when the reason changes.
func (d *documents) tell(why error) {
	now := ""
	if why != nil {
		now = why.Error()
	}
	d.mu.Lock()
	news := now != d.logged
	d.logged = now
	d.mu.Unlock()
	switch {
	case news && why != nil:
		d.ledger.log.Warn("the ledger of the cluster keeps no documents: devices, sessions and activity are not available; sign-outs are not affected", "error", why)
	case news:
		d.ledger.log.Info("the ledger of the cluster keeps documents")
	}
}

// lookAt finds or creates a stream. An error that wraps [ledger.ErrNoDocuments] is
// also in the result. After any other error the state of the stream is unknown.
func (d *documents) lookAt(config jetstream.StreamConfig) (*documentStream, error) {
	l := d.ledger
	s := &documentStream{config: config}
	var info *jetstream.StreamInfo
	err := l.refusals.ask(l.asking(), "$JS.API.STREAM.INFO."+config.Name, func(ctx context.Context) (err error) {
		s.stream, info, err = streamInfo(ctx, l.js, config.Name)
		return err
	})
	what := "asking for the stream"
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		what = "creating the stream, which a node with the owner's rights can do,"
		s.stream, err = d.create(config)
		if err == nil {
			info = s.stream.CachedInfo()
		}
	}
	switch {
	case err == nil:
		s.err = checkDocumentSettings(config, info.Config)
		s.full = info.State.Bytes > uint64(info.Config.MaxBytes)/10*9
	case decided(err):
		s.err = fmt.Errorf("%s %s: %w", what, config.Name, err)
	default:
		return nil, err
	}
	if s.err != nil {
		s.err = fmt.Errorf("%w: %w", ledger.ErrNoDocuments, s.err)
	}
	return s, s.err
}

func (d *documents) create(config jetstream.StreamConfig) (s jetstream.Stream, err error) {
	l := d.ledger
	err = l.refusals.ask(l.asking(), "$JS.API.STREAM.CREATE."+config.Name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		s, err = l.js.CreateStream(ctx, config)
		return err
	})
	return s, err
}

// decided reports whether the servers refused, and would refuse again.
func decided(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrPermissionViolation) ||
		errors.As(err, &api) && api.Code < 500 && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) ||
		errors.As(err, &api) && api.ErrorCode == errorStorageExceeded
}

// errorStorageExceeded is JetStream's code for a disk with too little space for the
// limit of a stream.
const errorStorageExceeded = 10047

// ofDocuments reports whether a subject is only for documents.
func (o Options) ofDocuments(subject string) bool {
	return slices.ContainsFunc(o.documentConfigs(), func(c jetstream.StreamConfig) bool {
		return strings.HasSuffix(subject, "."+c.Name) || strings.HasPrefix(subject, strings.TrimSuffix(c.Subjects[0], ">"))
	})
}

// use returns a stream, or an error if it can't be used.
func (d *documents) use(ctx context.Context, i int) (*documentStream, error) {
	if d.ledger.ctx.Err() != nil {
		return nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.streams[i]
	return s, s.err
}

// bounded returns a context that ends with the connection and after a time limit.
func (d *documents) bounded(ctx context.Context, within time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, within)
	stop := context.AfterFunc(d.ledger.asking(), cancel)
	return ctx, func() { stop(); cancel() }
}

// read asks the leader of a stream for a message. The error wraps
// [ledger.ErrNotFound] if there is no such message.
func (d *documents) read(ctx context.Context, s *documentStream, ask func(context.Context) error) error {
	ctx, done := d.bounded(ctx, askWithin)
	defer done()
	err := d.ledger.refusals.ask(ctx, "$JS.API.STREAM.MSG.GET."+s.config.Name, ask)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("%w in %s", ledger.ErrNotFound, s.config.Name)
	}
	return fmt.Errorf("%w: reading from %s: %w", ledger.ErrUnavailable, s.config.Name, err)
}

// newestOf returns the newest message of a subject.
func (d *documents) newestOf(ctx context.Context, s *documentStream, subject string) (m *jetstream.RawStreamMsg, err error) {
	err = d.read(ctx, s, func(ctx context.Context) error {
		m, err = s.stream.GetLastMsgForSubject(ctx, subject)
		return err
	})
	return m, err
}

// write publishes a message and returns its sequence. The sequence of the newest
// message of its subject must be the expected one, or 0 for none.
func (d *documents) write(ctx context.Context, s *documentStream, m *nats.Msg, expected uint64, more ...jetstream.PublishOpt) (uint64, error) {
	ctx, done := d.bounded(ctx, answerWithin)
	defer done()
	// A stream that elects a leader has no responder for a moment, and has stored
	// nothing: trying again is safe.
	more = append(more, jetstream.WithExpectStream(s.config.Name), jetstream.WithExpectLastSequencePerSubject(expected),
		jetstream.WithRetryAttempts(6), jetstream.WithRetryWait(250*time.Millisecond))
	var ack *jetstream.PubAck
	err := d.ledger.refusals.ask(ctx, m.Subject, func(ctx context.Context) (err error) {
		ack, err = d.ledger.js.PublishMsg(ctx, m, more...)
		return err
	})
	if err != nil {
		return 0, d.notStored(s, err)
	}
	return ack.Sequence, nil
}

// notStored returns the error of a failed write, with its outcome.
func (d *documents) notStored(s *documentStream, err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return fmt.Errorf("%w: %w", ledger.ErrConflict, err)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%w: %w: writing to %s: %w", ledger.ErrUnavailable, ledger.ErrReadOnly, s.config.Name, err)
	}
	if certain := d.ledger.notWritten(err); certain != nil {
		return certain
	}
	return fmt.Errorf("%w: writing to %s: %w", ledger.ErrOutcomeUnknown, s.config.Name, err)
}

// The headers by which a key-value bucket marks a deletion.
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
)

func isMarker(m *jetstream.RawStreamMsg) bool {
	return m.Header.Get(headerOperation) != "" || m.Header.Get(jetstream.MarkerReasonHeader) != ""
}

// Load returns a document. See [ledger.Documents].
func (d *documents) Load(ctx context.Context, c ledger.Collection, key ledger.Key) (ledger.Document, error) {
	if err := key.Validate(); err != nil {
		return ledger.Document{}, err
	}
	s, err := d.use(ctx, int(c))
	if err != nil {
		return ledger.Document{}, err
	}
	return d.load(ctx, s, key)
}

func (d *documents) load(ctx context.Context, s *documentStream, key ledger.Key) (found ledger.Document, err error) {
	m, err := d.newestOf(ctx, s, s.subject(key))
	if err == nil && isMarker(m) {
		err = fmt.Errorf("%w: the document was deleted", ledger.ErrNotFound)
	}
	if err != nil {
		return found, err
	}
	return ledger.Document{Key: key, Revision: m.Sequence, Value: m.Data}, nil
}

// Store writes a document. See [ledger.Documents].
func (d *documents) Store(ctx context.Context, c ledger.Collection, key ledger.Key, value []byte, expected uint64) (uint64, error) {
	if err := ledger.CheckDocument(key, value); err != nil {
		return 0, err
	}
	s, err := d.use(ctx, int(c))
	if err != nil {
		return 0, err
	}
	if s.full && expected == 0 {
		return 0, fmt.Errorf("%w: %s is nearly full; raise its max_bytes", ledger.ErrUnavailable, s.config.Name)
	}
	m := &nats.Msg{Subject: s.subject(key), Data: value}
	revision, err := d.write(ctx, s, m, expected)
	if expected != 0 || !errors.Is(err, ledger.ErrConflict) {
		return revision, err
	}
	// After a deletion the new document must follow the marker.
	marker, readErr := d.newestOf(ctx, s, m.Subject)
	switch {
	case errors.Is(readErr, ledger.ErrNotFound):
		return 0, err // the document was there a moment ago
	case readErr != nil:
		return 0, readErr
	case !isMarker(marker):
		return 0, err
	}
	return d.write(ctx, s, &nats.Msg{Subject: m.Subject, Data: value}, marker.Sequence)
}

// Delete removes a document. See [ledger.Documents].
func (d *documents) Delete(ctx context.Context, c ledger.Collection, key ledger.Key, expected uint64) error {
	if err := key.Validate(); err != nil {
		return err
	}
	s, err := d.use(ctx, int(c))
	if err != nil {
		return err
	}
	// A marker's sequence is not the revision of a document, and neither is 0.
	found, err := d.load(ctx, s, key)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && found.Revision != expected {
		return fmt.Errorf("%w: it is at %d, expected %d", ledger.ErrConflict, found.Revision, expected)
	}
	if err != nil {
		return err
	}
	m := nats.NewMsg(s.subject(key))
	m.Header.Set(headerOperation, operationDelete)
	_, err = d.write(ctx, s, m, expected, jetstream.WithMsgTTL(markersFor))
	return err
}

// List calls yield for documents. See [ledger.Documents].
func (d *documents) List(ctx context.Context, c ledger.Collection, below ledger.Key, yield func(ledger.Document) error) error {
	if below != "" {
		if err := below.Validate(); err != nil {
			return err
		}
		below += "."
	}
	s, err := d.use(ctx, int(c))
	if err != nil {
		return err
	}
	keys, err := d.keys(ctx, s, below)
	if err != nil {
		return err
	}
	for _, key := range keys {
		found, err := d.load(ctx, s, key)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err == nil {
			err = yield(found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keys returns the keys that begin with a prefix. It includes keys of documents
// that were deleted lately.
func (d *documents) keys(ctx context.Context, s *documentStream, prefix ledger.Key) (keys []ledger.Key, err error) {
	ctx, done := d.bounded(ctx, answerWithin)
	defer done()
	var info *jetstream.StreamInfo
	err = d.ledger.refusals.ask(ctx, "$JS.API.STREAM.INFO."+s.config.Name, func(ctx context.Context) error {
		info, err = s.stream.Info(ctx, jetstream.WithSubjectFilter(s.subject(prefix+">")))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: listing %s: %w", ledger.ErrUnavailable, s.config.Name, err)
	}
	for subject := range info.State.Subjects {
		key := ledger.Key(strings.TrimPrefix(subject, s.subject("")))
		if key.Validate() == nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
