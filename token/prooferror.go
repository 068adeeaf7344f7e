package token

// ProofFault is a reason why the sender of a bound token did not show its key.
type ProofFault uint8

// The faults, with the error of their challenge.
const (
	// NoProof is invalid_dpop_proof: there is no DPoP header.
	NoProof ProofFault = iota
	// BadProof is invalid_dpop_proof: it is not a proof for this request.
	BadProof
	// Untimely is invalid_dpop_proof: the proof is too old, or from the future.
	Untimely
	// Replayed is invalid_dpop_proof: the proof was used before, or may have been.
	Replayed
	// NonceWanted is use_dpop_nonce: the proof has no nonce, or one of another time.
	NonceWanted
	// WrongKey is invalid_token: the proof is by another key than the token's.
	WrongKey
	// NotBound is invalid_token: the DPoP scheme with a token that is not bound.
	NotBound
	// Downgraded is invalid_token: a token that is bound to a DPoP key, and another
	// scheme or a cookie.
	Downgraded
	// WrongCertificate is invalid_token: no client certificate, or another one.
	WrongCertificate

	numProofFaults
)

var proofFaultNames = [numProofFaults]string{
	"missing", "invalid", "untimely", "replayed", "nonce", "wrong_key", "not_bound", "downgraded", "wrong_certificate",
}

// String is the fault's name in metrics.
func (f ProofFault) String() string { return proofFaultNames[f] }

// ProofFaults lists every fault.
func ProofFaults() []ProofFault {
	all := make([]ProofFault, numProofFaults)
	for i := range all {
		all[i] = ProofFault(i)
	}
	return all
}

// Code is the error of the challenge (RFC 9449, 7.1 and 9).
func (f ProofFault) Code() string {
	switch f {
	case NoProof, BadProof, Untimely, Replayed:
		return "invalid_dpop_proof"
	case NonceWanted:
		return "use_dpop_nonce"
	}
	return "invalid_token"
}

// ProofError is why a proof was refused. Detail is for logs: one of a fixed set of
// sentences, with nothing of the proof in it.
type ProofError struct {
	Fault  ProofFault
	Detail string
}

func (e *ProofError) Error() string { return "proof of possession: " + e.Detail }
