package strictjson

import "testing"

// An access token's claims, as a provider writes them.
const claims = `{"iss":"https://login.example.com","aud":["https://api.example.com","account"],"sub":"5f0f2d3c-8f0a-4b1f-9d3e-6f1d1c0c7a11","client_id":"web","sid":"session-1","jti":"token-1","iat":1795168740,"auth_time":1795168740,"exp":1795172400,"scope":"openid profile email","acr":"mfa","amr":["pwd","otp"],"realm_access":{"roles":["offline_access","uma_authorization","default"]},"name":"Alice \u00c9xample","email_verified":true}`

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(claims, limits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(claims, nil); err != nil {
			b.Fatal(err)
		}
	}
}
