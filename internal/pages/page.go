package pages

import "net/url"

// Page is what a page shows: one of the types below. Everything in it may come
// from strangers. An empty member leaves out what it is for.
type Page interface{ view() view }

type (
	// Choose lets a person choose one of several sign-ins.
	Choose struct{ Choices []Choice }

	// Continue asks with a button before a sign-in that another site has asked
	// for.
	Continue struct {
		Account Account
		Link    string // path and query of the sign-in
	}

	// NothingSent says that a form was not sent, because the session is over. Link
	// signs in, in a new tab, so that the form keeps its text.
	NothingSent struct{ Link string }

	// SignOut asks whether to sign out. Its form may get the field "scope" with
	// the value "host", by a checkbox.
	SignOut struct {
		Account Account
		Form    Form
		Stay    string // path to go on without a sign-out
	}

	// SignedOut says that this browser is signed out.
	SignedOut struct {
		SignIn string // its title
		Form   *Form  // tells the provider
		Link   string // signs in again
	}

	// StartAgain is for a sign-in that can't be finished.
	StartAgain struct{ Link string }

	// Loop says why sessions may not come back, after three that did not.
	Loop struct{ Link string }

	// TooLarge says that a session does not fit into a cookie, and that this is
	// not the person's fault.
	TooLarge struct{}

	// Provider says that the provider does not answer, or not as it should.
	Provider struct{ Link string }

	// Denied says that the provider did not sign the person in.
	Denied struct{ Link string }

	// StepUpUnmet says that a sign-in was not strong or recent enough.
	StepUpUnmet struct {
		Account Account
		Link    string // signs in with another account
	}

	// Blocked says that access is blocked.
	Blocked struct {
		Account Account
		Link    string // signs in with another account
	}

	// CrossSite is for a form that another site has sent.
	CrossSite struct{}

	// NotReady says to try again soon.
	NotReady struct{ Link string }

	// NotDurable says that a change could not be stored, so nothing was changed.
	NotDurable struct{ Link string }

	// Insecure is for a request that came over http.
	Insecure struct{}

	// Unknown is for a path at which there is nothing.
	Unknown struct{}

	// Refused is the answer of a guard.
	Refused struct {
		Problem string // what follows "urn:curfew:" in the type of the problem
		Account Account
		Link    string // signs in with another account
	}
)

// Account is as whom a person is signed in.
type Account struct {
	Name   string // of the person
	SignIn string // title of the sign-in
}

// Choice is one of several sign-ins.
type Choice struct{ Title, Link string }

// Form is a form with one button, sent with POST.
type Form struct {
	Action string
	Fields []Field // hidden
	// Away says that the answer, or Action itself, leads to another origin.
	Away bool
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// view is a page as the template takes it.
type view struct {
	text    string // which texts
	account Account
	choices []Choice
	form    *Form
	get     bool // the form is sent with GET
	scope   bool // the form has the checkbox for one host
	link    string
	newTab  bool
	mends   bool // shows two_step and recovery
	help    bool // shows help
}

func (p Choose) view() view { return view{text: "choose", choices: p.Choices} }
func (p Continue) view() view {
	return view{text: "continue", account: p.Account, form: getForm(p.Link), get: true}
}
func (p NothingSent) view() view { return view{text: "nothing-sent", link: p.Link, newTab: true} }
func (p SignOut) view() view {
	return view{text: "sign-out", account: p.Account, form: &p.Form, scope: true, link: p.Stay}
}

func (p SignedOut) view() view {
	return view{text: "signed-out", account: Account{SignIn: p.SignIn}, form: p.Form, link: p.Link}
}
func (p StartAgain) view() view { return view{text: "start-again", link: p.Link} }
func (p Loop) view() view       { return view{text: "loop", link: p.Link, help: true} }
func (TooLarge) view() view     { return view{text: "too-large", help: true} }
func (p Provider) view() view   { return view{text: "provider", link: p.Link, help: true} }
func (p Denied) view() view     { return view{text: "denied", link: p.Link, mends: true, help: true} }

func (p StepUpUnmet) view() view {
	return view{text: "step-up-unmet", account: p.Account, link: p.Link, mends: true, help: true}
}

func (p Blocked) view() view {
	return view{text: "blocked", account: p.Account, link: p.Link, help: true}
}
func (CrossSite) view() view    { return view{text: "cross-site"} }
func (p NotReady) view() view   { return view{text: "not-ready", link: p.Link} }
func (p NotDurable) view() view { return view{text: "not-durable", link: p.Link} }
func (Insecure) view() view     { return view{text: "insecure"} }
func (Unknown) view() view      { return view{text: "unknown"} }

func (p Refused) view() view {
	v := view{text: p.Problem, account: p.Account, link: p.Link, help: true}
	switch p.Problem {
	case "not-ready", "stale":
		v.text, v.help = "not-ready", false
	case "step-up-unmet", "step-up-required":
		v.mends = true
	default:
		if !Explains(p.Problem) {
			v.text = "refused"
		}
	}
	return v
}

// getForm is a form with GET for a link: a browser replaces the query of such a
// form's action by the fields.
func getForm(link string) *Form {
	u, err := url.Parse(link)
	if err != nil {
		return &Form{}
	}
	f := &Form{Action: u.EscapedPath(), Away: true}
	for _, name := range names(u.Query()) {
		for _, value := range u.Query()[name] {
			f.Fields = append(f.Fields, Field{name, value})
		}
	}
	return f
}
