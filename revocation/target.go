package revocation

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of identifiers, in bytes. A token that carries a longer one is
// refused when it is verified, so every admitted token can be targeted.
const (
	MaxSubject = 255
	MaxID      = 1024
)

// Target names credentials by members that must all match. Only the
// combinations of [Target.Kind] exist.
type Target struct {
	Issuer   string `json:"iss,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Client   string `json:"client_id,omitempty"`
	Device   string `json:"device_id,omitempty"`
	Session  string `json:"sid,omitempty"`
	TokenID  string `json:"jti,omitempty"`
	JKT      string `json:"jkt,omitempty"`
	X5TS256  string `json:"x5t_s256,omitempty"`
	Tenant   string `json:"tenant,omitempty"`
	SignedBy string `json:"kid,omitempty"`
}

// Kind is the combination of members that a target has.
type Kind uint8

// The kinds of target, in the order of the table of the design.
const (
	KindInvalid Kind = iota
	KindSubject
	KindSubjectClient
	KindSubjectDevice
	KindSubjectDeviceClient
	KindSession
	KindToken
	KindProofKey
	KindCertificate
	KindDevice
	KindTenant
	KindClient
	KindIssuer
	KindSigningKey
	// KindEveryone is matched by every credential. Only a genesis record has it.
	KindEveryone

	numKinds
)

const (
	hasIssuer = 1 << iota
	hasSubject
	hasClient
	hasDevice
	hasSession
	hasTokenID
	hasJKT
	hasX5T
	hasTenant
	hasKID
)

// shapes gives each kind the members it consists of; zero where a kind can't
// be named by a target.
var shapes = [numKinds]uint16{
	KindSubject:             hasIssuer | hasSubject,
	KindSubjectClient:       hasIssuer | hasSubject | hasClient,
	KindSubjectDevice:       hasIssuer | hasSubject | hasDevice,
	KindSubjectDeviceClient: hasIssuer | hasSubject | hasDevice | hasClient,
	KindSession:             hasIssuer | hasSession,
	KindToken:               hasIssuer | hasTokenID,
	KindProofKey:            hasJKT,
	KindCertificate:         hasX5T,
	KindDevice:              hasIssuer | hasDevice,
	KindTenant:              hasIssuer | hasTenant,
	KindClient:              hasIssuer | hasClient,
	KindIssuer:              hasIssuer,
	KindSigningKey:          hasIssuer | hasKID,
}

var kindNames = [numKinds]string{
	"invalid", "subject", "subject_client", "subject_device", "subject_device_client", "session", "token",
	"proof_key", "certificate", "device", "tenant", "client", "issuer", "signing_key", "everyone",
}

// String is the kind's name in metrics and events: lower case, bounded.
func (k Kind) String() string {
	if k >= numKinds {
		return kindNames[KindInvalid]
	}
	return kindNames[k]
}

// Kinds lists every kind that a target can name.
func Kinds() []Kind {
	var kinds []Kind
	for k, shape := range shapes {
		if shape != 0 {
			kinds = append(kinds, Kind(k))
		}
	}
	return kinds
}

// ErrTarget is wrapped by every error about a target.
var ErrTarget = errors.New("invalid target")

// Member is one named value of a target or credential.
type Member struct{ Name, Value string }

// Members lists the members that are set, in a fixed order.
func (t Target) Members() []Member {
	all := t.members()
	return slices.DeleteFunc(all[:], func(m Member) bool { return m.Value == "" })
}

// memberNames are in the order of the bits of a shape, of the hash of a key and
// of the tags of the encoding.
var memberNames = [...]string{"iss", "sub", "client_id", "device_id", "sid", "jti", "jkt", "x5t_s256", "tenant", "kid"}

func (t *Target) values() [len(memberNames)]*string {
	return [...]*string{
		&t.Issuer, &t.Subject, &t.Client, &t.Device, &t.Session, &t.TokenID, &t.JKT, &t.X5TS256, &t.Tenant, &t.SignedBy,
	}
}

func (t Target) members() (all [len(memberNames)]Member) {
	for i, value := range t.values() {
		all[i] = Member{memberNames[i], *value}
	}
	return all
}

func (t *Target) shape() uint16 {
	var shape uint16
	for i, value := range t.values() {
		if *value != "" {
			shape |= 1 << i
		}
	}
	return shape
}

// kindOf is shapes the other way round.
var kindOf = func() (kinds [1 << len(memberNames)]Kind) {
	for k, shape := range shapes {
		if shape != 0 {
			kinds[shape] = Kind(k)
		}
	}
	return kinds
}()

// Kind tells which combination of members the target has. The error wraps
// [ErrTarget] and says what may be combined.
func (t Target) Kind() (Kind, error) {
	shape := t.shape()
	if kind := kindOf[shape]; kind != KindInvalid {
		return kind, nil
	}
	if shape == 0 {
		return KindInvalid, fmt.Errorf("%w: it names nobody; the widest target is {\"iss\"}", ErrTarget)
	}
	var names []string
	for _, m := range t.Members() {
		names = append(names, m.Name)
	}
	return KindInvalid, fmt.Errorf("%w: %s can't be combined; %s", ErrTarget, strings.Join(names, " + "), nearest(shape))
}

// nearest names the valid combinations that share the most members with shape.
func nearest(shape uint16) string {
	best, found := -1, []string(nil)
	for _, want := range shapes {
		if want == 0 {
			continue
		}
		score := 2*bits.OnesCount16(want&shape) - bits.OnesCount16(want&^shape)
		if score < best {
			continue
		}
		if score > best {
			best, found = score, nil
		}
		found = append(found, "{"+strings.Join(namesOf(want), ", ")+"}")
	}
	return "the nearest that can be targeted: " + strings.Join(found, " or ")
}

func namesOf(shape uint16) []string {
	var names []string
	for i, name := range memberNames {
		if shape&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Validate checks the combination and each member: non-empty UTF-8 within the
// limits, compared byte for byte and never normalised.
func (t Target) Validate() error {
	if _, err := t.Kind(); err != nil {
		return err
	}
	for i, value := range t.values() {
		limit := MaxID
		if value == &t.Subject {
			limit = MaxSubject
		}
		if len(*value) > limit {
			return fmt.Errorf("%w: %s is %d bytes long, the limit is %d", ErrTarget, memberNames[i], len(*value), limit)
		}
		if !utf8.ValidString(*value) {
			return fmt.Errorf("%w: %s is not UTF-8", ErrTarget, memberNames[i])
		}
	}
	return nil
}

// UserWide reports whether a target of this kind reaches all of a user's
// clients: those cuts pass exempt clients by. A target that names a client, a
// device, a session, a token or a key means it.
func (k Kind) UserWide() bool {
	return k == KindSubject || k == KindTenant || k == KindIssuer
}

// Wide reports whether a target of this kind may hit more than one account.
func (k Kind) Wide() bool {
	switch k {
	case KindDevice, KindTenant, KindClient, KindIssuer, KindSigningKey, KindEveryone:
		return true
	}
	return false
}

// DefaultMode is the mode of a cut whose author named none.
func (k Kind) DefaultMode() Mode {
	switch k {
	case KindToken, KindProofKey, KindCertificate, KindSigningKey:
		return Final
	}
	return SignIn
}
