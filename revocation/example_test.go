package revocation_test

import (
	"errors"
	"fmt"
	"time"

	"curfew.dev/curfew/revocation"
)

// login is a provider as it is configured.
func login() revocation.Issuers {
	return revocation.Issuers{"https://login.example.com": {
		URL: "https://login.example.com", ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 28 * time.Hour,
		ExemptClients: []string{"xbox-console"},
	}}
}

// A draft becomes a record, the record an entry of the ledger, and the index
// finds it for every credential of the target.
func Example() {
	draft := revocation.Draft{
		Type: revocation.Cut, Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice"},
		Author: revocation.Author{Source: "cli", Reason: "lost phone"},
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	record, err := draft.Record(login(), &revocation.Observed{Now: now})
	if err != nil {
		panic(err)
	}
	fmt.Println(record.Mode, time.Unix(record.Through, 0).UTC().Format(time.RFC3339), record.ExemptClients)

	var index revocation.Index
	index.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 7}, Records: []revocation.Record{record}})

	credential := revocation.Credential{
		Issuer: "https://login.example.com", Subject: "alice", Client: "web", AuthTime: now.Add(-time.Hour).Unix(), IssuedAt: now.Unix(),
	}
	credential.Seal()
	var finding revocation.Finding
	index.Find(&credential, &finding)
	fmt.Println(credential.AuthTime <= finding.SignIn.Through, finding.SignIn.Ref.ID(revocation.Cut))
	// Output:
	// sign_in 2026-11-20T10:00:02Z [xbox-console]
	// true rev_1.7.0
}

// A draft that can't become a record names the member at fault and the mend.
func ExampleDraftError() {
	draft := revocation.Draft{
		Type: revocation.Cut, Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice", Device: "pc-7f"},
	}
	_, err := draft.Record(login(), &revocation.Observed{Now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)})
	var refused *revocation.DraftError
	if errors.As(err, &refused) {
		fmt.Println(refused.Fault == revocation.Unenforceable, refused.Member)
		fmt.Println(refused.Detail)
	}
	// Output:
	// true target.device_id
	// the tokens of this issuer carry no device (device_claim is not set); what would be enforceable: {iss, sub}, {iss, sub, client_id} or {iss, sid}
}
