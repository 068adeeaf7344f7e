package login

import (
	"encoding/json"
	"errors"
	"time"
)

// state is what the callback has to know of the beginning. It travels sealed
// through the provider, so nothing has to be remembered and nothing evicted. The
// name of the sign-in is bound to it.
type state struct {
	ID      string `json:"i"`
	Host    string `json:"h"`
	Secure  bool   `json:"s,omitempty"`
	Attempt string `json:"a"` // digest of the browser's key
	Nonce   string `json:"n"`
	Return  string `json:"r"`
	Begun   int64  `json:"t"`           // Unix milliseconds
	Again   bool   `json:"g,omitempty"` // it is the second try

	ACR       [][]string `json:"c,omitempty"`
	AMR       [][]string `json:"m,omitempty"`
	Sensitive bool       `json:"e,omitempty"`
	MaxAge    *int64     `json:"x,omitempty"` // demanded, in seconds
	Fresh     bool       `json:"f,omitempty"` // what is demanded needs a time of sign-in
	Subject   string     `json:"u,omitempty"` // digest of the subject that must come back
}

// start is when the attempt began, in Unix seconds.
func (st *state) start() int64 { return time.UnixMilli(st.Begun).Unix() }

// maxStateAge is how long a person may take to sign in.
const maxStateAge = int64(attemptAge / time.Second)

var errState = errors.New("the state is not one of this sign-in")

func (s *SignIn) sealState(st *state, now time.Time) (string, error) {
	text, err := json.Marshal(st)
	if err != nil {
		panic(err) // strings and numbers
	}
	return s.all.keys.at(now).Seal(forState, text, bind(s.config.Name))
}

// openState opens a state of this sign-in that is not too old.
func (s *SignIn) openState(sealed string, now time.Time) (*state, error) {
	text, err := s.all.keys.at(now).Open(forState, sealed, bind(s.config.Name))
	if err != nil {
		return nil, errState
	}
	st := new(state)
	if err := json.Unmarshal(text, st); err != nil {
		return nil, errState
	}
	// Another node's clock may be ahead.
	if ago := now.Unix() - st.start(); ago > maxStateAge || ago < -maxStateAge {
		return nil, errState
	}
	return st, nil
}

// subjectDigest names a person in a state.
func subjectDigest(issuer, subject string) string { return digest6(string(bind(issuer, subject))) }
