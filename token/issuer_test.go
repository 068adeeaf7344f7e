package token

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"curfew.dev/curfew/revocation"
)

func TestIssuerValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Issuer)
		want   string // in the message; empty: valid
	}{
		"good":                {func(*Issuer) {}, ""},
		"path":                {func(i *Issuer) { i.URL = "https://x.example.com/realms/a/" }, ""},
		"loopback name":       {func(i *Issuer) { i.URL = "http://localhost:8080" }, ""},
		"loopback address":    {func(i *Issuer) { i.URL = "http://127.0.0.1:8080" }, ""},
		"loopback IPv6":       {func(i *Issuer) { i.URL = "http://[::1]:8080" }, ""},
		"plaintext":           {func(i *Issuer) { i.URL = "http://login.example.com" }, "use https"},
		"like localhost":      {func(i *Issuer) { i.URL = "http://localhost.example.com" }, "use https"},
		"other scheme":        {func(i *Issuer) { i.URL = "ftp://x" }, "use https"},
		"empty":               {func(i *Issuer) { i.URL = "" }, "not an absolute URL"},
		"no scheme":           {func(i *Issuer) { i.URL = "login.example.com" }, "not an absolute URL"},
		"query":               {func(i *Issuer) { i.URL += "?a=b" }, "query"},
		"empty query":         {func(i *Issuer) { i.URL += "?" }, "query"},
		"fragment":            {func(i *Issuer) { i.URL += "#" }, "query or fragment"},
		"tenant":              {func(i *Issuer) { i.URL = "https://login.example.com/{tenantid}/v2.0" }, "name the issuer of each tenant"},
		"tenant as host":      {func(i *Issuer) { i.URL = "https://{tenant}.example.com" }, "name the issuer of each tenant"},
		"password":            {func(i *Issuer) { i.URL = "https://u:secret@x" }, "remove them"},
		"long":                {func(i *Issuer) { i.URL += strings.Repeat("x", 2000) }, "limit"},
		"no audience":         {func(i *Issuer) { i.Audiences = nil }, "`audience`"},
		"empty audience":      {func(i *Issuer) { i.Audiences = []string{""} }, "empty"},
		"none":                {func(i *Issuer) { i.Algorithms = []string{"none"} }, "asymmetric"},
		"HS256":               {func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }, "asymmetric"},
		"lower case":          {func(i *Issuer) { i.Algorithms = []string{"rs256"} }, "asymmetric"},
		"id token, no client": {func(i *Issuer) { i.Accept = []Accept{IDToken} }, "`client`"},
		"negative skew":       {func(i *Issuer) { i.ClockSkew = -1 }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			i := Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}
			c.change(&i)
			err := i.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the message tells the password")
			}
		})
	}
}

func TestWeakEd25519(t *testing.T) {
	for name, c := range map[string]struct {
		encoding string
		weak     bool
	}{
		"base point":    {"5866666666666666666666666666666666666666666666666666666666666666", false},
		"identity":      {"0100000000000000000000000000000000000000000000000000000000000000", true},
		"order 2":       {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true},
		"order 4":       {"0000000000000000000000000000000000000000000000000000000000000000", true},
		"order 8":       {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", true},
		"not canonical": {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true},
		"not a point":   {"0200000000000000000000000000000000000000000000000000000000000000", true},
	} {
		b, err := hex.DecodeString(c.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if got := weakEd25519(ed25519.PublicKey(b)); got != c.weak {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A modulus is flagged only if it is a power of 65537 modulo every prime.
func TestROCA(t *testing.T) {
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123), nil)
	if !roca(n) {
		t.Error("a power of 65537 is not flagged")
	}
	if roca(n.Add(n, big.NewInt(2))) {
		t.Error("its neighbour is flagged")
	}
}
