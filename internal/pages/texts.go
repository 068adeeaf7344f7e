package pages

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// text is what a page says.
type text struct {
	Heading string
	Body    []string // paragraphs
	List    []string // follows them
	Next    string   // of the link
	Button  string   // of the form
}

// words are those that several pages have.
type words struct {
	ThisSiteOnly string // label of the checkbox of a sign-out
	TwoStep      string
	Recovery     string
	Help         string // heading of the links that help
	NewTab       string // follows the text of a link that opens a new tab
}

// catalog is one language.
type catalog struct {
	tag   string
	words words
	texts map[string]text
	// as says as whom somebody is signed in: %s is the name; at names the sign-in
	// too, second.
	as, at string
}

var catalogs = []*catalog{&english, &german} // the first is for everybody else

var matcher = func() language.Matcher {
	var tags []language.Tag
	for _, c := range catalogs {
		tags = append(tags, language.MustParse(c.tag))
	}
	return language.NewMatcher(tags)
}()

// maxAccepted bounds the header that is parsed, in bytes.
const maxAccepted = 1 << 10

// languageOf returns the language that a browser prefers.
func languageOf(r *http.Request) *catalog {
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > maxAccepted {
		return catalogs[0]
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return catalogs[0]
	}
	_, i, _ := matcher.Match(tags...)
	return catalogs[i]
}

// sentence is one with values in it, which the template escapes.
type sentence struct{ Before, Name, Between, SignIn, After string }

// account says as whom somebody is signed in, or nothing.
func (c *catalog) account(a Account) *sentence {
	switch {
	case a.Name == "":
		return nil
	case a.SignIn == "":
		before, after, _ := strings.Cut(c.as, "%s")
		return &sentence{Before: before, Name: a.Name, After: after}
	}
	before, rest, _ := strings.Cut(c.at, "%s")
	between, after, _ := strings.Cut(rest, "%s")
	return &sentence{before, a.Name, between, a.SignIn, after}
}

// Explains reports whether there are texts for a problem of a guard. Others get
// one that says only that access was refused.
func Explains(problem string) bool {
	_, ok := english.texts[problem]
	return ok || problem == "stale"
}
