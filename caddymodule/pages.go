package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/bounded"
	"curfew.dev/curfew/internal/loopback"
	"curfew.dev/curfew/internal/pages"
)

// Pages says how the pages look that people see, refusals included, and where
// they lead.
type Pages struct {
	// The name of the service, on every page. At most 64 characters.
	Brand string `json:"brand,omitempty"`

	// A file with an image: SVG, PNG, JPEG, WebP or GIF, at most 32 KiB. Its
	// text alternative is the brand. Placeholders work.
	Logo string `json:"logo,omitempty"`

	// A file with CSS that follows the style of the pages, at most 64 KiB.
	// Placeholders work.
	Style string `json:"style,omitempty"`

	// Where a person regains an account.
	Recovery string `json:"recovery,omitempty"`

	// Who helps.
	Help *HelpLink `json:"help,omitempty"`

	// Where a person sets up two-step verification.
	TwoStep string `json:"two_step,omitempty"`

	// Where a person changes the password.
	ChangePassword string `json:"change_password,omitempty"`

	// The places of the files in the Caddyfile. Error messages name them.
	LogoPlace  place `json:"logo_place,omitempty"`
	StylePlace place `json:"style_place,omitempty"`
}

// HelpLink is a link to those who help.
type HelpLink struct {
	// What the link says. At most 64 characters.
	Text string `json:"text"`
	// Where it leads: https, or mailto.
	URL string `json:"url"`
}

// parsePages reads
//
//	pages {
//		brand <text>
//		logo <file>
//		style <file>
//		recovery <url>
//		help <text> <url>
//		two_step <url>
//		change_password <url>
//	}
func (a *App) parsePages(d *caddyfile.Dispenser) error {
	if err := alone(d); err != nil {
		return err
	}
	p := new(Pages)
	a.Pages = p
	return options{
		"brand":           word(&p.Brand),
		"logo":            wordAt(&p.Logo, &p.LogoPlace),
		"style":           wordAt(&p.Style, &p.StylePlace),
		"recovery":        word(&p.Recovery),
		"help":            p.parseHelp,
		"two_step":        word(&p.TwoStep),
		"change_password": word(&p.ChangePassword),
	}.read(d, p.check)
}

// wordAt is [word], and keeps the place.
func wordAt(into *string, at *place) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		*at = placeOf(d)
		return word(into)(d)
	}
}

func (p *Pages) parseHelp(d *caddyfile.Dispenser) error {
	p.Help = new(HelpLink)
	if !d.Args(&p.Help.Text, &p.Help.URL) || d.NextArg() {
		return d.Err("want `help <text> <url>`; a text of several words takes quotes")
	}
	return nil
}

// maxLabel bounds a text of the configuration that pages show, in characters.
const maxLabel = 64

// check checks what needs no file.
func (p *Pages) check() error {
	if p.Brand != "" {
		if err := checkLabel("brand", p.Brand); err != nil {
			return err
		}
	}
	if p.Help != nil {
		if err := cmp.Or(checkLabel("help", p.Help.Text), checkPageURL("help", p.Help.URL)); err != nil {
			return err
		}
	}
	for _, link := range []struct{ option, url string }{
		{"recovery", p.Recovery}, {"two_step", p.TwoStep}, {"change_password", p.ChangePassword},
	} {
		if link.url != "" {
			if err := checkPageURL(link.option, link.url); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLabel refuses a text that a page can't show as it is.
func checkLabel(option, text string) error {
	if n := utf8.RuneCountInString(text); n == 0 || n > maxLabel {
		return in(option, "", fmt.Errorf("%s has %d characters: give 1 to %d", option, n, maxLabel))
	}
	for _, c := range text {
		if c == utf8.RuneError || unicode.In(c, unicode.Cc, unicode.Cf) {
			return in(option, "", fmt.Errorf("%s has the character %U, which is not shown: remove it", option, c))
		}
	}
	return nil
}

// checkPageURL refuses what is no address for people. Only help may be a mailto.
func checkPageURL(option, text string) error {
	u, err := url.Parse(text)
	switch {
	case err == nil && option == "help" && u.Scheme == "mailto" && u.Opaque != "":
		return nil
	case err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback.Is(u.Hostname())):
		also := ""
		if option == "help" {
			also = ", or a mailto"
		}
		return in(option, "", fmt.Errorf("%s %q: want the whole address of a page, such as https://login.example.com/account (http on loopback only)%s", option, text, also))
	}
	return nil
}

// provisionPages reads the files of pages, and makes the pages.
func (a *App) provisionPages() error {
	p := a.Pages
	if p == nil {
		p = new(Pages)
	}
	if err := p.check(); err != nil {
		return a.Place.name(fmt.Errorf("pages: %w", err))
	}
	c := pages.Config{Brand: p.Brand, TwoStep: p.TwoStep, Recovery: p.Recovery, ChangePassword: p.ChangePassword}
	if p.Help != nil {
		c.Help = pages.Help{Text: p.Help.Text, URL: p.Help.URL}
	}
	if p.Logo != "" {
		content, err := readPageFile(p.Logo, pages.MaxLogo)
		if err == nil {
			c.Logo, err = pages.NewLogo(content)
		}
		if err != nil {
			return p.LogoPlace.name(fmt.Errorf("logo %s: %w", p.Logo, err))
		}
	}
	if p.Style != "" {
		content, err := readPageFile(p.Style, pages.MaxStyle)
		if err == nil {
			err = pages.CheckStyle(content)
		}
		if err != nil {
			return p.StylePlace.name(fmt.Errorf("style %s: %w", p.Style, err))
		}
		c.Style = content
	}
	a.pages = pages.New(c)
	a.lonePages = a.pages.Alone()
	return nil
}

// readPageFile reads a file up to a size.
func readPageFile(configured string, limit int64) ([]byte, error) {
	path, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file: name one") // a pipe would never end
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("let the user Caddy runs as read it: %w", err)
	}
	defer f.Close()
	content, err := bounded.Read(f, limit)
	if err != nil {
		return nil, fmt.Errorf("make it smaller: %w", err)
	}
	return content, nil
}
