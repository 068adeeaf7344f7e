package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"curfew.dev/curfew/revocation"
)

func TestParseTarget(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want revocation.Target
		err  string
	}{
		"two members":     {in: `{"iss":"i","sub":"s"}`, want: revocation.Target{Issuer: "i", Subject: "s"}},
		"all members":     {in: `{"iss":"1","sub":"2","client_id":"3","device_id":"4","sid":"5","jti":"6","jkt":"7","x5t_s256":"8","tenant":"9","kid":"0"}`, want: revocation.Target{Issuer: "1", Subject: "2", Client: "3", Device: "4", Session: "5", TokenID: "6", JKT: "7", X5TS256: "8", Tenant: "9", SignedBy: "0"}},
		"white space":     {in: " {\n\"iss\" : \"i\" }\n"},
		"nothing":         {in: ``, err: "it is not a JSON object"},
		"empty object":    {in: `{}`},
		"empty member":    {in: `{"iss":"i","sub":""}`, err: "sub must be a string that is not empty"},
		"null":            {in: `{"iss":"i","sub":null}`, err: "sub must be a string that is not empty"},
		"number":          {in: `{"sub":7}`, err: "sub must be a string that is not empty"},
		"object":          {in: `{"sub":{}}`, err: "sub must be a string that is not empty"},
		"unknown member":  {in: `{"iss":"i","subject":"s"}`, err: `a target has no member "subject"`},
		"another case":    {in: `{"iss":"i","Sub":"s"}`, err: `a target has no member "Sub"`},
		"twice":           {in: `{"sub":"a","sub":"b"}`, err: "sub is there twice"},
		"unfinished":      {in: `{"iss":"i"`, err: "it is not a complete JSON object"},
		"trailing":        {in: `{"iss":"i"}{}`, err: "something comes after the JSON object"},
		"array":           {in: `["iss"]`, err: "it is not a JSON object"},
		"a request":       {in: `{"target":{"iss":"i"}}`, err: `a target has no member "target"`},
		"broken UTF-8":    {in: "{\"sub\":\"\xff\"}", err: "it is not UTF-8"},
		"newline in it":   {in: "{\"sub\":\"a\nb\"}", err: "sub must be"},
		"wildcard is one": {in: `{"iss":"*","sub":"*"}`, want: revocation.Target{Issuer: "*", Subject: "*"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseTarget([]byte(c.in))
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Fatalf("error %v, want %q", err, c.err)
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && got != revocation.Target{}:
				t.Fatalf("an error with a target: %+v", got)
			case c.want != revocation.Target{} && got != c.want:
				t.Fatalf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// FuzzTarget: what is accepted has no member that the target lost, because a
// target with a member less is a wider one.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{`{"iss":"i","sub":"s"}`, `{"sub":"a","sub":""}`, `{"Sub":"a"}`, `{"jkt":"\u0000"}`, `{"iss":"i"} x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parseTarget(in)
		if err != nil {
			return
		}
		var want map[string]string
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if len(got.Members()) != len(want) {
			t.Fatalf("%d members became %d", len(want), len(got.Members()))
		}
		for _, m := range got.Members() {
			if want[m.Name] != m.Value {
				t.Fatalf("%s is %q, want %q", m.Name, m.Value, want[m.Name])
			}
		}
	})
}
