package admin

import (
	"errors"

	"curfew.dev/curfew/internal/httpapi"
)

// Problem is a refusal as RFC 9457 has it.
type Problem = httpapi.Problem

// The kinds of problem that only this API has.
var (
	previewRequired   = httpapi.Kind{Name: "preview-required", Status: 409, Title: "A current preview of this request is required"}
	previewExceeded   = httpapi.Kind{Name: "preview-exceeded", Status: 409, Title: "The request would hit more accounts than it may"}
	inProgress        = httpapi.Kind{Name: "idempotency-in-progress", Status: 409, Title: "A request with this Idempotency-Key is still running", Retry: true}
	positionGone      = httpapi.Kind{Name: "position-gone", Status: 410, Title: "Events can't be resumed from this position"}
	invalidTarget     = httpapi.Kind{Name: "invalid-target", Status: 422, Title: "The target is not one that exists"}
	unknownIssuer     = httpapi.Kind{Name: "unknown-issuer", Status: 422, Title: "The issuer is not configured"}
	unenforceable     = httpapi.Kind{Name: "unenforceable", Status: 422, Title: "The target can't be enforced"}
	invalidMode       = httpapi.Kind{Name: "invalid-mode", Status: 422, Title: "The mode does not fit the target"}
	unknownPolicy     = httpapi.Kind{Name: "unknown-policy", Status: 422, Title: "The policy is not configured"}
	keyReused         = httpapi.Kind{Name: "idempotency-key-reused", Status: 422, Title: "The Idempotency-Key was used for another request"}
	ledgerUnavailable = httpapi.Kind{Name: "ledger-unavailable", Status: 503, Title: "The ledger can't be used now; nothing was changed", Retry: true}
	outcomeUnknown    = httpapi.Kind{Name: "outcome-unknown", Status: 503, Title: "The request may or may not have taken effect", Retry: true}
	ledgerDamaged     = httpapi.Kind{Name: "ledger-damaged", Status: 503, Title: "The ledger failed its integrity checks", Retry: true}
	noMemory          = httpapi.Kind{Name: "no-memory", Status: 507, Title: "The gateway has no memory for more; nothing was changed", Retry: true}
)

func kinds() []httpapi.Kind {
	return []httpapi.Kind{
		previewRequired, previewExceeded, inProgress, positionGone, invalidTarget, unknownIssuer, unenforceable, invalidMode,
		unknownPolicy, keyReused, ledgerUnavailable, outcomeUnknown, ledgerDamaged, noMemory,
	}
}

// ErrStopping is the error of Config.Again when no configuration in force answers
// for the call any more: the gateway is stopping, or has another ledger now.
var ErrStopping = errors.New("the gateway is stopping, or has another configuration")

// refusing is err, and the problem that it means to a caller.
func refusing(err error) error {
	if errors.Is(err, ErrStopping) {
		return ledgerUnavailable.Because("%s: send what is left again, with the same Idempotency-Key", err).RetryAfter(1)
	}
	return err
}
