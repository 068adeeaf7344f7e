package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"
)

const png = "\x89PNG\x0d\x0a\x1a\x0a"

// pagesOf is every kind of page, with a text in each of its members.
func pagesOf(text, link string) map[string]Page {
	who := Account{text, text}
	fields := []Field{{text, text}}
	return map[string]Page{
		"choose":        Choose{[]Choice{{text, link}, {text, link}}},
		"continue":      Continue{who, link},
		"nothing-sent":  NothingSent{link},
		"sign-out":      SignOut{who, Form{"/.curfew/sign-out", fields, true}, link},
		"signed-out":    SignedOut{text, &Form{"https://login.example.com/logout", fields, true}, link},
		"signed-out 2":  SignedOut{text, nil, link},
		"start-again":   StartAgain{link},
		"loop":          Loop{link},
		"too-large":     TooLarge{},
		"provider":      Provider{link},
		"denied":        Denied{link},
		"step-up-unmet": StepUpUnmet{who, link},
		"blocked":       Blocked{who, link},
		"cross-site":    CrossSite{},
		"not-ready":     NotReady{link},
		"not-durable":   NotDurable{link},
		"insecure":      Insecure{},
		"unknown":       Unknown{},
		"refused":       Refused{"no-such-problem", who, link},
		"a scope":       Refused{"insufficient-scope", who, link},
		"stale":         Refused{"stale", who, ""},
		"a step-up":     Refused{"step-up-unmet", who, link},
	}
}

func full(t *testing.T, brand string) Config {
	t.Helper()
	logo, err := NewLogo([]byte(png))
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Brand: brand, Logo: logo, Style: []byte("h1 > b { color: red }"), TwoStep: "https://login.example.com/2fa",
		Recovery: "https://login.example.com/recover", Help: Help{brand + " desk", "https://help.example.com/"},
	}
}

func render(s *Set, method, language string, status int, p Page) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "https://app.example.com/x", nil)
	r.Header.Set("Accept-Language", language)
	s.Render(w, r, status, p)
	return w
}

func TestEveryPageIsThereInEveryLanguage(t *testing.T) {
	for _, c := range catalogs {
		if !reflect.DeepEqual(names(shape(english)), names(shape(*c))) {
			t.Errorf("%s has other pages than en: %v", c.tag, names(shape(*c)))
		}
		for name, want := range shape(english) {
			if got := shape(*c)[name]; !slices.Equal(got, want) {
				t.Errorf("%s, %s: the parts are %v; in en they are %v", c.tag, name, got, want)
			}
		}
		for i := range reflect.ValueOf(c.words).NumField() {
			if reflect.ValueOf(c.words).Field(i).String() == "" {
				t.Errorf("%s lacks the words %s", c.tag, reflect.TypeOf(c.words).Field(i).Name)
			}
		}
		if strings.Count(c.as, "%s") != 1 || strings.Count(c.at, "%s") != 2 {
			t.Errorf("%s: %q, %q", c.tag, c.as, c.at)
		}
	}
	used := make(map[string]bool)
	for name, p := range pagesOf("x", "/x") {
		v := p.view()
		used[v.text] = true
		said := english.texts[v.text]
		if said.Heading == "" || v.link != "" && said.Next == "" || v.form != nil && said.Button == "" {
			t.Errorf("%s lacks a heading, or the text of its link or button: %+v", name, said)
		}
	}
	for name := range english.texts {
		if p := (Refused{Problem: name}); !used[name] && p.view().text != name {
			t.Errorf("no page has the texts of %s", name)
		}
	}
}

// shape is which parts the pages of a language have.
func shape(c catalog) map[string][]string {
	all := make(map[string][]string)
	for name, s := range c.texts {
		all[name] = []string{strconv.FormatBool(s.Heading != ""), strconv.Itoa(len(s.Body)), strconv.Itoa(len(s.List)), strconv.FormatBool(s.Next != ""), strconv.FormatBool(s.Button != "")}
	}
	return all
}

func TestALanguageIsChosenByTheBrowser(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "en-GB,de;q=0.9": "en", "fr": "en", "fr,de;q=0.3": "de",
		"de;q=0,en": "en", "*": "en", "de;q=x": "en", "\x00": "en", strings.Repeat("de,", 1<<10): "en", strings.Repeat("-", 1000): "en",
	} {
		w := render(New(Config{}), "GET", header, 200, Unknown{})
		if got := w.Header().Get("Content-Language"); got != want || !strings.Contains(w.Body.String(), `<html lang="`+want+`">`) {
			t.Errorf("%.30q: %s", header, got)
		}
	}
}

// B7, B10.
func TestWhatStrangersChoseIsInertOnEveryPage(t *testing.T) {
	for _, canary := range []string{
		`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, "{{.Brand}}{http.vars.x}{env.HOME}", "javascript:alert(1)", "%s %d %%",
		"</title></style><script>", "a\r\nSet-Cookie: x=y", "\u202egnp.exe", "\x00",
	} {
		for _, s := range []*Set{New(full(t, canary)), New(full(t, canary)).Alone()} {
			for _, language := range []string{"en", "de"} {
				for name, p := range pagesOf(canary, "javascript:alert(1)//"+canary) {
					w := render(s, "GET", language, 403, p)
					body := w.Body.String()
					if w.Code != 403 || strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") || w.Header().Get("Set-Cookie") != "" {
						t.Errorf("%s: %d %v", name, w.Code, w.Header())
					}
					for n := range nodes(t, body) {
						for _, a := range n.Attr {
							if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "action" || a.Key == "src") && strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
								t.Errorf("%s, %q: <%s %s=%q>", name, canary, n.Data, a.Key, a.Val)
							}
						}
						if n.Data == "script" || n.Data == "img" && attr(n, "src") != string(s.logo) {
							t.Errorf("%s, %q: <%s>", name, canary, n.Data)
						}
					}
					if a := p.view().account; a.Name != "" && !strings.Contains(body, "<bdi>"+strings.NewReplacer("\x00", "\ufffd", "+", "&#43;", "'", "&#39;", `"`, "&#34;").Replace(escaped(canary))+"</bdi>") {
						t.Errorf("%s: %q is not shown as it is:\n%s", name, canary, body)
					}
				}
			}
		}
	}
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func TestEveryPageIsAccessible(t *testing.T) {
	for _, s := range []*Set{New(Config{}), New(full(t, "Example")), New(full(t, "Example")).Alone()} {
		for name, p := range pagesOf("Alice", "/.curfew/sign-in?return=%2Fa&max_age=0") {
			body := render(s, "GET", "en", 200, p).Body.String()
			count := make(map[string]int)
			for n := range nodes(t, body) {
				count[n.Data]++
				switch n.Data {
				case "a", "button", "h1", "title":
					if strings.TrimSpace(inner(n)) == "" || n.Data == "a" && attr(n, "href") == "" {
						t.Errorf("%s: <%s> has no name or leads nowhere", name, n.Data)
					}
				case "input":
					if attr(n, "type") != "hidden" && n.Parent.Data != "label" {
						t.Errorf("%s: an input has no label", name)
					}
				case "img":
					if attr(n, "alt") != "Example" {
						t.Errorf("%s: the logo has no name", name)
					}
				}
			}
			if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 || count["script"] != 0 {
				t.Errorf("%s: %v", name, count)
			}
			if len(body) > 60<<10 {
				t.Errorf("%s has %d bytes", name, len(body))
			}
		}
	}
}

// WCAG 2.2, 1.4.3 and 1.4.11.
func TestColoursHaveContrastInLightAndDark(t *testing.T) {
	light, dark, _ := strings.Cut(ownStyle, "prefers-color-scheme: dark")
	for name, style := range map[string]string{"light": light, "dark": dark} {
		colours := make(map[string]string)
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(style, -1) {
			colours[m[1]] = m[2]
		}
		if len(colours) != 4 {
			t.Fatalf("%s: %v", name, colours)
		}
		for _, pair := range [][2]string{{"text", "back"}, {"link", "back"}, {"on-link", "link"}} {
			if got := contrast(t, colours[pair[0]], colours[pair[1]]); got < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.1f; at least 4.5", name, pair[0], pair[1], got)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestEveryPageHasTheHeaders(t *testing.T) {
	s := New(full(t, "Example"))
	for name, p := range pagesOf("Alice", "/.curfew/sign-in") {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			w := render(s, method, "de", 503, p)
			h := w.Header()
			if w.Code != 503 || (w.Body.Len() == 0) != (method == "HEAD") || h.Get("Content-Length") == "0" {
				t.Errorf("%s %s: %d, %d bytes", method, name, w.Code, w.Body.Len())
			}
			for header, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
				"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
			} {
				if h.Get(header) != want {
					t.Errorf("%s: %s is %q", name, header, h.Get(header))
				}
			}
			want := "'none'"
			if p.view().form != nil {
				want = "'self' https:"
			}
			if got := h.Get("Content-Security-Policy"); got != "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+want {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestAFormThatStaysHereIsSentNowhereElse(t *testing.T) {
	w := render(New(Config{}), "GET", "en", 200, SignOut{Form: Form{Action: "/.curfew/sign-out"}})
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self'") {
		t.Error(got)
	}
}

// A site that serves no files of ours has pages that carry them, and a policy that
// admits exactly these.
func TestAPageAloneCarriesStyleAndLogo(t *testing.T) {
	w := render(New(full(t, "Example")).Alone(), "GET", "en", 403, Blocked{})
	body := w.Body.String()
	_, style, _ := strings.Cut(body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(style, "h1 > b { color: red }") || !strings.Contains(csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; img-src data:;") {
		t.Errorf("%s\n%s", csp, style)
	}
	if strings.Contains(body, Prefix) || !strings.Contains(html.UnescapeString(body), `src="data:image/png;base64,`+base64.StdEncoding.EncodeToString([]byte(png))) {
		t.Error(body)
	}
	if csp := render(New(Config{}).Alone(), "GET", "en", 403, Blocked{}).Header().Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'none'") {
		t.Error(csp)
	}
}

func TestHelpIsShownWhereItHelps(t *testing.T) {
	s := New(full(t, "Example"))
	for name, p := range pagesOf("Alice", "/") {
		body := render(s, "GET", "en", 403, p).Body.String()
		v := p.view()
		for link, want := range map[string]bool{"/2fa": v.mends, "/recover": v.mends, "help.example.com": v.help} {
			if strings.Contains(body, link) != want {
				t.Errorf("%s shows %s: %v", name, link, !want)
			}
		}
	}
	if body := render(s, "GET", "en", 403, Refused{Problem: "step-up-unmet"}).Body.String(); !strings.Contains(body, "/2fa") || !strings.Contains(body, "/recover") || !strings.Contains(body, "Example desk") {
		t.Error(body)
	}
}

// A late form keeps its text: the page on which it is stays one step back.
func TestNothingWasSentSignsInInANewTab(t *testing.T) {
	body := render(New(Config{}), "POST", "en", 401, NothingSent{"/.curfew/sign-in?return=%2Fform"}).Body.String()
	if !strings.Contains(body, `href="/.curfew/sign-in?return=%2Fform" target="_blank" rel="noopener"`) || !strings.Contains(body, "Nothing was sent") || strings.Contains(body, "<form") {
		t.Error(body)
	}
}

// A browser drops the query of the action of a form with GET.
func TestContinueKeepsWhatWasAskedFor(t *testing.T) {
	body := render(New(Config{}), "GET", "en", 200, Continue{Link: "/.curfew/sign-in?max_age=0&return=%2Fa%3Fb%26c&x=1&x=2"}).Body.String()
	for _, want := range []string{
		`<form method="get" action="/.curfew/sign-in">`, `name="max_age" value="0"`, `name="return" value="/a?b&amp;c"`, `name="x" value="1"`, `name="x" value="2"`, "<button",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s:\n%s", want, body)
		}
	}
}

func TestSignOutAsksForOneSite(t *testing.T) {
	body := render(New(Config{}), "GET", "en", 200, SignOut{Account{"Alice", "Staff"}, Form{"/.curfew/sign-out", []Field{{"return", "/a"}}, false}, "/a"}).Body.String()
	for _, want := range []string{
		`<form method="post" action="/.curfew/sign-out">`, `<input type="hidden" name="return" value="/a">`, `<input type="checkbox" name="scope" value="host">`,
		"<bdi>Alice</bdi> (<bdi>Staff</bdi>)", `<a href="/a">Stay signed in</a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s:\n%s", want, body)
		}
	}
}

func TestStyleAndLogoAreServed(t *testing.T) {
	s := New(full(t, "Example"))
	for _, c := range []struct {
		h                   http.Handler
		contentType, within string
	}{{s.StyleSheet(), "text/css; charset=utf-8", "h1 > b"}, {s.LogoImage(), "image/png", "PNG"}} {
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if h := w.Header(); w.Code != 200 || h.Get("Content-Type") != c.contentType || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Body.String(), c.within) {
			t.Errorf("%d %v", w.Code, h)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		c.h.ServeHTTP(w, r)
		if w.Code != 304 {
			t.Errorf("again: %d", w.Code)
		}
	}
	w := httptest.NewRecorder()
	New(Config{}).LogoImage().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 404 {
		t.Errorf("no logo: %d", w.Code)
	}
}

func TestFilesThatNoPageCanCarryAreRefused(t *testing.T) {
	svg := `<?xml version="1.0" encoding="ISO-8859-1"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	for content, want := range map[string]string{
		png: "", "GIF89a": "", svg: "", "\xff\xd8\xff": "", "": "no image", "<html>": "no image", "<svg/>": "no image", "%PDF-1.7": "no image",
		png + strings.Repeat("x", MaxLogo): "larger than 32 KiB",
	} {
		_, err := NewLogo([]byte(content))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	for content, want := range map[string]string{
		"": "", "@media (width <= 20rem) { a > b {} }": "", "</style>": "would end the style", "<!--": "would end the style", "\xff": "not UTF-8", "\x00": "not UTF-8",
		strings.Repeat("x", MaxStyle+1): "larger than 64 KiB",
	} {
		err := CheckStyle([]byte(content))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
}

// nodes are the elements of a page.
func nodes(t *testing.T, body string) func(func(*nethtml.Node) bool) {
	t.Helper()
	root, err := nethtml.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*nethtml.Node) bool) {
		for n := range root.Descendants() {
			if n.Type == nethtml.ElementNode && !yield(n) {
				return
			}
		}
	}
}

func attr(n *nethtml.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func inner(n *nethtml.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == nethtml.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}
