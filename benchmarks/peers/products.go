package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"curfew.dev/curfew/benchmarks/rig"
)

// product is a product to measure, with its configuration.
type product struct {
	name  string
	needs []string // programs, beside Caddy
	start func(*place, *site) error
}

// Each product passes on whether a user is known, the issuer and the subject. The
// second row of ours passes on all twelve headers.
var products = []product{
	{"Caddy with curfew, identity minimal", nil, caddyWith("curfew", "minimal")},
	{"Caddy with curfew, identity all", nil, caddyWith("curfew", "all")},
	{"HAProxy jwt_verify and a map of revoked ids", []string{"haproxy"}, startHAProxy},
	{"nginx auth_request to a Go verifier", []string{"nginx"}, startNginx},
	{"Caddy forward_auth to a Go verifier that asks Redis", []string{"redis-server"}, caddyWith("forward_auth", "")},
	{"Caddy forward_auth to oauth2-proxy, which knows no revocation", []string{"oauth2-proxy"}, caddyWith("oauth2_proxy", "")},
}

// missing returns the first program that is not installed, or "".
func (p product) missing() string {
	for _, program := range p.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// site is a running product, guarded or not.
type site struct {
	name      string
	guarded   bool
	Address   string
	processes []*rig.Process

	Guard, Upstream, Verifier, Key, Algorithm string // for the templates
	Identity                                  string // of the guard of curfew
	Issuer, Audience, Ledger, Revoked, Dir    string
	requests                                  [][]byte
}

func (s *site) stop() {
	for _, p := range s.processes {
		p.Stop()
	}
}

// run starts one process of the site and waits until it listens.
func (p *place) run(s *site, name, address, path string, args ...string) error {
	process, err := rig.Start(rig.Command{
		Name: s.name + "-" + name, Path: path, Args: args, Dir: p.dir, CPUs: p.core,
		Env: rig.Home(filepath.Join(p.dir, s.name+"-home")),
	})
	if err != nil {
		return err
	}
	s.processes = append(s.processes, process)
	return rig.AwaitListener(process, address)
}

// configure writes a configuration file for the site.
func (p *place) configure(s *site, t *template.Template) (string, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("configuring %s: %w", s.name, err)
	}
	path := filepath.Join(p.dir, s.name+".conf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("configuring %s: %w", s.name, err)
	}
	return path, nil
}

// startVerifier starts the small verifier, with or without a Redis.
func (p *place) startVerifier(s *site, redis string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	if s.Verifier, err = rig.FreeAddress(); err != nil {
		return err
	}
	return p.run(s, "verifier", s.Verifier, self, verifierRole, s.Verifier, s.Key, redis)
}

var haproxyConfig = template.Must(template.New("haproxy").Parse(`global
	nbthread 1
	maxconn 4000
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	http-reuse always
frontend web
	bind {{.Address}}
{{- if .Guard}}
	http-request set-var(txn.bearer) http_auth_bearer
	http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
	http-request deny deny_status 401 unless { var(txn.alg) -m str {{.Algorithm}} }
	http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"{{.Key}}") 1 }
	http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
	http-request set-var(txn.now) date()
	http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
	http-request deny deny_status 401 if { var(txn.bearer),jwt_payload_query('$.jti'),map_str({{.Revoked}}) -m found }
	http-request deny deny_status 401 if { var(txn.bearer),jwt_payload_query('$.sub'),map_str({{.Revoked}}) -m found }
	http-request set-header X-Authenticated true
	http-request set-header X-Issuer %[var(txn.bearer),jwt_payload_query('$.iss')]
	http-request set-header X-Subject %[var(txn.bearer),jwt_payload_query('$.sub')]
{{- end}}
	default_backend upstream
backend upstream
	server one {{.Upstream}}
`))

func startHAProxy(p *place, s *site) error {
	s.Revoked = filepath.Join(p.dir, "revoked.map")
	if err := os.WriteFile(s.Revoked, []byte("jti-of-somebody 1\n"), 0o600); err != nil {
		return fmt.Errorf("writing the map: %w", err)
	}
	config, err := p.configure(s, haproxyConfig)
	if err != nil {
		return err
	}
	return p.run(s, "haproxy", s.Address, "haproxy", "-db", "-f", config)
}

var nginxConfig = template.Must(template.New("nginx").Parse(`daemon off;
master_process off;
pid {{.Dir}}/nginx-{{.Address}}.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path {{.Dir}}/nginx-body;
	proxy_temp_path {{.Dir}}/nginx-proxy;
	fastcgi_temp_path {{.Dir}}/nginx-fastcgi;
	uwsgi_temp_path {{.Dir}}/nginx-uwsgi;
	scgi_temp_path {{.Dir}}/nginx-scgi;
	keepalive_requests 100000000;
	upstream application { server {{.Upstream}}; keepalive 64; keepalive_requests 100000000; }
{{- if .Guard}}
	upstream verifier { server {{.Verifier}}; keepalive 64; keepalive_requests 100000000; }
{{- end}}
	server {
		listen {{.Address}};
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location / {
{{- if .Guard}}
			auth_request /verify;
			auth_request_set $authenticated $upstream_http_x_authenticated;
			auth_request_set $issuer $upstream_http_x_issuer;
			auth_request_set $subject $upstream_http_x_subject;
			proxy_set_header Connection "";
			proxy_set_header X-Authenticated $authenticated;
			proxy_set_header X-Issuer $issuer;
			proxy_set_header X-Subject $subject;
{{- end}}
			proxy_pass http://application;
		}
{{- if .Guard}}
		location = /verify {
			internal;
			proxy_pass http://verifier;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
		}
{{- end}}
	}
}
`))

func startNginx(p *place, s *site) error {
	if s.guarded {
		if err := p.startVerifier(s, "none"); err != nil {
			return err
		}
	}
	config, err := p.configure(s, nginxConfig)
	if err != nil {
		return err
	}
	return p.run(s, "nginx", s.Address, "nginx", "-c", config)
}

var caddyConfig = template.Must(template.New("caddy").Parse(`{
	admin off
	persist_config off
	auto_https off
	log default {
		level ERROR
	}
{{- if eq .Guard "curfew"}}
	curfew {
		issuer {{.Issuer}} {
			audience {{.Audience}}
			device_claim device_id
			tenant_claim tid
		}
		ledger local {{.Ledger}}
		on_empty start
	}
{{- end}}
}
http://{{.Address}} {
{{- if eq .Guard "curfew"}}
	curfew {
		identity {{.Identity}}
	}
{{- else if eq .Guard "oauth2_proxy"}}
	forward_auth {{.Verifier}} {
		uri /oauth2/auth
		copy_headers X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Preferred-Username
	}
{{- else if eq .Guard "forward_auth"}}
	forward_auth {{.Verifier}} {
		uri /verify
		copy_headers X-Authenticated X-Issuer X-Subject
	}
{{- end}}
	reverse_proxy {{.Upstream}}
}
`))

func caddyWith(guard, identity string) func(*place, *site) error {
	return func(p *place, s *site) error {
		if s.guarded {
			s.Guard, s.Identity = guard, identity
		}
		switch s.Guard {
		case "curfew":
			s.Ledger = filepath.Join(p.dir, s.name+"-ledger")
			if err := os.Mkdir(s.Ledger, 0o700); err != nil {
				return fmt.Errorf("making a directory for the ledger: %w", err)
			}
		case "forward_auth":
			redis, err := rig.FreeAddress()
			if err != nil {
				return err
			}
			host, port := redis[:len("127.0.0.1")], redis[len("127.0.0.1:"):]
			if err := p.run(s, "redis", redis, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no"); err != nil {
				return err
			}
			if err := p.startVerifier(s, redis); err != nil {
				return err
			}
		}
		if s.Guard == "oauth2_proxy" {
			if err := p.startOAuth2Proxy(s); err != nil {
				return err
			}
		}
		config, err := p.configure(s, caddyConfig)
		if err != nil {
			return err
		}
		return p.run(s, "caddy", s.Address, p.binary, "run", "--adapter", "caddyfile", "--config", config)
	}
}

// startOAuth2Proxy starts an oauth2-proxy that takes bearer tokens.
func (p *place) startOAuth2Proxy(s *site) (err error) {
	if s.Verifier, err = rig.FreeAddress(); err != nil {
		return err
	}
	path, err := exec.LookPath("oauth2-proxy")
	if err != nil {
		return fmt.Errorf("finding oauth2-proxy: %w", err)
	}
	return p.run(s, "oauth2-proxy", s.Verifier, path, "--http-address="+s.Verifier, "--provider=oidc", "--oidc-issuer-url="+s.Issuer,
		"--client-id="+s.Audience, "--client-secret=unused", "--cookie-secret=0123456789abcdef", "--email-domain=*", "--upstream=static://202",
		"--oidc-email-claim=sub", "--oidc-enabled-signing-alg="+s.Algorithm, "--skip-jwt-bearer-tokens", "--set-xauthrequest", "--request-logging=false", "--auth-logging=false")
}

// guards returns an error unless the site refuses and admits as the measurement
// requires.
func (s *site) guards() error {
	err := rig.Await(s.processes[0], rig.Patience, func() error {
		status, err := rig.Once(s.Address, s.requests[0])
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("answers %d to a good token", status)
		}
		return err
	})
	if err != nil {
		return err
	}
	bare, err := rig.Once(s.Address, rig.Request(s.Address, ""))
	if err != nil {
		return err
	}
	if s.guarded != (bare == http.StatusUnauthorized) {
		return fmt.Errorf("%s answers %d without a token", s.name, bare)
	}
	return nil
}
