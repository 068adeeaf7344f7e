// Package pages has every page that the gateway shows to a person: of sign-ins,
// of sign-outs, and of refusals. They are plain HTML without scripts, in English
// and German, with one template, one style and one set of headers.
//
// It knows no room: callers say which page it is and what stands in it. It must
// never show what is not in the [Page], nothing of the request but its language,
// and nothing unescaped.
//
// Read page.go, set.go and render.go first, then texts.go with english.go and
// german.go, page.html and style.css, assets.go.
package pages
