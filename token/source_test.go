package token

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func withQuery(q string) *http.Request {
	return &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: q}, Header: http.Header{}}
}

func request(method string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, "https://app.example.com/x", nil)
	r.Header = header
	return r
}

func TestExtract(t *testing.T) {
	header, session := Sources(nil), Sources{{Cookie: "session"}}
	both := Sources{{}, {Cookie: "session"}}
	h := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	const ok = Kind(255)
	for _, c := range []struct {
		name    string
		sources Sources
		method  string
		header  http.Header
		want    Kind
	}{
		{"nothing", header, "GET", h(), Missing},
		{"bearer", header, "GET", h("Authorization", "Bearer t"), ok},
		{"scheme in any case", header, "GET", h("Authorization", "bEARER   t "), ok},
		{"basic", header, "GET", h("Authorization", "Basic t"), Missing},
		{"no scheme", header, "GET", h("Authorization", "t"), Missing},
		{"scheme as prefix", header, "GET", h("Authorization", "Bearert t"), Missing},
		{"DPoP", header, "GET", h("Authorization", "dpop t"), Invalid},
		{"no token", header, "GET", h("Authorization", "Bearer"), Invalid},
		{"blank token", header, "GET", h("Authorization", "Bearer  "), Invalid},
		{"repeated", header, "GET", h("Authorization", "Bearer t", "Authorization", "Bearer t"), Ambiguous},
		{"repeated in another scheme", header, "GET", h("Authorization", "Basic x", "Authorization", "Bearer t"), Ambiguous},
		{"comma", header, "GET", h("Authorization", "Bearer t,Bearer u"), Ambiguous},
		{"two tokens", header, "GET", h("Authorization", "Bearer t u"), Ambiguous},
		{"two tokens by tab", header, "GET", h("Authorization", "Bearer t\tu"), Ambiguous},
		{"cookie is no source", header, "GET", h("Cookie", "session=t"), Missing},
		{"cookie", session, "GET", h("Cookie", "a=b; session=t; c"), ok},
		{"cookie on a second line", session, "GET", h("Cookie", "a=b", "Cookie", "session=t"), ok},
		{"cookie in another case", session, "GET", h("Cookie", "Session=t"), Missing},
		{"cookie as suffix", session, "GET", h("Cookie", "xsession=t"), Missing},
		{"empty header", header, "GET", h("Authorization", ""), Missing},
		{"blank header", header, "GET", h("Authorization", " \t"), Missing},
		{"empty headers", header, "GET", h("Authorization", "", "Authorization", ""), Ambiguous},
		{"empty cookie", session, "GET", h("Cookie", "session="), Missing},
		{"blank cookie", session, "GET", h("Cookie", "session= ; a=b"), Missing},
		{"empty cookie in quotes", session, "GET", h("Cookie", `session=""`), Missing},
		{"name of a cookie alone", session, "GET", h("Cookie", "session"), Missing},
		{"empty cookies", session, "GET", h("Cookie", "session=; session="), Ambiguous},
		{"empty cookie line", session, "GET", h("Cookie", ""), Missing},
		{"both empty", both, "GET", h("Authorization", "", "Cookie", "session="), Missing},
		{"empty cookie beside a header", both, "GET", h("Authorization", "Bearer t", "Cookie", "session="), ok},
		{"empty header beside a cookie", both, "GET", h("Authorization", "", "Cookie", "session=t"), ok},
		{"empty cookie beside another", Sources{{Cookie: "a"}, {Cookie: "b"}}, "GET", h("Cookie", "a=; b=t"), ok},
		{"post, empty cookie beside a header", both, "POST", h("Authorization", "Bearer t", "Cookie", "session="), ok},
		{"repeated cookie", session, "GET", h("Cookie", "session=t; session=t"), Ambiguous},
		{"repeated cookie, other line", session, "GET", h("Cookie", "session=t", "Cookie", "session=u"), Ambiguous},
		{"repeated, one empty", session, "GET", h("Cookie", "session=; session=t"), Ambiguous},
		{"header is no source", session, "GET", h("Authorization", "Bearer t"), Missing},
		{"both sources", both, "GET", h("Authorization", "Bearer t", "Cookie", "session=t"), Ambiguous},
		{"first of both", both, "GET", h("Authorization", "Bearer t"), ok},
		{"second of both", both, "GET", h("Cookie", "session=t"), ok},
		{"basic and cookie", both, "GET", h("Authorization", "Basic t", "Cookie", "session=t"), ok},
		{"DPoP and cookie", both, "GET", h("Authorization", "DPoP t", "Cookie", "session=t"), Invalid},
		{"post, foreign cookie beside a header", both, "POST", h("Authorization", "Bearer t", "Cookie", "session=u"), Ambiguous},
		{"post, foreign cookie beside DPoP", both, "POST", h("Authorization", "DPoP t", "Cookie", "session=u"), Invalid},
		{"the same, cookie first", Sources{{Cookie: "session"}, {}}, "POST", h("Authorization", "Bearer t", "Cookie", "session=u"), Ambiguous},
		{"websocket, foreign cookie beside a header", both, "GET", h("Authorization", "Bearer t", "Cookie", "session=u", "Upgrade", "websocket"), Ambiguous},
		{"post, foreign cookie alone", both, "POST", h("Cookie", "session=t"), Missing},
		{"post, one foreign cookie of two", Sources{{Cookie: "a"}, {Cookie: "b"}}, "POST", h("Cookie", "b=t"), Missing},
		{"post, two foreign cookies", Sources{{Cookie: "a"}, {Cookie: "b"}}, "POST", h("Cookie", "a=t; b=u"), Ambiguous},
		{"post with header", header, "POST", h("Authorization", "Bearer t"), ok},
		{"post with cookie", session, "POST", h("Cookie", "session=t"), Missing},
		{"post, our origin", session, "POST", h("Cookie", "session=t", "Origin", "https://app.example.com"), ok},
		{"post, our origin with port", session, "POST", h("Cookie", "session=t", "Origin", "https://APP.example.com:443"), ok},
		{"post, plaintext origin", session, "POST", h("Cookie", "session=t", "Origin", "http://app.example.com"), Missing},
		{"post, other port", session, "POST", h("Cookie", "session=t", "Origin", "https://app.example.com:8443"), Missing},
		{"post, sibling", session, "POST", h("Cookie", "session=t", "Origin", "https://evil.example.com"), Missing},
		{"post, null origin", session, "POST", h("Cookie", "session=t", "Origin", "null"), Missing},
		{"post, two origins", session, "POST", h("Cookie", "session=t", "Origin", "https://app.example.com", "Origin", "https://app.example.com"), Missing},
		{"post, fetch site", session, "POST", h("Cookie", "session=t", "Sec-Fetch-Site", "same-origin"), ok},
		{"post, same-site", session, "POST", h("Cookie", "session=t", "Sec-Fetch-Site", "same-site"), Missing},
		{"post, typed in", session, "POST", h("Cookie", "session=t", "Sec-Fetch-Site", "none"), Missing},
		{"post, origin against fetch site", session, "POST", h("Cookie", "session=t", "Origin", "https://evil.example.com", "Sec-Fetch-Site", "same-origin"), Missing},
		{"websocket with cookie", session, "GET", h("Cookie", "session=t", "Upgrade", "websocket"), Missing},
		{"websocket, our origin", session, "GET", h("Cookie", "session=t", "Upgrade", "websocket", "Origin", "https://app.example.com"), ok},
		{"websocket over HTTP/2", session, "CONNECT", h("Cookie", "session=t"), Missing},
		{"post, cookie missing", session, "POST", h(), Missing},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, _, err := c.sources.Extract(request(c.method, c.header))
			if c.want == ok {
				if err != nil || raw != "t" {
					t.Fatalf("got %q, %v", raw, err)
				}
				return
			}
			wantKind(t, err, c.want)
			if raw != "" {
				t.Errorf("returned %q beside an error", raw)
			}
		})
	}
}

func TestOriginBehindAProxyThatEndsTLS(t *testing.T) {
	r := request("POST", http.Header{"Cookie": {"session=t"}, "Origin": {"https://app.example.com"}})
	for _, state := range []*tls.ConnectionState{nil, {}} {
		r.TLS = state
		if _, _, err := (Sources{{Cookie: "session"}}).Extract(r); err != nil {
			t.Error(err)
		}
	}
}

func TestQueryToken(t *testing.T) {
	for q, want := range map[string]bool{
		"": false, "a=b": false, "access_tokens=x": false, "xaccess_token=x": false, "a=access_token": false,
		"access-token=x": false, "access_toke=x": false, "a=%61ccess_token=x": false,
		"access_token=x": true, "access_token": true, "access_token=": true, "a=b&access_token=x": true, "a=b;access_token=x": true,
		"ACCESS_token=x": true, "%61ccess_token=x": true, "access%5ftoken=x": true, "access%5Ftoken%3dx": true,
		"access_token[]=x": true, "access.token=x": true, "access+token=x": true, "+access_token=x": true, "access%20token=x": true,
		"&&access_token=x": true, "%=&access_token=x": true,
	} {
		if got := QueryToken(withQuery(q)); got != want {
			t.Errorf("%q: got %v", q, got)
		}
	}
}

func TestExtractionDoesNotAllocate(t *testing.T) {
	r := request("GET", http.Header{"Authorization": {"Bearer t"}, "Cookie": {"a=b; session=t"}})
	r.URL.RawQuery = "a=b&access_tokem=c"
	for name, s := range map[string]Sources{"header": nil, "cookie": {{Cookie: "session"}}, "missing": {{Cookie: "none"}}} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = s.Extract(r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { QueryToken(r) }); n != 0 {
		t.Errorf("query: %v allocations", n)
	}
}
