package token

import (
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"

	"filippo.io/edwards25519"
)

const (
	minRSABits = 2048
	maxRSABits = 8192 // a larger key only makes the gateway work
)

// weakRSA reports keys that can be factored, are said to be too short, or cost
// too much to use.
func weakRSA(k *rsa.PublicKey) bool {
	bits := k.N.BitLen()
	return bits < minRSABits || bits > maxRSABits || k.E < 3 || k.E%2 == 0 || k.N.Bit(0) == 0 || roca(k.N)
}

// rocaPrimes are the small primes by which CVE-2017-15361 shows.
var rocaPrimes = [...]int64{
	11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
}

// roca reports whether a modulus has the fingerprint of the flawed Infineon
// library (CVE-2017-15361): its factors were made as k*M + 65537^a mod M, so
// modulo every small prime the modulus is a power of 65537. A sound modulus
// looks so by chance once in two hundred million.
func roca(n *big.Int) bool {
	var residue big.Int
	for _, p := range rocaPrimes {
		if !isPowerOf65537(residue.Mod(n, big.NewInt(p)).Int64(), p) {
			return false
		}
	}
	return true
}

func isPowerOf65537(r, p int64) bool {
	for power := int64(1); ; {
		if power == r {
			return true
		}
		if power = power * 65537 % p; power == 1 {
			return false
		}
	}
}

// weakEd25519 reports points of small order, for which signatures exist that
// verify for any message, and encodings that are not canonical.
func weakEd25519(k ed25519.PublicKey) bool {
	p, err := new(edwards25519.Point).SetBytes(k)
	if err != nil || string(p.Bytes()) != string(k) {
		return true
	}
	return new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1
}
