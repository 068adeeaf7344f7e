package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// directory is where everything that the demo writes lies. It holds keys to
// the demo, so nobody else may look into it.
type directory struct {
	path      string
	temporary bool
}

// openDirectory makes a directory that is removed at the end, or opens the
// named one, which stays.
func openDirectory(named string) (directory, error) {
	if named == "" {
		path, err := os.MkdirTemp("", "curfew-demo-")
		if err != nil {
			return directory{}, fmt.Errorf("making a directory for the demo: %w", err)
		}
		return directory{path, true}, nil
	}
	path, err := filepath.Abs(named)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return directory{}, fmt.Errorf("opening the directory of the demo: %w", err)
	}
	return directory{path: path}, nil
}

// close removes a temporary directory.
func (d directory) close() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.path)
}

func (d directory) file(name string) string { return filepath.Join(d.path, name) }

// write replaces a file at once: curl may be reading it.
func (d directory) write(name, content string) (err error) {
	f, err := os.CreateTemp(d.path, name+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.file(name))
}

// moveCaddyIn has the Caddy of this process, and of its children, keep its
// files in the directory and not in those of the user's own Caddy.
func (d directory) moveCaddyIn() error {
	err := errors.Join(
		os.Setenv("XDG_DATA_HOME", d.file("data")),
		os.Setenv("XDG_CONFIG_HOME", d.file("config")),
	)
	if err != nil {
		return fmt.Errorf("moving Caddy into %s: %w", d.path, err)
	}
	// Caddy reads the environment once, before any command runs.
	caddy.DefaultStorage = &certmagic.FileStorage{Path: caddy.AppDataDir()}
	caddy.ConfigAutosavePath = filepath.Join(caddy.AppConfigDir(), "autosave.json")
	return nil
}
