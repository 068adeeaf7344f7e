package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// LedgerDir is where the ledger lies unless the configuration says otherwise:
// in Caddy's data directory, which depends on the user.
func LedgerDir() string { return filepath.Join(caddy.AppDataDir(), "curfew", "ledger") }

// ReplicaDir is where a node keeps its replica of a cluster's ledger.
func ReplicaDir(stream, nodeName string) string {
	return filepath.Join(caddy.AppDataDir(), "curfew", "replica", stream+"-"+nodeName)
}

// WitnessPath is where this machine remembers, outside the ledger's directory,
// how far the ledger in dir had come. The directory is absolute.
func WitnessPath(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(caddy.AppDataDir(), "curfew", "seen", hex.EncodeToString(sum[:8]))
}

// ledgerFlags say which ledger, for the commands that work on its directory.
type ledgerFlags struct{ dir, witness, stream, nodeName string }

func (l *ledgerFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.dir, "dir", "", "Directory of a local ledger; default is curfew/ledger in Caddy's data directory")
	f.StringVar(&l.witness, "witness", "", "File that remembers the last position; default is the gateway's")
	f.StringVar(&l.stream, "stream", "", "Stream of a cluster's ledger: works on this node's replica of it")
	f.StringVar(&l.nodeName, "node-name", "", "The node's node_name, with --stream; default is the host's name")
	f.String("address", "", "Taken as by every command, and not used: this one works on files")
	cmd.MarkFlagsMutuallyExclusive("stream", "dir")
	cmd.MarkFlagsMutuallyExclusive("stream", "witness")
}

// paths are the directory, absolute, and the witness, of a local ledger.
func (l *ledgerFlags) paths() (dir, witness string, err error) {
	if l.nodeName != "" {
		return "", "", errors.New("--node-name is for a cluster's ledger: add --stream")
	}
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

// replica is this node's, if the flags name a cluster's ledger.
func (l *ledgerFlags) replica() (r replica, named bool, err error) {
	if l.stream == "" {
		return replica{}, false, nil
	}
	name := l.nodeName
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return replica{}, true, fmt.Errorf("finding the name of this node (give --node-name): %w", err)
		}
	}
	if strings.ContainsAny(l.stream+name, `/\`) {
		return replica{}, true, errors.New("--stream and --node-name are names, not paths")
	}
	return replica{ReplicaDir(l.stream, name)}, true, nil
}
