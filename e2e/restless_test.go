//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// revokeSession is a write that may meet a dying gateway.
func (g *gateway) revokeSession(sid, secret string) (id string, err error) {
	body := fmt.Sprintf(`{"target":{"iss":%q,"sid":%q}}`, g.Issuer, sid)
	r, err := http.NewRequest(http.MethodPost, "http://"+g.API+"/v1/revocations", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+secret)
	resp, err := g.client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got receipt
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("revoking: %d", resp.StatusCode)
	}
	return got.ID, nil
}

// flip changes one byte of the text wherever a file below dir has it.
func flip(t *testing.T, dir, text string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(text)) {
			return err
		}
		found = true
		return os.WriteFile(path, bytes.ReplaceAll(b, []byte(text), []byte("F"+text[1:])), 0o600)
	})
	if err != nil || !found {
		t.Fatalf("tampering with %s: found %t, %v", dir, found, err)
	}
}
