package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// MaxLogo and MaxStyle bound the files of an operator, in bytes: where a site
// serves no files of ours, each page carries them.
const (
	MaxLogo  = 32 << 10
	MaxStyle = 64 << 10
)

// Logo is an image.
type Logo struct {
	content     []byte
	contentType string
}

// NewLogo takes the content of a file, and refuses what is not an image that
// browsers show.
func NewLogo(content []byte) (*Logo, error) {
	if len(content) > MaxLogo {
		return nil, fmt.Errorf("it is larger than %d KiB: make it smaller", MaxLogo>>10)
	}
	kind := http.DetectContentType(content)
	switch {
	case kind == "image/png", kind == "image/jpeg", kind == "image/webp", kind == "image/gif":
	case isSVG(content):
		kind = "image/svg+xml"
	default:
		return nil, errors.New("it is no image that browsers show: give an SVG, PNG, JPEG, WebP or GIF file")
	}
	return &Logo{bytes.Clone(content), kind}, nil
}

// isSVG reports whether the first element of a document is that of an SVG.
func isSVG(content []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(content))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // only the first name counts
	for {
		t, err := d.Token()
		if err != nil {
			return false
		}
		if e, ok := t.(xml.StartElement); ok {
			return e.Name.Local == "svg" && e.Name.Space == "http://www.w3.org/2000/svg"
		}
	}
}

// CheckStyle refuses what is no style sheet that a page can carry.
func CheckStyle(content []byte) error {
	switch text := string(content); {
	case len(content) > MaxStyle:
		return fmt.Errorf("it is larger than %d KiB: make it smaller", MaxStyle>>10)
	case strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0):
		return errors.New("it is not UTF-8: save it as UTF-8")
	case strings.Contains(text, "</") || strings.Contains(text, "<!--"):
		return errors.New("it has `</` or `<!--`, which would end the style of a page: give CSS only")
	}
	return nil
}

// StyleSheet serves the style, as /.curfew/style.css.
func (s *Set) StyleSheet() http.Handler {
	return asset{"text/css; charset=utf-8", "", []byte(s.style)}
}

// LogoImage serves the logo, as /.curfew/logo. Without one it is not found.
func (s *Set) LogoImage() http.Handler {
	if s.config.Logo == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, http.StatusNotFound, Unknown{}) })
	}
	// A browser that opens an SVG as a page must not run the scripts in it.
	return asset{s.config.Logo.contentType, "default-src 'none'; style-src 'unsafe-inline'; sandbox", s.config.Logo.content}
}

// asset is a file in memory.
type asset struct {
	contentType, policy string
	content             []byte
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256(a.content)
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if a.policy != "" {
		h.Set("Content-Security-Policy", a.policy)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
