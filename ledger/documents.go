package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of documents, besides [ErrNotFound], [ErrUnavailable], [ErrReadOnly]
// and [ErrOutcomeUnknown].
var (
	// ErrConflict: the document is at another revision than the caller expects.
	// Nothing was written. Load it and decide again.
	ErrConflict = errors.New("the document is at another revision")
	// ErrTooLarge: the document has more than [MaxDocument] bytes, or the item
	// more than [MaxItem].
	ErrTooLarge = errors.New("too large")
	// ErrKey: the key is not one that [KeyOf] and [Key.Below] make.
	ErrKey = errors.New("malformed key")
	// ErrNoDocuments: this ledger keeps no documents, and asking again does not
	// help before an operator has changed something. The error says what.
	ErrNoDocuments = errors.New("the ledger keeps no documents")
)

// Limits of documents and lists.
const (
	// MaxDocument is the largest document in bytes.
	MaxDocument = 64 << 10
	// MaxItem is the largest item of a list in bytes.
	MaxItem = 4 << 10
	// MaxItems is how many items a list keeps. The oldest goes first.
	MaxItems = 200
	// MaxItemAge is how long a list keeps an item.
	MaxItemAge = 30 * 24 * time.Hour
	// MaxCollection is how many bytes the documents of a collection, or all
	// lists together, may take: strangers that sign in can't fill the disk of
	// the log.
	MaxCollection = 1 << 30
)

// Collection is a kind of document. Keys of different collections have nothing
// to do with one another.
type Collection uint8

// The collections.
const (
	// Accounts has what was seen of an account.
	Accounts Collection = iota
	// Sessions has sealed browser sessions.
	Sessions
)

// Collections are all of them.
var Collections = [...]Collection{Accounts, Sessions}

// String is the name of the collection in files and streams.
func (c Collection) String() string { return [...]string{"accounts", "sessions"}[c] }

// digestDigits is the length of a digest in a key.
const digestDigits = 2 * sha256.Size

// maxDigests is how many digests a key may have.
const maxDigests = 4

// Key names a document or a list: 1 to 4 SHA-256 digests in lower-case
// hexadecimal digits, with dots between them. So a name that a stranger chose
// is never part of a file or of a subject.
type Key string

// KeyOf makes the key of some names, such as issuer and subject. Their order
// counts.
func KeyOf(names ...string) Key {
	h := sha256.New()
	for _, name := range names {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
		h.Write([]byte(name))
	}
	return Key(hex.EncodeToString(h.Sum(nil)))
}

// Below makes a key that [Documents.List] finds below k.
func (k Key) Below(names ...string) Key { return k + "." + KeyOf(names...) }

// Validate returns an error that wraps [ErrKey] for anything but a key.
func (k Key) Validate() error {
	digests := strings.SplitN(string(k), ".", maxDigests+1)
	if len(digests) > maxDigests {
		return fmt.Errorf("%w: more than %d digests", ErrKey, maxDigests)
	}
	for _, digest := range digests {
		if len(digest) != digestDigits || strings.Trim(digest, "0123456789abcdef") != "" {
			return fmt.Errorf("%w: want digests of %d hexadecimal digits with dots between them", ErrKey, digestDigits)
		}
	}
	return nil
}

// Document is a document at one revision.
type Document struct {
	Key Key
	// Revision is above 0 and changes with every write. A document that was
	// deleted and stored again has another one than before.
	Revision uint64
	Value    []byte
}

// Item is an entry of a list.
type Item struct {
	// Sequence grows within a list.
	Sequence uint64
	Value    []byte
}

// Documents keeps documents and lists beside the log of a [Ledger], for
// everything that informs and counts but never decides alone. They may be lost,
// or older than the log, and the log must be right without them (decision 0026).
//
// All methods may be called concurrently. Every later read finds a document that a
// write has acknowledged. Every method may return an error that wraps [ErrUnavailable],
// [ErrNoDocuments] or, for a malformed key, [ErrKey].
type Documents interface {
	// Load returns a document, or [ErrNotFound].
	Load(ctx context.Context, c Collection, key Key) (Document, error)
	// Store writes a document that is at the revision expected, 0 for one that
	// must not exist, and returns the new revision. Other errors wrap
	// [ErrConflict], [ErrTooLarge], [ErrReadOnly] or [ErrOutcomeUnknown]. After
	// the last of them, load the document to see what became of it.
	Store(ctx context.Context, c Collection, key Key, value []byte, expected uint64) (revision uint64, err error)
	// Delete removes a document that is at the revision expected. The errors are
	// those of Store; a document that does not exist is [ErrConflict].
	Delete(ctx context.Context, c Collection, key Key, expected uint64) error
	// List calls yield for each document below a key, or for all where that is
	// empty, in the order of their keys, and ends with yield's error. A document
	// that is written meanwhile may be found as it was or as it is.
	List(ctx context.Context, c Collection, below Key, yield func(Document) error) error
	// Append adds an item to a list. The oldest items go where there are more
	// than [MaxItems] or where all lists take too much space, and items older
	// than [MaxItemAge] go. An Append that is repeated after
	// [ErrOutcomeUnknown] may add the item twice.
	Append(ctx context.Context, key Key, item []byte) error
	// Newest returns at most limit items of a list with a sequence below before,
	// or from the newest on where before is 0, newest first. A list that has none is no
	// error.
	Newest(ctx context.Context, key Key, before uint64, limit int) ([]Item, error)
	// Forget removes all items of a list.
	Forget(ctx context.Context, key Key) error
}

// DocumentKeeper is a [Ledger] that can keep documents.
type DocumentKeeper interface {
	// Documents returns the documents of the ledger, which end with it. It may
	// wait, at most until ctx ends, for a cluster to be reached the first time.
	// The error wraps [ErrNoDocuments] or [ErrUnavailable].
	Documents(ctx context.Context) (Documents, error)
}

// CheckDocument returns why a document can't be stored, nil where it can.
func CheckDocument(key Key, value []byte) error {
	return checkSize(key, value, MaxDocument)
}

// CheckItem returns why an item can't be appended to a list, nil where it can.
func CheckItem(key Key, item []byte) error {
	return checkSize(key, item, MaxItem)
}

func checkSize(key Key, value []byte, most int) error {
	if err := key.Validate(); err != nil {
		return err
	}
	if len(value) > most {
		return fmt.Errorf("%w: %d bytes; the most is %d", ErrTooLarge, len(value), most)
	}
	return nil
}
