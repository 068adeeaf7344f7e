package devidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateFile is the file that keeps the state over a restart. An empty path
// keeps nothing. The issuer is stored in the file, so that no other provider
// takes its sessions over.
type stateFile struct {
	path   string
	issuer string
}

type savedState struct {
	Issuer   string    `json:"issuer"`
	Keys     keyring   `json:"keys"`
	Sessions []session `json:"sessions"`
	Grants   []grant   `json:"grants"`
}

func (f stateFile) load() (state, error) {
	if f.path == "" {
		return newState(), nil
	}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	if err != nil {
		return state{}, fmt.Errorf("reading state: %w", err)
	}
	s, err := f.decode(b)
	if err != nil {
		return state{}, fmt.Errorf("reading state in %s: %w; remove the file to start anew", f.path, err)
	}
	return s, nil
}

func (f stateFile) decode(b []byte) (state, error) {
	var saved savedState
	if err := json.Unmarshal(b, &saved); err != nil {
		// The cause may quote the file, which holds keys.
		return state{}, errors.New("it is damaged")
	}
	if saved.Issuer != f.issuer {
		return state{}, fmt.Errorf("it belongs to issuer %q", saved.Issuer)
	}
	for _, key := range saved.Keys {
		if err := key.check(); err != nil {
			return state{}, errors.New("it holds a key that can't sign")
		}
	}
	s := newState()
	s.keys = saved.Keys
	for _, v := range saved.Sessions {
		s.sessions.put(v)
	}
	for _, v := range saved.Grants {
		s.grants.put(v)
	}
	return s, nil
}

func (f stateFile) save(s state) error {
	if f.path == "" {
		return nil
	}
	b, err := f.encode(s)
	if err != nil {
		return err
	}
	if err := replaceFile(f.path, b); err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	return nil
}

func (f stateFile) encode(s state) ([]byte, error) {
	b, err := json.Marshal(savedState{Issuer: f.issuer, Keys: s.keys, Sessions: s.sessions.list(), Grants: s.grants.list()})
	if err != nil {
		return nil, fmt.Errorf("encoding state: %w", err)
	}
	return b, nil
}

// replaceFile writes beside path and renames, so that a crash leaves the old
// file or the new one.
func replaceFile(path string, b []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(b)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
