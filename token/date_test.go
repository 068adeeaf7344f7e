package token

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/internal/strictjson"
)

// However an instant is written, it is rounded down to a second, exactly.
func TestDatesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		whole := new(big.Int).Div(exact.Num(), exact.Denom())
		got, ok := date(strictjson.Value(text))
		if want := whole.Cmp(big.NewInt(1<<53)) < 0; ok != want || ok && got != whole.Int64() {
			t.Fatalf("%s is %d %v, want %v %v", text, got, ok, whole, want)
		}
	})
	for _, text := range []string{"-0", "-1", `"1"`, "null", "true", "[1]", "{}", ""} {
		if n, ok := date(strictjson.Value(text)); ok {
			t.Errorf("%s is %d", text, n)
		}
	}
}
