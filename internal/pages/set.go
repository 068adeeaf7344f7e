package pages

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
)

// Config says how pages look and where they lead.
type Config struct {
	Brand          string // the name of the service, as plain text
	Logo           *Logo
	Style          []byte // follows our own style, see [CheckStyle]
	TwoStep        string // where a person sets up two-step verification
	Recovery       string // where a person regains an account
	ChangePassword string
	Help           Help
}

// Help is a link to those who help.
type Help struct{ Text, URL string }

//go:embed style.css
var ownStyle string

// Set is the pages of one configuration. Make it with [New]. It can be used by
// several goroutines.
type Set struct {
	config Config
	style  string
	alone  bool   // style and logo are in the page
	csp    string // of the page, without form-action
	logo   template.URL
}

// New returns the pages of a site that serves style and logo under /.curfew/.
func New(c Config) *Set {
	s := &Set{config: c, style: ownStyle}
	if len(c.Style) > 0 {
		s.style += "\n" + string(c.Style)
	}
	if c.Logo != nil {
		s.logo = Prefix + "logo"
	}
	s.csp = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "
	return s
}

// Alone returns the same pages for a site that serves neither style nor logo: each
// page carries them.
func (s *Set) Alone() *Set {
	alone := *s
	alone.alone = true
	sum := sha256.Sum256([]byte(s.style))
	images := "'none'"
	if logo := s.config.Logo; logo != nil {
		images = "data:"
		alone.logo = template.URL("data:" + logo.contentType + ";base64," + base64.StdEncoding.EncodeToString(logo.content))
	}
	alone.csp = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src " + images +
		"; base-uri 'none'; frame-ancestors 'none'; form-action "
	return &alone
}
