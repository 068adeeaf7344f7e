package caddymodule

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/caddymodule/cli"
	"curfew.dev/curfew/internal/loopback"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats"
)

// NATSLedger is the ledger of a cluster: a JetStream stream, which the first node
// creates. Each node keeps a replica of it in `curfew/replica` in Caddy's data
// directory.
type NATSLedger struct {
	// The servers, such as `tls://nats-1.internal:4222`. One that answers is
	// enough. `nats://` is plaintext, for loopback only. Placeholders such as
	// `{env.NATS_URL}` work. Required.
	URLs []string `json:"urls,omitempty"`

	// The path of a credentials file, or of a file with an NKEY seed.
	// Placeholders work here and in the other paths.
	Credentials string `json:"credentials,omitempty"`

	// The path of the roots, in PEM, that the servers' certificates must chain
	// to. Default: those of the system.
	TLSCA string `json:"tls_ca,omitempty"`

	// The paths of the certificate and key, in PEM, that this node shows the
	// servers. Default: none.
	TLSClientCert string `json:"tls_client_cert,omitempty"`
	TLSClientKey  string `json:"tls_client_key,omitempty"`

	// The name of the stream. Default: CURFEW.
	Stream string `json:"stream,omitempty"`

	// How many servers must hold the stream. Default: 3.
	Replicas int `json:"replicas,omitempty"`

	// The path of credentials of the system account, by which the servers are
	// asked whether they sync before they acknowledge. Without, receipts say
	// that their durability is unverified.
	SystemCredentials string `json:"system_credentials,omitempty"`
}

// parse reads
//
//	ledger nats <url>… {
//		credentials <file>
//		tls_ca <file>
//		tls_client_cert <cert> <key>
//		stream <name>
//		replicas <n>
//		system_credentials <file>
//	}
//
// Provision says the same of what is wrong, and here the line is known.
func (l *NATSLedger) parse(d *caddyfile.Dispenser, urls []string) error {
	if len(urls) == 0 {
		return d.Err("ledger nats needs the URL of a server: write `ledger nats tls://<host>:4222`")
	}
	for _, u := range urls {
		if strings.Contains(u, "{") {
			continue // a placeholder, resolved at Provision
		}
		if err := checkServer(u); err != nil {
			return d.WrapErr(err)
		}
	}
	l.URLs = urls
	return options{
		"credentials": word(&l.Credentials),
		"tls_ca":      word(&l.TLSCA),
		"tls_client_cert": func(d *caddyfile.Dispenser) error {
			if args := d.RemainingArgs(); len(args) == 2 && args[0] != "" && args[1] != "" {
				l.TLSClientCert, l.TLSClientKey = args[0], args[1]
				return nil
			}
			return d.Err("want `tls_client_cert <cert> <key>`")
		},
		"stream": word(&l.Stream),
		"replicas": func(d *caddyfile.Dispenser) error {
			if err := number(&l.Replicas)(d); err != nil {
				return err
			}
			if err := checkReplicas(l.Replicas); err != nil { // zero would be the default
				return d.WrapErr(err)
			}
			return nil
		},
		"system_credentials": word(&l.SystemCredentials),
	}.read(d, func() error { return checkStream(cmp.Or(l.Stream, nats.DefaultStream)) })
}

// mostReplicas is the limit of JetStream.
const mostReplicas = 5

// options returns the options of the ledger that the configuration sets. It
// connects to no server.
func (l *NATSLedger) options() (nats.Options, error) {
	o := nats.Options{Stream: cmp.Or(l.Stream, nats.DefaultStream), Replicas: cmp.Or(l.Replicas, nats.DefaultReplicas)}
	if err := errors.Join(checkStream(o.Stream), checkReplicas(o.Replicas)); err != nil {
		return o, err
	}
	if len(l.URLs) == 0 {
		return o, errors.New("ledger nats needs the URL of a server: write `ledger nats tls://<host>:4222`")
	}
	for _, configured := range l.URLs {
		u, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
		if err != nil {
			return o, fmt.Errorf("ledger nats: the URL of a server: %w", err)
		}
		if err := checkServer(u); err != nil {
			return o, err
		}
		o.URLs = append(o.URLs, u)
	}
	return o, l.files(&o)
}

// files resolves the paths and checks the files.
func (l *NATSLedger) files(o *nats.Options) error {
	for _, file := range []struct {
		option, configured string
		into               *string
	}{
		{"credentials", l.Credentials, &o.Credentials},
		{"tls_ca", l.TLSCA, &o.TLSCA},
		{"tls_client_cert", l.TLSClientCert, &o.TLSCert},
		{"tls_client_key", l.TLSClientKey, &o.TLSKey},
		{"system_credentials", l.SystemCredentials, &o.SystemCredentials},
	} {
		if file.configured == "" {
			continue
		}
		path, err := caddy.NewReplacer().ReplaceOrErr(file.configured, true, true)
		if err == nil {
			err = checkFile(path)
		}
		if err != nil {
			return fmt.Errorf("ledger nats: %s: %w", file.option, err)
		}
		*file.into = path
	}
	return checkTLS(o)
}

func checkTLS(o *nats.Options) error {
	plain := !slices.ContainsFunc(o.URLs, func(u string) bool { return strings.HasPrefix(u, "tls://") })
	switch {
	case o.TLSCA == "" && o.TLSCert == "" && o.TLSKey == "":
		return nil
	case plain:
		return errors.New("ledger nats: tls_ca and tls_client_cert are for tls:// URLs, and there is none: write tls://<host>:4222, or remove them")
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return errors.New("ledger nats: a client certificate needs its key, and a key its certificate: write `tls_client_cert <cert> <key>`")
	}
	if o.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey); err != nil {
			return fmt.Errorf("ledger nats: tls_client_cert: %w", err)
		}
	}
	if o.TLSCA != "" {
		pem, err := os.ReadFile(o.TLSCA)
		if err != nil {
			return fmt.Errorf("ledger nats: tls_ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return fmt.Errorf("ledger nats: tls_ca: no certificate in %s: want PEM", o.TLSCA)
		}
	}
	return nil
}

// checkServer refuses a URL that would send the ledger in plaintext over a
// network. It also refuses a URL with a password, because /config/ would show
// it. The error never repeats text that may be a password.
func checkServer(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.User != nil:
		return errors.New("ledger nats: a URL has a user or password in it: put them into a file, and name that with `credentials <file>`")
	case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || !isPort(u.Port()) ||
		u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("ledger nats: want the URLs of servers, such as tls://nats-1.internal:4222, separated by spaces")
	case u.Scheme == "nats" && !loopback.Is(u.Hostname()):
		return fmt.Errorf("ledger nats: nats://%s would be plaintext: write tls://%s (nats:// is for loopback only)", u.Host, u.Host)
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// streamName is stricter than JetStream, because the name is part of subjects
// and of a directory's name.
var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func checkStream(name string) error {
	if !streamName.MatchString(name) {
		return in("stream", "", fmt.Errorf("ledger nats: stream %q: a name has up to 64 letters, digits, - and _", name))
	}
	return nil
}

func checkReplicas(n int) error {
	if n < 1 || n > mostReplicas {
		return fmt.Errorf("ledger nats: replicas %d: JetStream holds a stream on 1 to %d servers; 3 survive the loss of one", n, mostReplicas)
	}
	return nil
}

func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: let the user Caddy runs as read it", err)
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name one", path)
	case info.Size() == 0:
		return fmt.Errorf("%s is empty: write it anew", path)
	}
	return nil
}

// check resolves the stream and this node's replica of it.
func (l *NATSLedger) check(nodeName string) (*store, error) {
	o, err := l.options()
	if err != nil {
		return nil, err
	}
	o.Dir, o.Log = cli.ReplicaDir(o.Stream, nodeName), processLog()
	servers := slices.Clone(o.URLs)
	slices.Sort(servers)
	return &store{
		kind: "nats", id: strings.Join(append([]string{"nats", o.Stream, nodeName}, servers...), " "), dir: o.Dir, ours: true,
		open: func(b beginning) (ledger.Ledger, error) {
			opened := o
			opened.Node, opened.OnEmpty, opened.Skew = b.node, b.onEmpty, b.skew
			opened.Now, opened.Instant = b.now, b.instant
			return nats.Open(opened)
		},
		locked: "another Caddy has this replica open; give each node of this machine its own node_name. " +
			"If it is this one, with other URLs of servers: those change by a restart",
	}, nil
}
