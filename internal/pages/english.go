package pages

var english = catalog{
	tag: "en",
	as:  "You are signed in as %s.",
	at:  "You are signed in as %s (%s).",
	words: words{
		ThisSiteOnly: "Sign out of this site only",
		TwoStep:      "Set up two-step verification",
		Recovery:     "Recover your account",
		Help:         "Help",
		NewTab:       "(opens a new tab)",
	},
	texts: map[string]text{
		"choose": {
			Heading: "Choose how to sign in",
		},
		"continue": {
			Heading: "Sign in again?",
			Body:    []string{"Another site asks you to sign in again here. If you did not expect this, close this page: nothing happens."},
			Button:  "Continue to sign in",
		},
		"nothing-sent": {
			Heading: "Nothing was sent",
			Body: []string{
				"Your session is over, so what you wrote was not sent. It is still on the page before this one.",
				"Sign in in a new tab. Then come back to this tab, press the back button of your browser, and send it again.",
			},
			Next: "Sign in",
		},
		"sign-out": {
			Heading: "Sign out of this browser?",
			Body:    []string{"This ends your session on every site that shares this sign-in, and everything that is open there."},
			Button:  "Sign out",
			Next:    "Stay signed in",
		},
		"signed-out": {
			Heading: "You are signed out",
			Body:    []string{"Your session in this browser is over."},
			Button:  "Sign out at the sign-in service too",
			Next:    "Sign in again",
		},
		"start-again": {
			Heading: "This sign-in can't be finished",
			Body:    []string{"It took too long, was finished before, or began in another browser. Or your browser blocks cookies of this site: allow them."},
			Next:    "Start again",
		},
		"loop": {
			Heading: "Your session does not come back",
			Body:    []string{"You signed in three times, and each time this site did not get your session back. Possible causes:"},
			List: []string{
				"Your browser blocks cookies of this site: allow them, or leave private browsing.",
				"An extension or a proxy takes cookies away: try without it.",
				"The clock of this device is wrong: set it.",
				"The servers of this site don't have the same sealing key: tell those who run it.",
			},
			Next: "Try again",
		},
		"too-large": {
			Heading: "Your session is too large",
			Body:    []string{"The sign-in service says more about you than fits into a cookie. This is not your fault, and trying again does not help. Please tell those who run this service."},
		},
		"provider": {
			Heading: "The sign-in service does not answer",
			Body:    []string{"It does not answer as it should. Please try again in a moment."},
			Next:    "Try again",
		},
		"denied": {
			Heading: "You were not signed in",
			Body:    []string{"The sign-in service did not sign you in, or you cancelled."},
			Next:    "Start again",
		},
		"step-up-unmet": {
			Heading: "This needs a stronger sign-in",
			Body:    []string{"You signed in, but not with what this page asks for, such as two-step verification or a sign-in just now. Your session is unchanged."},
			Next:    "Use another account",
		},
		"blocked": {
			Heading: "Access is blocked",
			Body:    []string{"If you think that this is a mistake, contact those who run this service."},
			Next:    "Use another account",
		},
		"cross-site": {
			Heading: "Nothing was done",
			Body:    []string{"Another site has sent this form. Open the page on this site and send it from there."},
		},
		"not-ready": {
			Heading: "This service is not ready yet",
			Body:    []string{"Please try again in a moment."},
			Next:    "Try again",
		},
		"not-durable": {
			Heading: "Nothing was changed",
			Body:    []string{"The change could not be stored. Please try again in a moment."},
			Next:    "Try again",
		},
		"insecure": {
			Heading: "Signing in needs https",
			Body:    []string{"Open this page with an address that begins with https://."},
		},
		"unknown": {
			Heading: "There is nothing here",
			Body:    []string{"Check the address."},
		},

		"refused": {
			Heading: "You have no access to this page",
			Next:    "Use another account",
		},
		"no-credential": {
			Heading: "You are not signed in",
			Body:    []string{"Go back to the application and sign in."},
			Next:    "Use another account",
		},
		"ambiguous-credential": {
			Heading: "This request can't be accepted",
			Body:    []string{"The application you use sent its credential in a way that is not accepted."},
			Next:    "Use another account",
		},
		"invalid-token": {
			Heading: "Your sign-in is not valid here",
			Body:    []string{"Go back to the application and sign in again."},
			Next:    "Use another account",
		},
		"revoked": {
			Heading: "Your sign-in was revoked",
			Body:    []string{"Go back to the application and sign in again."},
			Next:    "Use another account",
		},
		"step-up-required": {
			Heading: "This needs a stronger or more recent sign-in",
			Body:    []string{"Go back to the application and sign in again."},
			Next:    "Use another account",
		},
		"insufficient-scope": {
			Heading: "You have no access to this page",
			Body:    []string{"The application you use was not given permission for this."},
			Next:    "Use another account",
		},
		"claim-missing": {
			Heading: "You have no access to this page",
			Body:    []string{"Your account lacks what this page asks for, such as membership of a group."},
			Next:    "Use another account",
		},
	},
}
