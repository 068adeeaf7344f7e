package demo

import (
	"context"
	"encoding/json"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// api is the admin API of the gateway, as an operator's program calls it.
type api struct {
	*adminclient.Client
	issuer string
}

func (a api) preview(ctx context.Context, user string) (adminclient.Preview, error) {
	answer, err := a.Preview(ctx, a.everywhere(user))
	return answer.Value, err
}

// signOut signs somebody out everywhere. Under one key it does so once.
func (a api) signOut(ctx context.Context, user, key string) (r node.Receipt, replayed bool, err error) {
	answer, err := a.Revoke(ctx, a.everywhere(user), key)
	return answer.Value, answer.Replayed(), err
}

func (a api) everywhere(user string) adminclient.Revocation {
	return adminclient.Revocation{
		Target: revocation.Target{Issuer: a.issuer, Subject: user},
		Motive: adminclient.Motive{Reason: "lost phone"},
	}
}

// body is the request of a sign-out. A preview takes the same.
func (a api) body(user string) string {
	b, _ := json.Marshal(a.everywhere(user)) // strings always marshal
	return string(b)
}
