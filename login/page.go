package login

import "net/http"

// Pages writes the pages that people see.
type Pages interface {
	// Write answers a request with a page. It sets the headers that every page
	// has, with Cache-Control no-store; those that are set are kept.
	Write(w http.ResponseWriter, r *http.Request, p *Page)
}

// PageKind says which page it is.
type PageKind string

// The pages.
const (
	// PageChoose lets a person choose one of several sign-ins: Choices.
	PageChoose PageKind = "choose"
	// PageContinue asks before a sign-in that another site has asked for: Link.
	PageContinue PageKind = "continue"
	// PageNothingSent says that a form was not sent, because the session is over;
	// Link signs in in a new tab.
	PageNothingSent PageKind = "nothing-sent"
	// PageSignOut asks whether to sign out: Form, Name; Link goes on without.
	PageSignOut PageKind = "sign-out"
	// PageSignedOut says that this browser is signed out; Form, where there is
	// one, tells the provider; Link signs in again.
	PageSignedOut PageKind = "signed-out"
	// PageStartAgain is for a callback that fits no attempt: late, repeated, of
	// another browser. Link starts again.
	PageStartAgain PageKind = "start-again"
	// PageLoop says why sessions may not come back, after three that did not.
	PageLoop PageKind = "loop"
	// PageTooLarge says that the session is too large for a cookie, and that this
	// is not the person's fault.
	PageTooLarge PageKind = "too-large"
	// PageProvider says that the provider does not answer, or not as it should.
	PageProvider PageKind = "provider"
	// PageDenied says that the provider did not sign the person in.
	PageDenied PageKind = "denied"
	// PageStepUpUnmet says that the sign-in was not strong or recent enough.
	PageStepUpUnmet PageKind = "step-up-unmet"
	// PageBlocked says that access is blocked.
	PageBlocked PageKind = "blocked"
	// PageCrossSite is for a form that another site has sent.
	PageCrossSite PageKind = "cross-site"
	// PageNotReady says to try again soon.
	PageNotReady PageKind = "not-ready"
	// PageNotDurable says that the sign-out could not be kept, so nobody is signed
	// out.
	PageNotDurable PageKind = "not-durable"
	// PageInsecure is for a request that came over http.
	PageInsecure PageKind = "insecure"
	// PageUnknown is for a path that does not exist, or a host that does not sign
	// in here.
	PageUnknown PageKind = "unknown"
)

// PageKinds lists every kind.
var PageKinds = []PageKind{
	PageChoose, PageContinue, PageNothingSent, PageSignOut, PageSignedOut, PageStartAgain, PageLoop, PageTooLarge, PageProvider, PageDenied,
	PageStepUpUnmet, PageBlocked, PageCrossSite, PageNotReady, PageNotDurable, PageInsecure, PageUnknown,
}

// Page is what a page shows. Everything in it may come from strangers.
type Page struct {
	Kind    PageKind
	Status  int
	SignIn  string // title of the sign-in; may be empty
	Name    string // of the person who is signed in; may be empty
	Link    string // path of the next step; may be empty
	Form    *Form
	Choices []Choice
}

// Form is a form with one button.
type Form struct {
	Action string
	Fields []Param // hidden
	Away   bool    // the answer, or Action itself, leads to another origin
}

// Choice is one of several sign-ins.
type Choice struct{ Title, Link string }
