package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/seal"
)

// SealingKey is a key in a file. A gateway seals data with it that callers
// carry for the gateway.
type SealingKey struct {
	// The path of a file with 32 bytes in base64. Placeholders work.
	File string `json:"file"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`
}

// keyFile is the name of the key in the directory of a local ledger, for a
// configuration that names no key.
const keyFile = "sealing.key"

// parseSealingKey reads
//
//	sealing_key <file>
func (a *App) parseSealingKey(d *caddyfile.Dispenser) error {
	k := SealingKey{Place: placeOf(d)}
	if err := word(&k.File)(d); err != nil {
		return err
	}
	a.SealingKeys = append(a.SealingKeys, k)
	return nil
}

// provisionSealing reads the keys that exist, and makes none.
func (a *App) provisionSealing() error {
	if len(a.SealingKeys) == 0 {
		err := a.openKeys(a.gateway.store.keyFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Start makes it
		}
		return err
	}
	var paths []string
	for _, k := range a.SealingKeys {
		path, err := caddy.NewReplacer().ReplaceOrErr(k.File, true, true)
		if err == nil {
			_, err = seal.ReadFile(path)
		}
		if err != nil {
			return k.Place.name(fmt.Errorf("sealing_key: %w", err))
		}
		paths = append(paths, path)
	}
	return a.openKeys(paths...)
}

func (a *App) openKeys(paths ...string) error {
	if len(paths) == 1 && paths[0] == "" {
		return nil // in a cluster each process has a key of its own
	}
	files, err := seal.Open(paths...)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
			a.log.Warn("every user of this machine can read a sealing key: `chmod 0600` it", "file", path)
		}
	}
	a.sealing.Store(files)
	return nil
}

// startSealing makes the key of a local ledger if there is none.
func (a *App) startSealing() error {
	if a.sealing.Load() != nil || a.gateway.store.keyFile == "" {
		return nil
	}
	if err := a.gateway.makeKey(); err != nil {
		return err
	}
	return a.openKeys(a.gateway.store.keyFile)
}

func (g *gateway) makeKey() error {
	g.starting.Lock()
	defer g.starting.Unlock()
	made, err := seal.MakeFile(g.store.keyFile)
	g.madeKey = g.madeKey || made
	return err
}

// withdrawKey removes the key that this gateway made if the ledger's directory
// holds nothing else: a configuration that failed to start must leave nothing
// behind.
func (g *gateway) withdrawKey() error {
	if !g.madeKey || caddy.Exiting() {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(g.store.keyFile))
	if err != nil || len(entries) != 1 || entries[0].Name() != keyFile {
		return nil // the directory is in use
	}
	return os.Remove(g.store.keyFile)
}

// sealingKeys returns the present keys. Nil: use the gateway's own.
func (a *App) sealingKeys() seal.Keys {
	files := a.sealing.Load()
	if files == nil {
		return nil
	}
	keys, err := files.Keys()
	if err != nil {
		a.log.Error("a sealing key can't be read any more: what it was when it was read last still holds", "error", err)
	}
	return keys
}

// keyIDs identifies the present keys without revealing them or the place where
// this node keeps them.
func (a *App) keyIDs() []string {
	var ids []string
	for _, k := range a.sealingKeys() {
		ids = append(ids, k.ID())
	}
	return ids
}

// configuredKeyIDs is [App.keyIDs] of keys that the configuration names.
func (a *App) configuredKeyIDs() string {
	if len(a.SealingKeys) == 0 {
		return ""
	}
	return strings.Join(a.keyIDs(), " ")
}
