package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/internal/pause"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// The names of the marker files. An operator creates one in the directory of the
// replica to command a gateway.
const (
	// MarkerInit begins a ledger although on_empty says refuse.
	MarkerInit = "init"
	// MarkerAdopt accepts the stream as it is and begins a new epoch in it. The
	// new epoch gets every record of the nodes' replicas.
	MarkerAdopt = "adopt"
)

// absentTimes is how often in a row a stream that this node has seen must be
// missing before it counts as lost. A server that has just started may not have it
// yet.
const absentTimes = 5

// prepare finds the stream, begins it if the options say so, and checks it.
func (l *Ledger) prepare() (jetstream.Stream, error) {
	if err := l.replica.room(); err != nil {
		return nil, err
	}
	if !l.conn.IsConnected() {
		if err := l.conn.LastError(); err != nil {
			return nil, fmt.Errorf("connecting to NATS: %w", withoutURL(err))
		}
		return nil, errors.New("connecting to NATS: no server answers")
	}
	s, info, err := streamInfo(l.asking(), l.js, l.options.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, l.begin(true)
	case err != nil:
		return nil, fmt.Errorf("asking for the stream %s: %w", l.options.Stream, err)
	}
	if err := l.options.checkSettings(info.Config); err != nil {
		return nil, err
	}
	if info.State.LastSeq == 0 && !l.marked(MarkerAdopt) {
		return nil, l.begin(false)
	}
	l.absent = 0
	if l.marked(MarkerAdopt) {
		at, err := l.adopt(s)
		if err != nil {
			return nil, err
		}
		if at <= l.sequence() {
			l.jump(at) // the stream is shorter than the part that was read
		}
	}
	if l.sequence() == 0 {
		if err := l.enter(s); err != nil {
			return nil, err
		}
	}
	if !l.everFollowed() {
		l.verify(info) // only in the first session, so that it delays no reconnect
	}
	return s, nil
}

// markerAge is how long a marker file counts. A forgotten marker must not adopt a
// sound stream months later.
const markerAge = 10 * time.Minute

func (l *Ledger) marked(name string) bool {
	marker, err := os.Stat(filepath.Join(l.options.Dir, name))
	return err == nil && l.options.Now().Sub(marker.ModTime()) < markerAge
}

func (l *Ledger) unmark(name string) error {
	err := os.Remove(filepath.Join(l.options.Dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// begin creates the stream and its genesis at a first start. A node that has seen
// the ledger must not begin it anew without an operator.
func (l *Ledger) begin(create bool) error {
	l.mu.Lock()
	seen := l.fold.Sequence > 0 || l.fold.Owes != (revocation.Position{})
	l.mu.Unlock()
	adopt := l.marked(MarkerAdopt)
	if seen && !adopt {
		if l.absent++; l.absent < absentTimes {
			return fmt.Errorf("the stream %s is missing or empty, and this node has seen its ledger", l.options.Stream)
		}
		return fmt.Errorf("%w: the stream %s is missing or empty, and this node has seen its ledger: restore it, or run `caddy curfew adopt --stream %s`", errSuspect, l.options.Stream, l.options.Stream)
	}
	if !adopt && l.options.OnEmpty == local.Refuse && !l.marked(MarkerInit) {
		return fmt.Errorf("%w: the stream %s is empty; restore it, or run `caddy curfew init --stream %s`", ledger.ErrUninitialised, l.options.Stream, l.options.Stream)
	}
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	if create {
		err := l.refusals.ask(ctx, "$JS.API.STREAM.CREATE."+l.options.Stream, func(ctx context.Context) error {
			_, err := l.js.CreateStream(ctx, l.options.streamConfig())
			return err
		})
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("creating the stream %s (or let an operator create it, see deploy/nats): %w", l.options.Stream, err)
		}
	}
	if adopt {
		return errAgain // adopting begins the stream
	}
	g := l.genesis(1)
	g.Ledger = newIdentity()
	_, err := l.publishGenesis(ctx, &g, jetstream.WithExpectLastSequence(0))
	if overtaken(err) {
		return errAgain // another node was first
	}
	if err != nil {
		return fmt.Errorf("beginning the ledger: %w", err)
	}
	if l.options.OnEmpty == local.Start {
		l.log.Info("the stream is empty: a ledger begins in it, and nobody is signed out", "stream", l.options.Stream, "on_empty", l.options.OnEmpty.String())
	} else {
		l.log.Warn("the stream is empty: a ledger begins in it, and everybody who signed in before is signed out; on_empty start trusts who is signed in",
			"stream", l.options.Stream, "on_empty", l.options.OnEmpty.String())
	}
	if err := l.unmark(MarkerInit); err != nil {
		l.log.Warn("the marker of init can't be removed", "error", err)
	}
	return errAgain
}

func newIdentity() (id [16]byte) {
	_, _ = rand.Read(id[:]) // crypto/rand never fails
	return id
}

// genesis returns the message that begins an epoch. It signs everybody out unless
// the configuration trusts the existing sessions.
func (l *Ledger) genesis(epoch uint64) genesis {
	now := l.options.Now()
	var before time.Time // nobody is signed out
	if l.options.OnEmpty != local.Start {
		before = l.options.Instant()
	}
	r := revocation.NewGenesis(revocation.Author{Source: "genesis", Actor: l.options.Node}, now, before, l.options.Skew)
	return genesis{Epoch: epoch, Records: revocation.AppendRecords(nil, []revocation.Record{r})}
}

func (l *Ledger) publishGenesis(ctx context.Context, g *genesis, more ...jetstream.PublishOpt) (uint64, error) {
	ack, err := l.publishMsg(ctx, kindGenesis, g.encode(), more...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// lastOf returns the newest message of a kind, or nil.
func (l *Ledger) lastOf(s jetstream.Stream, kind string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(l.asking(), askWithin)
	defer cancel()
	m, err := s.GetLastMsgForSubject(ctx, l.options.subject("log."+kind))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the last %s of the stream: %w", kind, err)
	}
	return m, nil
}

// newest returns the last genesis and its message.
func (l *Ledger) newest(s jetstream.Stream) (g genesis, sequence uint64, err error) {
	m, err := l.lastOf(s, kindGenesis)
	if m == nil || err != nil {
		return g, 0, err
	}
	g, err = decodeGenesis(m.Data)
	return g, m.Sequence, err
}

// newestTrim returns the last trim and its message.
func (l *Ledger) newestTrim(s jetstream.Stream) (t trim, sequence uint64, err error) {
	m, err := l.lastOf(s, kindTrim)
	if m == nil || err != nil {
		return t, 0, err
	}
	if err := decodeJSON(m.Data, &t); err != nil {
		return t, 0, fmt.Errorf("%w: %w", errSuspect, err)
	}
	return t, m.Sequence, nil
}

// enter finds the first message for a node with an empty replica. It is the last
// genesis, or the message after the last trim if the genesis was trimmed. An
// answer from a deposed leader makes the node read more, or find a gap.
func (l *Ledger) enter(s jetstream.Stream) error {
	_, at, err := l.newest(s)
	if err != nil {
		return err
	}
	t, trimmedAt, err := l.newestTrim(s)
	var from mark
	switch {
	case err != nil:
		return err
	case trimmedAt > at:
		from = mark{Sequence: t.Through, Head: t.Head, Entered: trimmedAt}
	case at > 0:
		from = mark{Sequence: at - 1}
	default:
		return fmt.Errorf("the stream %s has messages and no genesis: it is not a ledger of Curfew", l.options.Stream)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	from.Owes, from.Contributes, from.Restates = l.fold.Owes, l.fold.Contributes, l.fold.Restates
	l.fold.mark = from
	return nil
}

// adopt begins a new epoch in the stream, as an operator has asked, and returns its
// sequence. The epoch is greater than all that were seen. This node follows the
// stream up to there if it can, because other nodes may have written meanwhile.
func (l *Ledger) adopt(s jetstream.Stream) (sequence uint64, err error) {
	last, at, err := l.newest(s)
	switch {
	case errors.Is(err, errMessage) && !errors.Is(err, errNewerMessage):
		last = genesis{} // the new genesis mends a damaged one
	case err != nil:
		return 0, err
	}
	l.mu.Lock()
	head := l.fold.Head
	owed := l.fold.Owes.Epoch
	l.mu.Unlock()
	t, _, err := l.newestTrim(s)
	if err != nil && !errors.Is(err, errSuspect) {
		return 0, err
	}
	if err := l.contribute(); err != nil {
		return 0, fmt.Errorf("adopting the stream: %w", err)
	}
	g := l.genesis(max(last.Epoch, t.Head.Position.Epoch, head.Position.Epoch, owed) + 1)
	if g.Ledger = last.Ledger; last.Epoch == 0 {
		g.Ledger = newIdentity()
	}
	g.Adopted = head
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	sequence, err = l.publishGenesis(ctx, &g, jetstream.WithExpectLastSequencePerSubject(at))
	if overtaken(err) {
		return 0, errOvertaken // this epoch must be greater
	}
	if err != nil {
		return 0, fmt.Errorf("adopting the stream: %w", err)
	}
	l.mu.Lock()
	l.adopting = true
	l.mu.Unlock()
	l.log.Warn("the stream was adopted: a new epoch begins", "epoch", g.Epoch, "sequence", sequence)
	return sequence, l.unmark(MarkerAdopt)
}

// errOvertaken means that another node wrote first, and the marker still counts.
var errOvertaken = errors.New("adopting the stream: another epoch has begun meanwhile")

// overtaken reports whether an append was refused because another came before it.
func overtaken(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// contribute records that this node must write its records into the next epoch. It
// is durable before that epoch is published, so that a crash can't forget it.
func (l *Ledger) contribute() error {
	l.mu.Lock()
	l.fold.Contributes = true
	m := l.fold.mark
	l.mu.Unlock()
	l.replica.note(m)
	return l.replica.flush()
}

// jump continues at the genesis of a new epoch and keeps the replica.
func (l *Ledger) jump(genesis uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fold.Sequence, l.fold.Hash, l.fold.Owes = genesis-1, ledger.Digest{}, revocation.Position{}
	l.fold.Contributes = true
}

// forgive continues in a newer epoch if the stream was adopted since this node
// found it suspicious.
func (l *Ledger) forgive(suspicion error) error {
	s, _, err := streamInfo(l.asking(), l.js, l.options.Stream)
	if err != nil {
		return suspicion
	}
	if l.marked(MarkerAdopt) {
		switch at, err := l.adopt(s); {
		case errors.Is(err, errOvertaken):
			return err
		case err != nil:
			return errors.Join(suspicion, err)
		default:
			l.jump(at)
			return errAgain
		}
	}
	g, at, err := l.newest(s)
	l.mu.Lock()
	epoch := l.fold.Head.Position.Epoch
	l.mu.Unlock()
	if err == nil && g.Epoch > epoch {
		l.log.Warn("going on in a newer epoch", "epoch", g.Epoch, "after", suspicion)
		l.jump(at)
		return errAgain
	}
	return l.trimmed(s, suspicion)
}

// trimmed returns suspicion, unless a trim explains the gap because this node was
// away during it. The replica is then set aside, and the next one begins after the
// trim.
func (l *Ledger) trimmed(s jetstream.Stream, suspicion error) error {
	t, at, err := l.newestTrim(s)
	if err != nil || at == 0 || t.Through < l.sequence() || t.Head.Position.Epoch < l.Head().Position.Epoch {
		return suspicion
	}
	if t.Head.Position.Epoch > l.Head().Position.Epoch {
		l.log.Warn("another epoch has begun, and its beginning is trimmed, while this node was away: what it alone knew is only in the replica that is set aside",
			"dir", l.options.Dir, "position", l.Head().Position.String())
	}
	l.replica.outdated.Store(true)
	return fmt.Errorf("%w: this node was away while the log was trimmed up to %s; its replica is set aside and read anew", errSuspect, t.Head.Position)
}

// contributeAfter is how long a node waits before it writes missing records into a
// new epoch. Other nodes may write the same records meanwhile.
const contributeAfter = 2 * time.Second

// begun reacts to a new epoch. Each node writes the records that the epoch lacks,
// so nothing is lost. The node that began the epoch writes at once, because nodes
// that join know no older record until then.
func (l *Ledger) begun(epoch uint64) {
	l.mu.Lock()
	missing, after := l.fold.Restates == epoch, contributeAfter
	if l.adopting {
		l.adopting, after = false, 0
	}
	l.mu.Unlock()
	if missing {
		l.done.Go(func() { l.restating(epoch, after) })
	}
}

// restating writes the records that an epoch lacks. If the process ends first, the
// next one continues.
func (l *Ledger) restating(epoch uint64, wait time.Duration) {
	if pause.For(l.ctx, wait) != nil {
		return
	}
	switch err := l.restate(epoch); {
	case l.ctx.Err() != nil:
	case err != nil:
		l.log.Error("what this node's replica has could not all be written into the new epoch", "epoch", epoch, "error", err)
	default:
		l.restated(epoch)
	}
}

// restated records that an epoch has every record of this node.
func (l *Ledger) restated(epoch uint64) {
	l.delivering.Lock() // stops folding
	defer l.delivering.Unlock()
	l.mu.Lock()
	if l.fold.Restates == epoch {
		l.fold.Restates = 0
	}
	m := l.fold.mark
	l.mu.Unlock()
	l.replica.note(m)
}

// restate writes every live record of older epochs that the new one lacks.
func (l *Ledger) restate(epoch uint64) error {
	w := restater{ledger: l}
	c := carrying{log: l.everything, write: w.add, now: l.lately(), actor: l.options.Node}
	return errors.Join(c.restate(epoch), w.flush())
}

// restater appends records in chunks, on the bulk queue.
type restater struct {
	ledger  *Ledger
	records []revocation.Record
}

// restateChunk is the number of records in one append.
const restateChunk = 500

func (w *restater) add(r revocation.Record) error {
	if w.records = append(w.records, r); len(w.records) < restateChunk {
		return nil
	}
	return w.flush()
}

func (w *restater) flush() error {
	for len(w.records) > 0 {
		ctx, cancel := context.WithTimeout(w.ledger.ctx, answerWithin)
		_, _, err := w.ledger.Append(ctx, w.records, ledger.Idempotency{})
		cancel()
		switch {
		case err == nil:
			w.records = nil
		case w.ledger.ctx.Err() != nil, errors.Is(err, ledger.ErrIntegrity), errors.Is(err, ledger.ErrReadOnly), errors.Is(err, revocation.ErrRecord):
			return err
		default: // writing a record twice does no harm
			_ = pause.For(w.ledger.ctx, sessionRetry)
		}
	}
	return nil
}
