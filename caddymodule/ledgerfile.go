package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseLedger reads
//
//	ledger local [<dir>]
//	ledger nats <url>… { … }
func (a *App) parseLedger(d *caddyfile.Dispenser) error {
	a.Ledger = &Ledger{Place: placeOf(d)}
	args := d.RemainingArgs()
	switch {
	case len(args) > 0 && args[0] == "nats":
		a.Ledger.NATS = new(NATSLedger)
		return a.Ledger.NATS.parse(d, args[1:])
	case len(args) == 1 && args[0] == "local":
		a.Ledger.Local = new(LocalLedger)
	case len(args) == 2 && args[0] == "local":
		if args[1] == "" {
			return d.Err("the ledger directory is empty")
		}
		a.Ledger.Local = &LocalLedger{Dir: args[1]}
	default:
		return d.Err("want `ledger local [<dir>]` or `ledger nats <url>…`")
	}
	return options{}.read(d)
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
// Provision will say the same of what is wrong, but here the line is known.
func (l *NATSLedger) parse(d *caddyfile.Dispenser, urls []string) error {
	if len(urls) == 0 {
		return d.Err("ledger nats needs the URL of a server: write `ledger nats tls://<host>:4222`")
	}
	for _, u := range urls {
		if strings.Contains(u, "{") {
			continue // a placeholder, resolved at Provision
		}
		if err := checkServer(u); err != nil {
			return located(d, err)
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
		"stream": func(d *caddyfile.Dispenser) error {
			if err := word(&l.Stream)(d); err != nil {
				return err
			}
			return located(d, checkStream(l.Stream))
		},
		"replicas": func(d *caddyfile.Dispenser) error {
			if err := number(&l.Replicas)(d); err != nil {
				return err
			}
			return located(d, checkReplicas(l.Replicas))
		},
		"system_credentials": word(&l.SystemCredentials),
	}.read(d)
}
