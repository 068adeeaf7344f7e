package adminclient_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"curfew.dev/curfew/admin/admintest"
	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/revocation"
)

// A help desk signs a user out everywhere.
func Example() {
	dir, err := os.MkdirTemp("", "curfew-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	gateway, err := admintest.Start(dir) // yours is at a URL
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()

	client := &adminclient.Client{
		URL:    gateway.URL,
		Secret: func() (string, error) { return admintest.Secret, nil }, // or adminclient.SecretFile
	}
	receipt, err := client.Revoke(context.Background(), adminclient.Revocation{
		Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice"},
		Motive: adminclient.Motive{Reason: "lost phone"},
	}, "ticket-4711")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Value.Mode, receipt.Value.Enforcement.State, receipt.Value.ExemptClients)

	_, err = client.Revoke(context.Background(), adminclient.Revocation{
		Target: revocation.Target{Issuer: "https://login.example.org", Subject: "alice"},
	}, "")
	var refusal *adminclient.Problem
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Type)
	}
	// Output:
	// sign_in enforced [xbox-console]
	// 422 urn:curfew:unknown-issuer
}
