package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Ledger is a node's connection to the ledger of a cluster and its replica of it.
// See [ledger.Shared] for its contract.
type Ledger struct {
	options Options
	log     *slog.Logger
	conn    *nats.Conn
	js      jetstream.JetStream
	replica *replica
	// documents does nothing until its first use.
	documents *documents

	urgent, bulk *queue
	refusals     refusals

	ctx     context.Context // ends with the ledger
	stop    context.CancelFunc
	done    sync.WaitGroup
	failure atomic.Pointer[error]
	failed  chan struct{} // closed with failure

	// delivering guards follower. It is held during the follower's calls.
	delivering sync.Mutex
	follower   ledger.Follower

	mu         sync.Mutex
	asked      context.Context // ends with the connection; see [Ledger.asking]
	hangUp     context.CancelFunc
	fold       fold
	pending    map[uint64]*pendingBatch // by number
	acked      map[uint64]*pendingBatch // the acknowledged ones of pending, by sequence
	settled    uint64                   // the last message whose batch was answered
	number     uint64                   // of this node's last batch
	ticked     ownTick
	connection ledger.Connection
	since      time.Time // when the connection began
	absent     int       // how often the stream was found missing or empty
	gap        uint64    // the message after which the next was not found
	adopting   bool      // this node has begun the epoch that comes next
	followed   bool      // the stream was reached once
	unseen     string    // the logged reason why the stream was not verified
	closed     bool
}

var _ ledger.Shared = (*Ledger)(nil)

// Open opens this node's replica and follows the stream as soon as it can be
// reached. It fails if the options can never work. It fails with
// [ledger.ErrLocked] while another process has the replica.
func Open(o Options) (*Ledger, error) {
	o = o.withDefaults()
	r, err := openReplica(o)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		options: o, log: o.Log, replica: r, failed: make(chan struct{}),
		urgent: newQueue(urgentBatches), bulk: newQueue(bulkBatches),
		pending: make(map[uint64]*pendingBatch), acked: make(map[uint64]*pendingBatch),
	}
	l.documents = newDocuments(l)
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.asked, l.hangUp = context.WithCancel(l.ctx)
	l.connection.Problem = errors.New("connecting to NATS")
	l.fold.mark = r.begun
	l.fold.remembered = r.remembered
	l.number = uint64(time.Now().UnixNano()) // batches of an earlier process of this name may still be under way
	if l.conn, err = o.connect("curfew "+o.Node, o.Credentials, l.handlers()...); err != nil {
		l.stop()
		return nil, errors.Join(err, r.close(o))
	}
	if l.js, err = jetstream.New(l.conn); err != nil {
		l.stop()
		l.conn.Close()
		return nil, errors.Join(fmt.Errorf("using JetStream: %w", err), r.close(o))
	}
	l.done.Go(l.run)
	l.done.Go(func() { l.replica.keepFlushing(l.ctx) })
	for _, q := range []*queue{l.urgent, l.bulk} {
		q.running.Go(func() { l.sendQueue(q) })
	}
	l.done.Go(l.listen)
	l.done.Go(l.keepTrimming)
	if epoch := r.begun.Restates; epoch > 0 {
		l.done.Go(func() { l.restating(epoch, contributeAfter) })
	}
	l.done.Go(l.keepVerifying)
	return l, nil
}

func (o Options) withDefaults() Options {
	if o.Stream == "" {
		o.Stream = DefaultStream
	}
	if o.Replicas == 0 {
		o.Replicas = DefaultReplicas
	}
	if o.DocumentBytes == 0 {
		o.DocumentBytes = ledger.MaxCollection
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Instant == nil {
		o.Instant = o.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// handlers returns the callbacks that record the state of the connection.
func (l *Ledger) handlers() []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				err = errors.New("closed")
			}
			l.problem(fmt.Errorf("the connection to NATS is lost: %w", withoutURL(err)))
			l.disconnected() // after l.problem, because the next session clears the problem
		}),
		nats.ConnectHandler(func(*nats.Conn) { l.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { l.connected(); l.readOnly(false) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.complained(err) }),
	}
}

func (l *Ledger) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now()
}

// mayMove reports whether the connection is older than settleIn. If so, it counts
// from now again.
func (l *Ledger) mayMove() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	is := time.Since(l.since) > settleIn
	if is {
		l.since = time.Now()
	}
	return is
}

// Elsewhere reconnects to the next server. See [ledger.Shared].
func (l *Ledger) Elsewhere() bool {
	if !l.conn.IsConnected() || !l.mayMove() {
		return false
	}
	l.log.Warn("nothing new comes from this NATS server: trying the next", "server", l.conn.ConnectedServerName())
	return l.conn.ForceReconnect() == nil
}

// asking returns the context for requests to the servers. It ends with the
// connection, because a request on a lost connection gets no answer. Waiting for
// one would delay the request on the next connection.
func (l *Ledger) asking() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// disconnected cancels the requests on the lost connection.
func (l *Ledger) disconnected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp()
	l.asked, l.hangUp = context.WithCancel(l.ctx)
}

// problem records and logs why the ledger can't be followed. Nil clears it.
func (l *Ledger) problem(err error) {
	l.mu.Lock()
	before := l.connection.Problem
	l.connection.Problem = err
	l.followed = l.followed || err == nil
	l.mu.Unlock()
	switch {
	case err != nil && fmt.Sprint(before) != err.Error():
		l.log.Warn("the ledger of the cluster can't be followed", "error", err)
	case err == nil && before != nil:
		l.log.Info("following the ledger of the cluster", "stream", l.options.Stream)
	}
}

func (l *Ledger) everFollowed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.followed
}

func (l *Ledger) readOnly(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connection.ReadOnly = is
}

// Connection returns the state of the connection to the cluster.
func (l *Ledger) Connection() ledger.Connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connection
}

// Head returns the last entry that this node has read from the stream.
func (l *Ledger) Head() ledger.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.Head
}

// Read yields the entries that this node has of the log. See [ledger.Ledger].
func (l *Ledger) Read(ctx context.Context, after revocation.Position, yield func(revocation.Entry) error) error {
	if err := l.flush(); err != nil {
		return err
	}
	return l.replica.Read(ctx, after, yield)
}

// Get returns one record, or [ledger.ErrNotFound].
func (l *Ledger) Get(ctx context.Context, ref revocation.Ref) (revocation.Record, error) {
	if err := l.flush(); err != nil {
		return revocation.Record{}, err
	}
	return l.replica.Get(ctx, ref)
}

// Search returns records newest first.
func (l *Ledger) Search(ctx context.Context, page ledger.Page) ([]ledger.Located, error) {
	if err := l.flush(); err != nil {
		return nil, err
	}
	return l.replica.Search(ctx, page)
}

// flush writes the folded entries to the replica.
func (l *Ledger) flush() error {
	if err := l.Err(); err != nil {
		return err
	}
	if err := l.replica.flush(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return nil
}

// Err is nil while the log is sound.
func (l *Ledger) Err() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return l.replica.Err()
}

// fail records for good that the log can't be trusted.
func (l *Ledger) fail(err error) error {
	if !errors.Is(err, ledger.ErrIntegrity) {
		err = fmt.Errorf("%w: %w; where it can't be restored, `caddy curfew adopt --stream %s` begins a new epoch with what the nodes have", ledger.ErrIntegrity, err, l.options.Stream)
	}
	if l.failure.CompareAndSwap(nil, &err) {
		l.log.Error("the ledger of the cluster can't be trusted", "error", err)
		close(l.failed)
	}
	return l.Err()
}

// Close waits for the appends under way, stops following and closes the replica.
func (l *Ledger) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if !first {
		l.done.Wait()
		return nil
	}
	l.urgent.close()
	l.bulk.close()
	l.urgent.running.Wait()
	l.bulk.running.Wait()
	l.stop()
	l.done.Wait()
	l.conn.Close()
	return l.replica.close(l.options)
}
