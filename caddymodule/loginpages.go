package caddymodule

import (
	"net/http"

	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/login"
)

// loginPages shows the pages of browser sign-in with the look of the
// configuration.
type loginPages struct{ set *pages.Set }

// Write implements [login.Pages].
func (l loginPages) Write(w http.ResponseWriter, r *http.Request, p *login.Page) {
	l.set.Render(w, r, p.Status, pageOf(p))
}

// pageOf is a page of package login in the terms of package pages.
func pageOf(p *login.Page) pages.Page {
	who := pages.Account{Name: p.Name, SignIn: p.SignIn}
	switch p.Kind {
	case login.PageChoose:
		var choices []pages.Choice
		for _, c := range p.Choices {
			choices = append(choices, pages.Choice(c))
		}
		return pages.Choose{Choices: choices}
	case login.PageContinue:
		return pages.Continue{Account: who, Link: p.Link}
	case login.PageNothingSent:
		return pages.NothingSent{Link: p.Link}
	case login.PageSignOut:
		page := pages.SignOut{Account: who, Stay: p.Link}
		if form := formOf(p.Form); form != nil {
			page.Form = *form
		}
		return page
	case login.PageSignedOut:
		return pages.SignedOut{SignIn: p.SignIn, Form: formOf(p.Form), Link: p.Link}
	case login.PageStartAgain:
		return pages.StartAgain{Link: p.Link}
	case login.PageLoop:
		return pages.Loop{Link: p.Link}
	case login.PageTooLarge:
		return pages.TooLarge{}
	case login.PageProvider:
		return pages.Provider{Link: p.Link}
	case login.PageDenied:
		return pages.Denied{Link: p.Link}
	case login.PageStepUpUnmet:
		return pages.StepUpUnmet{Account: who, Link: p.Link}
	case login.PageBlocked:
		return pages.Blocked{Account: who, Link: p.Link}
	case login.PageCrossSite:
		return pages.CrossSite{}
	case login.PageNotReady:
		return pages.NotReady{Link: p.Link}
	case login.PageNotDurable:
		return pages.NotDurable{Link: p.Link}
	case login.PageInsecure:
		return pages.Insecure{}
	}
	return pages.Unknown{}
}

func formOf(f *login.Form) *pages.Form {
	if f == nil {
		return nil
	}
	form := &pages.Form{Action: f.Action, Away: f.Away}
	for _, field := range f.Fields {
		form.Fields = append(form.Fields, pages.Field(field))
	}
	return form
}

// Interface guard
var _ login.Pages = loginPages{}
