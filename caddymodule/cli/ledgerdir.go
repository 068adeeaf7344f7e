package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// LedgerDir is where the ledger lies unless the configuration says otherwise:
// in Caddy's data directory, which depends on the user.
func LedgerDir() string { return filepath.Join(caddy.AppDataDir(), "curfew", "ledger") }

// WitnessPath is where this machine remembers, outside the ledger's directory,
// how far the ledger in dir had come. The directory is absolute.
func WitnessPath(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(caddy.AppDataDir(), "curfew", "seen", hex.EncodeToString(sum[:8]))
}

// ledgerFlags say which ledger, for the commands that need no gateway.
type ledgerFlags struct{ dir, witness string }

func (l *ledgerFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.dir, "dir", "", "Directory of the ledger; default is curfew/ledger in Caddy's data directory")
	f.StringVar(&l.witness, "witness", "", "File that remembers the last position; default is the gateway's")
}

// paths are the directory, absolute, and the witness.
func (l *ledgerFlags) paths() (dir, witness string, err error) {
	dir = l.dir
	if dir == "" {
		dir = LedgerDir()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if l.witness != "" {
		return dir, l.witness, nil
	}
	return dir, WitnessPath(dir), nil
}
