// Package seal turns bytes into text that only holders of the same key can make
// or open. A caller that carries the text learns nothing from it and can change
// nothing in it. So a gateway need not remember: its callers carry the text to every
// node that has the key.
//
// The form is <version>.<key id>.<base64url of nonce and ciphertext>. The cipher
// is XChaCha20-Poly1305 with a random nonce of 192 bits under a key of the
// purpose, which HKDF-SHA-256 derives (RFC 5869): text that was sealed for one
// purpose opens for no other.
//
// Read seal.go, then file.go.
package seal
