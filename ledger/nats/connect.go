package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"curfew.dev/curfew/internal/loopback"
)

// The times within which a half-open connection is noticed.
const (
	pingEvery  = 1500 * time.Millisecond
	pingsLost  = 2
	dialWithin = 2 * time.Second
	// settleIn is how long a new connection may bring nothing before it is replaced.
	settleIn = 5 * time.Second
)

// connect connects to the cluster, and reconnects until the connection is closed.
// Nothing is buffered without a connection: a buffered append would be written
// after its caller got the answer that it was not.
func (o Options) connect(name, credentials string, more ...nats.Option) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsLost),
		nats.Timeout(dialWithin),
		nats.IgnoreAuthErrorAbort(),
	}
	identified, err := identify(credentials)
	if err != nil {
		return nil, err
	}
	secured, err := o.secure()
	if err != nil {
		return nil, err
	}
	options = append(append(append(options, identified...), secured...), more...)
	conn, err := nats.Connect(strings.Join(o.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", withoutURL(err))
	}
	return conn, nil
}

// identify returns the options that authenticate this node to the servers.
func identify(path string) ([]nats.Option, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the NATS credentials: %w", err)
	}
	if content = bytes.TrimSpace(content); len(content) == 0 {
		return nil, fmt.Errorf("reading the NATS credentials: %s is empty", path)
	}
	if !bytes.HasPrefix(content, []byte("SU")) {
		return []nats.Option{nats.UserCredentials(path)}, nil
	}
	nkey, err := nats.NkeyOptionFromSeed(path)
	if err != nil {
		return nil, fmt.Errorf("reading the NKEY seed in %s: %w", path, err)
	}
	return []nats.Option{nkey}, nil
}

// secure requires TLS for every server on another machine, even if the servers
// announce that they need none.
func (o Options) secure() ([]nats.Option, error) {
	var options []nats.Option
	plain := o.TLSCA == "" && o.TLSCert == ""
	for _, raw := range o.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("reading the URL of a NATS server: %w", withoutURL(err))
		}
		plain = plain && u.Scheme == "nats" && loopback.Is(u.Hostname())
	}
	if plain {
		// The servers that it announces may be on other machines.
		return append(options, nats.IgnoreDiscoveredServers()), nil
	}
	options = append(options, nats.Secure())
	if o.TLSCA != "" {
		options = append(options, nats.RootCAs(o.TLSCA))
	}
	if o.TLSCert != "" {
		options = append(options, nats.ClientCert(o.TLSCert, o.TLSKey))
	}
	return options, nil
}

// withoutURL removes the quoted URL from an error, because it may hold a password.
func withoutURL(err error) error {
	var quoted *url.Error
	if errors.As(err, &quoted) {
		return quoted.Err
	}
	return err
}

// token encodes a name as one token of a subject, because names may hold dots and
// wildcards.
func token(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}
