package authorization

import (
	"errors"
	"strings"
	"testing"
)

func TestBearer(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		token  string
		want   error
	}{
		{"one", []string{"Bearer t"}, "t", nil},
		{"in any case, with more space", []string{"\tbEARER  \t t "}, "t", nil},
		{"any visible character", []string{"Bearer a,b=\"c\";~"}, "a,b=\"c\";~", nil},
		{"no header", nil, "", ErrNone},
		{"empty", []string{""}, "", ErrNone},
		{"blank", []string{" \t "}, "", ErrNone},
		{"basic", []string{"Basic dDp0"}, "", ErrScheme},
		{"no scheme", []string{"token"}, "", ErrScheme},
		{"scheme as prefix", []string{"Bearert token"}, "", ErrScheme},
		{"DPoP", []string{"dpop token"}, "", ErrDPoP},
		{"DPoP alone", []string{"DPoP"}, "", ErrDPoP},
		{"no token", []string{"Bearer"}, "", ErrEmpty},
		{"blank token", []string{"Bearer \t"}, "", ErrEmpty},
		{"two tokens", []string{"Bearer t u"}, "", ErrSeveral},
		{"two tokens by tab", []string{"Bearer t\tu"}, "", ErrSeveral},
		{"two headers", []string{"Bearer t", "Bearer t"}, "", ErrRepeated},
		{"two empty headers", []string{"", ""}, "", ErrRepeated},
		{"one of each scheme", []string{"Basic x", "Bearer t"}, "", ErrRepeated},
	} {
		token, err := Bearer(c.values)
		if token != c.token || !errors.Is(err, c.want) {
			t.Errorf("%s: got %q, %v", c.name, token, err)
		}
	}
}

func TestTheDPoPSchemeIsToldFromBearer(t *testing.T) {
	for _, c := range []struct {
		values []string
		token  string
		dpop   bool
		want   error
	}{
		{[]string{"Bearer t"}, "t", false, nil},
		{[]string{"dpop\tt "}, "t", true, nil},
		{[]string{"DPoP"}, "", true, ErrEmpty},
		{[]string{"DPoP t u"}, "", true, ErrSeveral},
		{[]string{"DPoPt u"}, "", false, ErrScheme},
		{[]string{" "}, "", false, ErrNone},
		{nil, "", false, ErrNone},
		{[]string{"DPoP t", "Bearer t"}, "", false, ErrRepeated},
	} {
		token, dpop, err := Token(c.values)
		if token != c.token || dpop != c.dpop || !errors.Is(err, c.want) {
			t.Errorf("%q: got %q, %v, %v", c.values, token, dpop, err)
		}
	}
}

// FuzzBearer: no panic, no white space in a token, and nothing of a header in an
// error.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer t", "bearer\tt ", "DPoP t", "Bearer t u", " ", "Bearer\u00a0t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := Bearer([]string{value})
		switch {
		case (token == "") != (err != nil), strings.ContainsAny(token, " \t"), !strings.HasSuffix(strings.TrimRight(value, " \t"), token):
			t.Fatalf("%q: got %q, %v", value, token, err)
		case err == nil:
			if again, err := Bearer([]string{"Bearer " + token}); err != nil || again != token {
				t.Fatalf("%q reads back as %q, %v", token, again, err)
			}
		}
		if _, err := Bearer([]string{value, value}); !errors.Is(err, ErrRepeated) {
			t.Fatalf("got %v", err)
		}
	})
}
