package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/caddymodule/cli"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
)

// Ledger says where revocations are kept: in one of the two.
type Ledger struct {
	// A single file on this machine.
	Local *LocalLedger `json:"local,omitempty"`

	// A JetStream stream that all nodes of a cluster share.
	NATS *NATSLedger `json:"nats,omitempty"`

	// Where the Caddyfile says this. Messages name it.
	Place place `json:"place,omitempty"`
}

// LocalLedger is the ledger of a single gateway.
type LocalLedger struct {
	// An existing directory. Default: `curfew/ledger` in Caddy's data
	// directory, which is created.
	Dir string `json:"dir,omitempty"`
}

// parseLedger reads
//
//	ledger local [<dir>]
//	ledger nats <url>… { … }
func (a *App) parseLedger(d *caddyfile.Dispenser) error {
	a.Ledger = &Ledger{Place: placeOf(d)}
	args := d.RemainingArgs()
	switch {
	case len(args) > 0 && args[0] == "nats":
		a.Ledger.NATS = new(NATSLedger)
		return a.Ledger.NATS.parse(d, args[1:])
	case len(args) == 1 && args[0] == "local":
		a.Ledger.Local = new(LocalLedger)
	case len(args) == 2 && args[0] == "local":
		if args[1] == "" {
			return d.Err("the ledger directory is empty: name one, or set the variable it comes from")
		}
		a.Ledger.Local = &LocalLedger{Dir: args[1]}
	default:
		return d.Err("want `ledger local [<dir>]` or `ledger nats <url>…`")
	}
	return options{}.read(d, unchecked)
}

// store is a ledger that was checked, and how a gateway opens it.
type store struct {
	kind string // as metrics name it
	id   string // configurations with the same one share a gateway
	dir  string // of the file, or of the node's replica
	ours bool   // the directory is made where it is missing
	// keyFile seals where no sealing_key is named; empty: there is none.
	keyFile string
	// witness remembers the ledger outside its directory; empty: it needs none.
	witness string
	open    func(beginning) (ledger.Ledger, error)
	// locked is the mend where something else has the directory.
	locked string
}

// beginning names the node that opens a ledger, and how a new ledger begins.
type beginning struct {
	node    string // name/instance
	onEmpty local.OnEmpty
	skew    time.Duration
	now     func() time.Time
	// instant is that of a record that signs everybody out now.
	instant func() time.Time
}

// check finds the ledger. It may look at files and touches neither network nor
// ledger.
func (l *Ledger) check(nodeName string) (*store, error) {
	if l == nil {
		l = new(Ledger)
	}
	at := l.Place
	l.Place = "" // nodes that differ in this alone are configured alike
	switch {
	case l.Local != nil && l.NATS != nil:
		return nil, at.name(errors.New("ledger: two kinds of ledger: keep one of local and nats"))
	case l.NATS != nil:
		s, err := l.NATS.check(nodeName)
		return s, at.name(err)
	}
	s, err := l.Local.check()
	return s, at.name(err)
}

// check finds the directory. One that is named must exist; the default one is
// made at Start.
func (l *LocalLedger) check() (*store, error) {
	dir := cli.LedgerDir()
	if l != nil && l.Dir != "" {
		var err error
		if dir, err = l.directory(); err != nil {
			return nil, err
		}
	}
	witness := cli.WitnessPath(dir)
	return &store{
		kind: "local", id: dir, dir: dir, ours: dir == cli.LedgerDir(), witness: witness,
		keyFile: filepath.Join(dir, keyFile),
		open: func(b beginning) (ledger.Ledger, error) {
			return local.Open(local.Options{
				Dir: dir, Witness: witness, OnEmpty: b.onEmpty, Skew: b.skew, Now: b.now, Log: processLog(),
				// A configuration that failed must leave nothing behind.
				Withdraw: func() bool { return !caddy.Exiting() },
			})
		},
		locked: "another Caddy serves from there; stop it, or give each its own ledger directory",
	}, nil
}

// newest is where what was verified is kept over restarts.
func (s *store) newest() local.Newest { return local.NewestOf(s.dir, s.witness) }

// prepare makes the directories that are ours to make.
func (s *store) prepare(log *slog.Logger) error {
	if s.ours {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return fmt.Errorf("creating the ledger directory: %w", err)
		}
	}
	if s.witness == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.witness), 0o700); err != nil {
		log.Warn("an older copy put in the ledger's place would not be noticed: "+
			"the directory for the witness of its position can't be made", "error", err)
	}
	return nil
}

func (l *LocalLedger) directory() (string, error) {
	dir, err := caddy.NewReplacer().ReplaceOrErr(l.Dir, true, true)
	if err != nil {
		return "", fmt.Errorf("ledger directory: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("ledger directory: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("ledger directory %s does not exist: create it, owned by the user Caddy runs as and with mode 0700", dir)
	case err != nil:
		return "", fmt.Errorf("ledger directory: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("ledger directory %s is not a directory: name one", dir)
	}
	return dir, nil
}
