package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// ReadFile reads a key: 32 bytes in base64, on one line.
func ReadFile(path string) (*Key, error) {
	k, _, err := readFile(path)
	return k, err
}

const largest = 4 << 10 // bytes of a file that could be a key's

func readFile(path string) (*Key, fs.FileInfo, error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("sealing key %s does not exist: write one with `openssl rand -base64 32`, the same for all nodes: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, nil, fmt.Errorf("sealing key: %w: let the user Caddy runs as read it", err)
	case !stat.Mode().IsRegular() || stat.Size() > largest:
		return nil, nil, fmt.Errorf("sealing key %s is not the file of a key: want 32 bytes in base64", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key: %w: let the user Caddy runs as read it", err)
	}
	secret, err := decode(bytes.TrimSpace(text))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key %s is not base64: write one with `openssl rand -base64 32`", path)
	}
	k, err := NewKey(secret)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key %s: %w: write one with `openssl rand -base64 32`", path, err)
	}
	return k, stat, nil
}

// decode takes both alphabets, with or without padding.
func decode(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=")
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	secret := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Strict().Decode(secret, text)
	return secret[:n], err
}

// MakeFile makes the file of a new key, mode 0600, unless there is one, and
// reports whether it did. The file is whole and on disk before it has its name.
// Nobody else may make it at the same time.
func MakeFile(path string) (made bool, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return false, fmt.Errorf("making a sealing key: %w", err)
	}
	defer os.Remove(f.Name())
	secret := make([]byte, KeySize)
	_, _ = rand.Read(secret) // never fails, says crypto/rand
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return false, fmt.Errorf("making a sealing key: %w", err)
	}
	return true, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("making a sealing key: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("making a sealing key: %w", err)
	}
	return nil
}

// Files are keys in files, which are read again when they change.
type Files struct {
	mu    sync.Mutex
	paths []string
	keys  Keys
	stats []fs.FileInfo
	wrong error
}

// Open reads the files.
func Open(paths ...string) (*Files, error) {
	f := &Files{paths: paths, keys: make(Keys, len(paths)), stats: make([]fs.FileInfo, len(paths))}
	_, err := f.Keys()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Keys returns the keys as the files have them now. If a file can't be used any
// more, its last key stays: otherwise one slip would void all text that the key has
// sealed. The error says so, the first time only.
func (f *Files) Keys() (Keys, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var wrong error
	for i, path := range f.paths {
		stat, err := os.Stat(path)
		if err == nil && f.stats[i] != nil && stat.ModTime().Equal(f.stats[i].ModTime()) && stat.Size() == f.stats[i].Size() && os.SameFile(stat, f.stats[i]) {
			continue
		}
		k, stat, err := readFile(path)
		if err != nil {
			wrong = errors.Join(wrong, err)
			f.stats[i] = nil
			continue
		}
		// Earlier callers may still be using the slice that they got.
		f.keys = append(Keys{}, f.keys...)
		f.keys[i], f.stats[i] = k, stat
	}
	first := f.wrong == nil
	if f.wrong = wrong; first {
		return f.keys, wrong
	}
	return f.keys, nil
}
