package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
)

// genesis says what the first record of an epoch does.
type genesis struct {
	trust bool
	skew  time.Duration
}

func (g *genesis) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&g.trust, "trust-existing", false, "Let the sessions go on that exist; default is to sign everybody out")
	f.DurationVar(&g.skew, "clock-skew", 2*time.Second, "Largest clock_skew of the issuers")
}

func (g *genesis) options(l *ledgerFlags) (local.Options, error) {
	dir, witness, err := l.paths()
	o := local.Options{Dir: dir, Witness: witness, Skew: g.skew}
	if g.trust {
		o.OnEmpty = local.Start
	}
	return o, err
}

// onlyLocal refuses what a cluster's gateways say in their configuration.
func (g *genesis) onlyLocal(cmd *cobra.Command) error {
	for _, flag := range []string{"trust-existing", "clock-skew"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s is for a local ledger: a cluster's begins as on_empty and clock_skew of the gateway's configuration say", flag)
		}
	}
	return nil
}

func (g *genesis) effect() string {
	if g.trust {
		return "sessions that exist go on"
	}
	return "everybody who signed in before now is signed out"
}

func initialise() *cobra.Command {
	var (
		l     ledgerFlags
		first genesis
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Begins a ledger in an empty directory or stream",
		Long: `Begins the ledger that a gateway with on_empty refuse is waiting for. It signs
everybody out, because an empty directory may be a volume that was lost, unless
told otherwise. Run it as the user that Caddy runs as.

With --stream it tells this machine's gateway, which must run, to begin the
ledger of its cluster. One gateway of a cluster is enough.`,
		Example: `  $ sudo -u caddy caddy curfew init --dir /var/lib/curfew
  $ sudo -u caddy caddy curfew init --trust-existing
  $ sudo -u caddy caddy curfew init --stream CURFEW`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &l, &first)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		if r, named, err := l.replica(); named {
			return first.tell(cmd, r, err, nats.MarkerInit, "begun")
		}
		o, err := first.options(&l)
		if err == nil {
			err = local.Init(o)
		}
		if err != nil {
			return err
		}
		return writeReport(consoleOf(cmd), local.Inspect(o.Dir, o.Witness), "begun: "+first.effect())
	})
	return cmd
}

func adopt() *cobra.Command {
	var (
		l     ledgerFlags
		first genesis
		yes   bool
	)
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Accepts a damaged, older or other ledger, in a new epoch",
		Long: `Goes on with what can be verified of a ledger that the gateway refuses, in a new
epoch. Nobody can say what is missing, so it signs everybody out unless told
otherwise. What was there stays beside it as *.damaged-<time>. Stop the gateway
first, run it as the user that Caddy runs as, and look at doctor before. A changed
subject_claim counts from the new epoch on.

With --stream it tells this machine's gateway, which must run, to begin a new
epoch in the stream of its cluster.`,
		Example: `  $ caddy curfew doctor
  $ sudo -u caddy caddy curfew adopt --dir /var/lib/curfew --yes`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &l, &first)
	cmd.Flags().BoolVar(&yes, "yes", false, "Yes, adopt it")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		if r, named, err := l.replica(); named {
			if err == nil && !yes {
				err = errors.New("adopting a stream begins a new epoch of it, and signs out whom on_empty says; add --yes if that is what you want")
			}
			return first.tell(cmd, r, err, nats.MarkerAdopt, "adopted")
		}
		o, err := first.options(&l)
		if err != nil {
			return err
		}
		if !yes {
			return fmt.Errorf("adopting %s: %s; add --yes if that is what you want", o.Dir, first.effect())
		}
		// Before anything is changed: the witness is written last.
		if err := os.MkdirAll(filepath.Dir(o.Witness), 0o700); err != nil {
			return fmt.Errorf("making the directory of the witness: %w", err)
		}
		report, err := local.Adopt(o)
		if err != nil {
			return err
		}
		return writeReport(consoleOf(cmd), report, "adopted: "+first.effect())
	})
	return cmd
}

func doctor() *cobra.Command {
	var l ledgerFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Says what is wrong with a ledger and what can be done",
		Long: `Reads and verifies all of a ledger and changes nothing. Exits 0 when it is sound,
1 when it is not. Stop the gateway first: a ledger in use is locked.

With --stream it reads this node's replica of a cluster's ledger.`,
		Example: `  $ caddy curfew doctor
  $ caddy curfew doctor --dir /var/lib/curfew --json
  $ caddy curfew doctor --stream CURFEW`,
		Args: cobra.NoArgs,
	}
	l.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		if r, named, err := l.replica(); named {
			return examine(consoleOf(cmd), r, err)
		}
		dir, witness, err := l.paths()
		if err != nil {
			return err
		}
		return writeReport(consoleOf(cmd), local.Inspect(dir, witness), "sound")
	})
	return cmd
}

// tell has the gateway of a replica do something, unless something speaks
// against it.
func (g *genesis) tell(cmd *cobra.Command, r replica, against error, marker, done string) error {
	if err := errors.Join(against, g.onlyLocal(cmd)); err != nil {
		return err
	}
	if err := r.tell(cmd.Context(), marker); err != nil {
		return err
	}
	con := consoleOf(cmd)
	if con.json {
		return con.raw([]byte("{}"))
	}
	_, err := fmt.Fprintln(con.out, done+": `caddy curfew nodes` shows which nodes go on")
	return err
}

// examine reports on a replica.
func examine(con console, r replica, err error) error {
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return err
	}
	if !con.json {
		r.writeMarkers(con.out)
	}
	return writeReport(con, r.inspect(), "sound")
}

// writeReport prints a report, under a headline when nothing is wrong. The error
// says what is wrong.
func writeReport(con console, r local.Report, headline string) error {
	if con.json {
		b, err := json.Marshal(r)
		if err == nil {
			err = con.raw(b)
		}
		return errors.Join(err, unsound(r))
	}
	if len(r.Problems) > 0 {
		headline = "not sound"
	}
	fmt.Fprintln(con.out, headline)
	return errors.Join(writeReportText(con.out, r), unsound(r))
}

func writeReportText(w io.Writer, r local.Report) error {
	s := newSheet(w)
	s.line("ledger", r.Dir)
	s.line("position", fmt.Sprintf("%d.%d", r.Epoch, r.Sequence))
	s.line("verified", fmt.Sprintf("%d entries with %s", r.Entries, count(int(r.Records), "record")))
	for _, p := range r.Problems {
		s.line(p.Code, p.Detail)
		s.line("mend", p.Mend)
	}
	return s.flush()
}

func unsound(r local.Report) error {
	if len(r.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("the ledger has %s", count(len(r.Problems), "problem"))
}
