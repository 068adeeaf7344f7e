package login

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/policy"
)

// SignInPath is where a page sends a browser to sign in.
const SignInPath = Prefix + "sign-in"

// Demand is what a sign-in must bring.
type Demand struct {
	// ACR and AMR are groups of which each must be met by any of its values.
	ACR, AMR [][]string
	// ACRValues are asked for, in order of preference; none: those of ACR.
	ACRValues []string
	// Sensitive has step-ups count that name only sensitive routes.
	Sensitive bool
	// MaxAge is how long before the start of the attempt the person may have
	// signed in at the provider; nil: the lifetime of the session.
	MaxAge *time.Duration
	// Ask is the max_age that the provider is asked for, if it is smaller; nil:
	// none. The index judges what comes back.
	Ask *time.Duration
	// Prompt is login or select_account; empty: the provider decides.
	Prompt string
	// Of is the session that is to be stepped up: the subject must not change.
	// Nil: anybody may sign in.
	Of *Session
	// Return is the path and query to return to; empty: those of the request.
	Return string
}

// DemandOf is what a sign-in must bring to satisfy requirements, by which a
// decision has refused a session; of is that session, or nil.
func DemandOf(required *policy.Requirements, d *policy.Decision, of *Session) Demand {
	demand := Demand{
		ACR: required.ACR, AMR: required.AMR, ACRValues: d.Challenge.ACRValues, Sensitive: required.Sensitive, MaxAge: required.MaxAge,
	}
	if d.Challenge.HasMaxAge {
		ask := time.Duration(d.Challenge.MaxAge) * time.Second
		demand.Ask = &ask
	}
	if d.Reason == policy.StepUpRequired {
		demand.Of = of
	}
	return demand
}

// Path is the sign_in member of a problem: [SignInPath] with the demand. A script
// adds return.
func (d *Demand) Path() string {
	q := make(url.Values)
	if values := d.acrValues(); len(values) > 0 {
		q.Set("acr_values", strings.Join(values, " "))
	}
	if age := smaller(d.MaxAge, d.Ask); age != nil {
		q.Set("max_age", strconv.FormatInt(int64(*age/time.Second), 10))
	}
	if d.Prompt != "" {
		q.Set("prompt", d.Prompt)
	}
	if len(q) == 0 {
		return SignInPath
	}
	return SignInPath + "?" + q.Encode()
}

func smaller(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// acrValues are what the provider is asked for: where none is named, the values
// that meet every group or, if none does, all of them.
func (d *Demand) acrValues() []string {
	if len(d.ACRValues) > 0 {
		return d.ACRValues
	}
	var common, all []string
	for _, v := range slices.Concat(d.ACR...) {
		if slices.Contains(all, v) {
			continue
		}
		all = append(all, v)
		if !slices.ContainsFunc(d.ACR, func(group []string) bool { return !slices.Contains(group, v) }) {
			common = append(common, v)
		}
	}
	if common != nil {
		return common
	}
	return all
}
