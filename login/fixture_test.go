package login

import (
	"net/http"
	"time"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
)

// fuzzed is a sign-in without a world around it.
func fuzzed(keys seal.Keys) (Config, Deps) {
	index := new(revocation.Index)
	return Config{
		Name: "staff", ClientID: "curfew-web", Client: outbound.New(providerURL, outbound.Options{}),
		Issuer: &revocation.Issuer{URL: providerURL, ClockSkew: skew, Retention: 90 * 24 * time.Hour},
	}, Deps{
		Keys: func() seal.Keys { return keys }, Find: index.Find, Pages: textPages{}, Now: time.Now,
		Secure: func(*http.Request) bool { return true }, Ready: func(time.Time) bool { return true },
	}
}
