package login

import (
	"net/http"
	"testing"
)

func TestABrowserSignsInAndComesBackToItsPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/deep/link?a=1&b=%2F")
	if b.id() == "" || len(b.id()) != len("cs_")+22 {
		t.Errorf("the session is %q", b.id())
	}
	p := b.step(app + "/other")
	if p.status != http.StatusOK {
		t.Errorf("the session is not used: %d", p.status)
	}
}
