package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

const version = "1"

// ErrSealed is returned for text that none of the keys has sealed for this
// purpose and these facts.
var ErrSealed = errors.New("it was not sealed here, or for something else")

// ErrUnknownKey wraps [ErrSealed]: the text has the form of sealed text, with
// another version or the id of a key that is not among these. It may have been
// sealed by another node while keys change.
var ErrUnknownKey = fmt.Errorf("%w: its version or key is not known here", ErrSealed)

// Key seals and opens. It is safe for concurrent use.
type Key struct {
	id     string
	secret []byte
	aeads  sync.Map // of purposes
}

// NewKey makes a key of its bytes.
func NewKey(secret []byte) (*Key, error) {
	if len(secret) != KeySize {
		return nil, fmt.Errorf("a key has %d bytes, this one has %d", KeySize, len(secret))
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "curfew sealing key id", 6)
	if err != nil {
		return nil, fmt.Errorf("naming a key: %w", err)
	}
	return &Key{id: base64.RawURLEncoding.EncodeToString(id), secret: append([]byte{}, secret...)}, nil
}

// RandomKey makes a key that nobody else has.
func RandomKey() *Key {
	secret := make([]byte, KeySize)
	_, _ = rand.Read(secret) // never fails, says crypto/rand
	k, err := NewKey(secret)
	if err != nil {
		panic(err) // the size is right
	}
	return k
}

// ID names the key and tells nothing of it.
func (k *Key) ID() string { return k.id }

// aead is the cipher of a purpose.
func (k *Key) aead(purpose string) (cipher.AEAD, error) {
	if known, ok := k.aeads.Load(purpose); ok {
		return known.(cipher.AEAD), nil
	}
	derived, err := hkdf.Key(sha256.New, k.secret, nil, "curfew seal "+version+" "+purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	made, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	k.aeads.Store(purpose, made)
	return made, nil
}

// Keys are the keys of a gateway: the first one seals, all open.
type Keys []*Key

// Seal makes text of plaintext. It opens for the same purpose and facts only;
// facts are not in the text. There must be a key. Purposes are constants of the
// program: each is remembered.
func (ks Keys) Seal(purpose string, plaintext, facts []byte) (string, error) {
	if len(ks) == 0 {
		return "", errors.New("sealing: there is no key")
	}
	k := ks[0]
	aead, err := k.aead(purpose)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plaintext)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails, says crypto/rand
	header := version + "." + k.id + "."
	return header + base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plaintext, bound(header, facts))), nil
}

// KeyID is the id of the key that a text says it was sealed with; empty if it has
// not the form of sealed text. It does not allocate.
func KeyID(text string) string {
	_, rest, _ := strings.Cut(text, ".")
	id, _, ok := strings.Cut(rest, ".")
	if !ok {
		return ""
	}
	return id
}

// Has reports whether a key of this id is among the keys.
func (ks Keys) Has(id string) bool {
	return slices.ContainsFunc(ks, func(k *Key) bool { return k.id == id })
}

// Open gives the plaintext back, or an error that wraps [ErrSealed].
func (ks Keys) Open(purpose, text string, facts []byte) ([]byte, error) {
	v, rest, _ := strings.Cut(text, ".")
	id, encoded, ok := strings.Cut(rest, ".")
	switch {
	case !ok || v == "" || id == "":
		return nil, ErrSealed
	case v != version || !ks.Has(id):
		return nil, ErrUnknownKey
	}
	for _, k := range ks {
		if k.id != id {
			continue
		}
		aead, err := k.aead(purpose)
		if err != nil {
			return nil, err
		}
		sealed, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
		if err != nil || len(sealed) < aead.NonceSize()+aead.Overhead() || strings.ContainsAny(encoded, "\r\n") {
			return nil, ErrSealed
		}
		plaintext, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], bound(text[:len(text)-len(encoded)], facts))
		if err != nil {
			return nil, ErrSealed
		}
		return plaintext, nil
	}
	return nil, ErrSealed
}

// bound is what a sealed text holds to beside its plaintext. The header has a
// form in which the second dot ends it.
func bound(header string, facts []byte) []byte { return append([]byte(header), facts...) }
