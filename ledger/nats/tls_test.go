package nats_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
)

// encrypted makes a server show a certificate. If clients is not nil, the server
// also demands a certificate that clients has signed.
func encrypted(t *testing.T, by *natstest.Authority, host string, clients *natstest.Authority) func(int, *server.Options) {
	t.Helper()
	options := server.TLSConfigOpts{}
	options.CertFile, options.KeyFile = by.Leaf(host)
	if clients != nil {
		options.CaFile, options.Verify = clients.File, true
	}
	config, err := server.GenTLSConfig(&options)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ int, o *server.Options) {
		o.TLSConfig, o.TLSTimeout, o.TLS, o.TLSVerify = config, patience.Seconds(), true, clients != nil
	}
}

func TestTLS(t *testing.T) {
	ours, others := natstest.NewAuthority(t), natstest.NewAuthority(t)
	cert, key := ours.Leaf("edge-1")
	wrong, wrongKey := others.Leaf("edge-1")
	tlsURL := func(u string) string { return strings.Replace(u, "nats://", "tls://", 1) }
	plain := func(u string) string { return u }
	for name, tt := range map[string]struct {
		server func(int, *server.Options)
		url    func(string) string
		client nats.Options
		why    string // empty if the ledger is followed
	}{
		"our roots":                      {encrypted(t, ours, "127.0.0.1", nil), tlsURL, nats.Options{TLSCA: ours.File}, ""},
		"our roots, by nats://":          {encrypted(t, ours, "127.0.0.1", nil), plain, nats.Options{TLSCA: ours.File}, ""},
		"roots of others":                {encrypted(t, ours, "127.0.0.1", nil), tlsURL, nats.Options{TLSCA: others.File}, "unknown authority"},
		"those of the system":            {encrypted(t, ours, "127.0.0.1", nil), tlsURL, nats.Options{}, "unknown authority"},
		"the certificate of another":     {encrypted(t, ours, "nats-2.internal", nil), tlsURL, nats.Options{TLSCA: ours.File}, "127.0.0.1"},
		"a client's certificate":         {encrypted(t, ours, "127.0.0.1", ours), tlsURL, nats.Options{TLSCA: ours.File, TLSCert: cert, TLSKey: key}, ""},
		"no client's certificate":        {encrypted(t, ours, "127.0.0.1", ours), tlsURL, nats.Options{TLSCA: ours.File}, "tls: "},
		"a client's certificate, others": {encrypted(t, ours, "127.0.0.1", ours), tlsURL, nats.Options{TLSCA: ours.File, TLSCert: wrong, TLSKey: wrongKey}, "tls: "},
		"a server without TLS":           {func(int, *server.Options) {}, tlsURL, nats.Options{TLSCA: ours.File}, "secure connection not available"},
		"a server without TLS, by roots": {func(int, *server.Options) {}, plain, nats.Options{TLSCA: ours.File}, "secure connection not available"},
		"TLS where plaintext was meant":  {encrypted(t, ours, "127.0.0.1", nil), plain, nats.Options{}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Run(t, 1, tt.server)
			o := tt.client
			o.URLs, o.Replicas, o.Dir, o.Node, o.OnEmpty = []string{tt.url(c.URLs()[0])}, 1, t.TempDir(), "a/1", local.Start
			a := join(t, o)
			if tt.why == "" {
				following(t, a.Ledger)
				a.write("encrypted")
				return
			}
			until(t, "it says why", func() bool {
				p := a.Connection().Problem
				return p != nil && strings.Contains(p.Error(), tt.why)
			})
		})
	}
}

// A node never sends plaintext to a server on another machine. The server must show
// a certificate first.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan string, 64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // the client may close a connection long after it stops using it
				_, _ = conn.Write([]byte(`INFO {"server_id":"x","version":"2.15.2","max_payload":1048576}` + "\r\n"))
				got, _ := io.ReadAll(conn) // until the node closes the connection
				_ = conn.Close()
				sent <- string(got)
			}()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// An address of this machine that is not a loopback address.
	a := join(t, nats.Options{URLs: []string{"nats://0.0.0.0:" + port}, Dir: t.TempDir(), Node: "a/1"})
	until(t, "it says why", func() bool {
		p := a.Connection().Problem
		return p != nil && strings.Contains(p.Error(), "secure connection not available")
	})
	if got := <-sent; got != "" {
		t.Errorf("it sent %q", got)
	}
}

// Both kinds of credentials files work. A .creds file has a JWT and its seed.
func TestCredentialsFiles(t *testing.T) {
	operator, signer := pair(t, nkeys.CreateOperator)
	account, accountSigner := pair(t, nkeys.CreateAccount)
	system, systemSigner := pair(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(account)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	trusted := func(_ int, o *server.Options) {
		key, err := jwt.DecodeOperatorClaims(encode(t, jwt.NewOperatorClaims(operator), signer))
		if err != nil {
			t.Fatal(err)
		}
		accounts := &server.MemAccResolver{}
		for public, text := range map[string]string{account: encode(t, claims, signer), system: encode(t, jwt.NewAccountClaims(system), signer)} {
			if err := accounts.Store(public, text); err != nil {
				t.Fatal(err)
			}
		}
		o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{key}, accounts, system
	}
	creds := func(signer nkeys.KeyPair) string {
		public, userPair := pair(t, nkeys.CreateUser)
		seed, err := userPair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.FormatUserConfig(encode(t, jwt.NewUserClaims(public), signer), seed)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "curfew.creds")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	c := natstest.Run(t, 1, trusted)
	o := fleetOptions(t, c, "a")
	o.Credentials, o.SystemCredentials = creds(accountSigner), creds(systemSigner)
	a := join(t, o)
	following(t, a.Ledger)
	a.write("by a JWT")
	if !a.Connection().Verified {
		t.Error("the system account's credentials don't show that the server syncs")
	}
}

func pair(t *testing.T, create func() (nkeys.KeyPair, error)) (public string, signer nkeys.KeyPair) {
	t.Helper()
	signer, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = signer.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return public, signer
}

func encode(t *testing.T, c jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	text, err := c.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Credentials that can't work are refused at opening or reported later. The error
// never has the secret.
func TestBadCredentials(t *testing.T) {
	c := natstest.Run(t, 1)
	const secret = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY" // no server knows this user
	for name, tt := range map[string]struct{ content, why string }{
		"empty":          {"", "is empty"},
		"only space":     {" \n", "is empty"},
		"half a seed":    {secret[:20], "reading the NKEY seed"},
		"a seed, broken": {strings.Replace(secret, "L", "M", 1), "reading the NKEY seed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fleetOptions(t, c, "a")
			o.Credentials = filepath.Join(t.TempDir(), "credentials")
			if err := os.WriteFile(o.Credentials, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := nats.Open(o)
			if err == nil {
				_ = l.Close()
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), tt.why) || strings.Contains(err.Error(), secret[:20]) {
				t.Errorf("%v, want %q", err, tt.why)
			}
		})
	}
	t.Run("something else", func(t *testing.T) {
		o := fleetOptions(t, c, "a")
		o.Credentials = filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(o.Credentials, []byte("password: "+secret), 0o600); err != nil {
			t.Fatal(err)
		}
		a := join(t, o)
		until(t, "it says so", func() bool {
			p := a.Connection().Problem
			return p != nil && strings.Contains(p.Error(), o.Credentials)
		})
		if p := a.Connection().Problem.Error(); strings.Contains(p, secret[:20]) {
			t.Errorf("it repeats a secret: %s", p)
		}
	})
}
