package caddymodule

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/token"
)

// pooledKeys is the key set of an issuer with the goroutine that keeps it
// fresh.
type pooledKeys struct {
	*token.KeySet
	id    string
	begin sync.Once
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// start begins to fetch. Further calls do nothing.
func (k *pooledKeys) start() {
	k.begin.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		k.stop = stop
		k.done.Go(func() { k.Run(ctx) })
	})
}

// Destruct is called when no configuration names the issuer any more.
func (k *pooledKeys) Destruct() error {
	k.begin.Do(func() {})
	if k.stop != nil {
		k.stop()
	}
	k.done.Wait()
	return nil
}

// acquireKeySet shares the keys of an issuer among the configurations that read
// them from the same place. Another place has another key set: keys that were
// fetched from the old place must not outlive the change.
func acquireKeySet(i *Issuer, m *metrics) (*pooledKeys, error) {
	o, err := i.keyOptions()
	if err != nil {
		return nil, i.at.name(err)
	}
	roots, err := i.roots()
	if err != nil {
		return nil, i.at.name(fmt.Errorf("tls_ca: %w", err))
	}
	id := fmt.Sprintf("%q %x", []string{i.URL, o.Source.Discovery, o.Source.JWKS}, sha256.Sum256(roots))
	k, _, err := keySets.LoadOrNew(id, func() (caddy.Destructor, error) {
		o.Observer = m.keys(i.URL)
		if roots != nil {
			o.Roots = x509.NewCertPool()
			o.Roots.AppendCertsFromPEM(roots)
		}
		return &pooledKeys{KeySet: token.NewKeySet(i.URL, o), id: id}, nil
	})
	if err != nil {
		return nil, err
	}
	return k.(*pooledKeys), nil
}

func releaseKeySet(k *pooledKeys) error {
	_, err := keySets.Delete(k.id)
	return err
}

// keyOptions resolves the path of a key file and checks its content.
func (i *Issuer) keyOptions() (token.KeySetOptions, error) {
	o := token.KeySetOptions{Source: i.source()}
	if !o.Source.IsFile() {
		return o, nil
	}
	var err error
	if o.Source.JWKS, err = filePath(i.JWKS); err != nil {
		return o, fmt.Errorf("jwks: %w", err)
	}
	if err := o.Source.Check(); err != nil {
		return o, fmt.Errorf("jwks: %w: want the JSON Web Key Set of the issuer", err)
	}
	return o, nil
}

// roots returns the certificates of tls_ca, in PEM. Nil: tls_ca is not set.
func (i *Issuer) roots() ([]byte, error) {
	if i.TLSCA == "" {
		return nil, nil
	}
	path, err := filePath(i.TLSCA)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s: want PEM", path)
	}
	return pem, nil
}

// filePath replaces placeholders in a path and checks that the file exists.
func filePath(configured string) (string, error) {
	path, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", err
	}
	return path, checkFile(path)
}

// setFetchTimeouts sets the timeouts of this configuration, also on key sets
// that it shares with the configuration before.
func (a *App) setFetchTimeouts() {
	for n, i := range a.Issuers {
		a.keySets[n].SetFetchTimeout(time.Duration(i.FetchTimeout))
	}
}

// awaitNewKeys waits for the first fetch of keys that a reload reads from
// another place. The earlier configuration serves until then, so no request is
// refused because keys are missing.
func (a *App) awaitNewKeys() {
	active, err := activeApp()
	if err != nil || active == a {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), mostPatience)
	defer cancel()
	for n, i := range a.Issuers {
		if active.issuer(i.URL) != nil {
			a.keySets[n].Await(ctx)
		}
	}
}

// mostPatience limits the time that a reload waits for keys.
const mostPatience = 10 * time.Second
