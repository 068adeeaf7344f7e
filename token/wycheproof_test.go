package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"
)

// stricter are the vectors marked valid that are refused here, by reason.
var stricter = map[string][]int{
	"symmetric algorithms are never enabled":                          {1, 348, 352, 357, 358, 359, 372, 373, 376, 377},
	"a JWT has claims, so its payload is not empty":                   {259, 264, 268, 272, 320, 325},
	"the JWK's alg is another one (PS256 for PS384, ES521 for ES512)": {346, 347, 350, 351},
}

type vectors struct {
	NumberOfTests int
	TestGroups    []struct {
		Comment         string
		Public, Private json.RawMessage
		Tests           []struct {
			TCID    int
			Comment string
			Result  string
			JWS     string
		}
	}
}

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWycheproofSignatures(t *testing.T) {
	var refused []int
	count := 0
	for _, g := range readVectors(t, "json_web_signature_test.json").TestGroups {
		set := fmt.Appendf(nil, `{"keys":[%s]}`, orPrivate(g.Public, g.Private))
		for _, c := range g.Tests {
			count++
			err := checkVector(string(set), c.JWS)
			if c.Result == "invalid" && err == nil {
				t.Errorf("%d %s: admitted", c.TCID, c.Comment)
			}
			if c.Result == "valid" && err != nil {
				refused = append(refused, c.TCID)
			}
		}
	}
	expected := slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(stricter))...)))
	if !slices.Equal(refused, expected) {
		t.Errorf("refused of the valid ones: %v, want %v", refused, expected)
	}
	if count != 401 {
		t.Errorf("there are %d vectors: review the new ones", count)
	}
}

func TestWycheproofKeys(t *testing.T) {
	count := 0
	for _, g := range readVectors(t, "json_web_key_test.json").TestGroups {
		set := orPrivate(g.Public, g.Private)
		symmetric := bytes.Contains(set, []byte(`"oct"`))
		for _, c := range g.Tests {
			count++
			err := checkVector(string(set), c.JWS)
			want := c.Result == "valid" && !symmetric // symmetric keys are never used
			if want != (err == nil) {
				t.Errorf("%d %s: %v, the vector is %s", c.TCID, c.Comment, err, c.Result)
			}
		}
	}
	if count != 26 {
		t.Errorf("there are %d vectors: review the new ones", count)
	}
}

func orPrivate(public, private json.RawMessage) json.RawMessage {
	if public != nil {
		return public
	}
	return private
}

// checkVector takes the way of a token as far as the claims.
func checkVector(set, raw string) error {
	ring, err := parseKeyring(set)
	if err != nil {
		return err
	}
	c, err := parseCompact(raw)
	if err != nil {
		return err
	}
	if !slices.Contains(algorithms, c.header.alg) {
		return invalid("alg")
	}
	k := ring.find(c.header.kid, c.header.alg)
	if k == nil {
		return invalid("key")
	}
	if !k.verify(c.header.alg, c.signed(), []byte(c.signature)) {
		return errSignature
	}
	return nil
}
