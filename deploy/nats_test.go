package deploy_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// Three servers with the file that operators are given promise what receipts
// say: nodes reach them by TLS, and see that every one syncs.
func TestServers(t *testing.T) {
	is := newUsers(t)
	clients, routes := natstest.NewAuthority(t), natstest.NewAuthority(t)
	path := serverConfig(t, clients, routes)
	c := natstest.Run(t, 3, func(i int, o *server.Options) {
		t.Setenv("NATS_SERVER_NAME", o.ServerName)
		read, err := server.ProcessConfigFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// All of the file but where the test's servers are.
		read.Host, read.Port, read.HTTPHost, read.HTTPPort = o.Host, o.Port, "", 0
		read.Cluster.Host, read.Cluster.Port, read.Routes = o.Cluster.Host, o.Cluster.Port, o.Routes
		read.StoreDir, read.NoLog, read.NoSigs = o.StoreDir, true, true
		read.JetStreamMaxStore = o.JetStreamMaxStore
		*o = *read
	})
	var urls []string
	for _, u := range c.URLs() {
		urls = append(urls, strings.Replace(u, "nats://", "tls://", 1))
	}
	l, err := nats.Open(nats.Options{
		URLs: urls, Credentials: is["CURFEW_OWNER_NKEY"], SystemCredentials: is["CURFEW_SYSTEM_NKEY"], TLSCA: clients.File,
		Dir: t.TempDir(), Node: "edge-1/1", OnEmpty: local.Start,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cut := revocation.Record{
		Type: revocation.Cut, Mode: revocation.SignIn, At: 1_760_000_000_123, Through: 1_760_000_002, Time: 1_760_000_000_456,
		Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice"}, Source: "admin",
	}
	if _, _, err := l.Append(t.Context(), []revocation.Record{cut}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	d, err := l.Documents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Store(t.Context(), ledger.Accounts, ledger.KeyOf("alice"), []byte("seen"), 0); err != nil {
		t.Error(err)
	}
	if !l.Connection().Verified {
		t.Error("receipts would say unverified")
	}
}

// Nobody without the routes' authority becomes a server: not even who has a
// certificate that nodes trust.
func TestRoutesHaveTheirOwnAuthority(t *testing.T) {
	newUsers(t)
	t.Setenv("NATS_SERVER_NAME", "nats-1")
	read, err := server.ProcessConfigFile(serverConfig(t, natstest.NewAuthority(t), natstest.NewAuthority(t)))
	if err != nil {
		t.Fatal(err)
	}
	routes, clients := read.Cluster.TLSConfig, read.TLSConfig
	if routes == nil || routes.ClientAuth != tls.RequireAndVerifyClientCert || routes.InsecureSkipVerify {
		t.Error("routes don't demand a certificate")
	}
	if clients == nil || clients.InsecureSkipVerify || routes.ClientCAs.Equal(clients.ClientCAs) {
		t.Error("clients and routes share an authority")
	}
	if read.SystemAccount != "SYS" || read.NoAuthUser != "" {
		t.Errorf("system account %q, no_auth_user %q", read.SystemAccount, read.NoAuthUser)
	}
	if read.HTTPHost != "127.0.0.1" {
		t.Errorf("the monitoring port, which has no credentials, listens on %q", read.HTTPHost)
	}
	if read.ServerName != "nats-1" || len(read.Routes) != 3 {
		t.Errorf("server %q has routes %v", read.ServerName, read.Routes)
	}
}

// newUsers sets the variables that accounts.conf reads and returns the paths of
// their seeds.
func newUsers(t *testing.T) map[string]string {
	t.Helper()
	seeds := make(map[string]string)
	for _, variable := range []string{"CURFEW_OWNER_NKEY", "CURFEW_NODE_NKEY", "CURFEW_EDGE_NKEY", "CURFEW_SYSTEM_NKEY"} {
		public, seed := natstest.User(t)
		t.Setenv(variable, public)
		seeds[variable] = seed
	}
	return seeds
}

// serverConfig is nats-server.conf with what it needs beside it, as it would lie
// in /etc/nats.
func serverConfig(t *testing.T, clients, routes *natstest.Authority) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"nats-server.conf", "accounts.conf"} {
		text := strings.ReplaceAll(read(t, filepath.Join("nats", name)), "/etc/nats/", dir+"/")
		write(t, filepath.Join(dir, name), text)
	}
	cert, key := clients.Leaf("127.0.0.1")
	routeCert, routeKey := routes.Leaf("127.0.0.1")
	for name, from := range map[string]string{
		"server.pem": cert, "server-key.pem": key,
		"route.pem": routeCert, "route-key.pem": routeKey, "routes-ca.pem": routes.File,
	} {
		write(t, filepath.Join(dir, "tls", name), read(t, from))
	}
	return filepath.Join(dir, "nats-server.conf")
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
