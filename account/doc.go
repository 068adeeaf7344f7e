// Package account knows what the gateway has seen of accounts: which clients,
// sessions and devices presented credentials here.
//
// It informs previews and pages; it never decides. What it holds is bounded
// and may be forgotten, so nothing that must hold may depend on it.
package account
