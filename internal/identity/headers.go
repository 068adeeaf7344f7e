package identity

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"

	"golang.org/x/net/http/httpguts"
)

// Headers are the request headers that identity travels in: those whose names
// begin with Curfew-, and the mapped ones. The zero value has no mapped ones.
type Headers struct {
	mapped []Mapping
}

// Mapping is a further header and the claim that it carries.
type Mapping struct{ Header, Claim string }

// Map adds a header that carries a claim. It refuses a name that can't be sent,
// one that means something else to HTTP, and one that a server may take for the
// same as another.
func (h *Headers) Map(header, claim string) error {
	name := textproto.CanonicalMIMEHeaderKey(header)
	alike := func(other string) bool { return Same(name, other) }
	switch {
	case !httpguts.ValidHeaderFieldName(header) || claim == "":
		return errors.New("want a header's name and a claim's name")
	case isOurs(name), slices.ContainsFunc(reserved, alike):
		return errors.New("the header is reserved: choose another header")
	case slices.ContainsFunc(h.mapped, func(m Mapping) bool { return alike(m.Header) }):
		return errors.New("the header is mapped twice, since servers take some characters of names for the same: remove one")
	}
	h.mapped = append(h.mapped, Mapping{name, claim})
	return nil
}

// Mapped are the mapped headers, in canonical form.
func (h *Headers) Mapped() []Mapping { return h.mapped }

// Include adds the mapped headers of others, which need not differ.
func (h *Headers) Include(more []Mapping) { h.mapped = append(h.mapped, more...) }

// Cleanse removes every spelling of the headers from a request that a client
// sent: headers, announced trailers, and names in Connection, which a proxy
// behind the gateway would take as an order to drop them after they are set.
func (h *Headers) Cleanse(r *http.Request) {
	h.Purge(r.Header)
	if r.Trailer != nil {
		h.cleanseTrailers(r)
	}
	DropHops(r.Header, h.carries)
}

// Purge removes every spelling of the headers from a set of fields.
func (h *Headers) Purge(fields http.Header) {
	for name := range fields {
		if h.carries(name) {
			delete(fields, name)
		}
	}
}

// Extent says how many of the facts the headers tell. The zero value tells all.
type Extent int

// The extents. None leaves the mapped headers, which were asked for by name.
const (
	All     Extent = iota
	Minimal        // whether a user is known, the issuer and the subject
	None
)

// names returns the headers that an extent tells.
func (e Extent) names() []string {
	switch e {
	case Minimal:
		return names[:3]
	case None:
		return nil
	}
	return names[:]
}

// SetAnonymous says that no user is known, if the extent tells so much.
func (h *Headers) SetAnonymous(fields http.Header, tell Extent) {
	if tell != None {
		fields["Curfew-Authenticated"] = []string{"false"}
	}
}

// Narrow removes what Set or SetAnonymous wrote beyond an extent.
func (h *Headers) Narrow(fields http.Header, tell Extent) {
	if beyond := names[len(tell.names()):]; len(beyond) > 0 && fields["Curfew-Authenticated"] != nil {
		for _, name := range beyond {
			delete(fields, name)
		}
	}
}

// Claims are the claims of a verified token.
type Claims interface {
	Claim(name string) (value string, ok bool)
}

// Set writes the facts of a verified token, as far as the extent goes, and the
// claims of mapped headers. An empty fact has no header. The values are copied
// into room, which belongs to the request: a handler behind may change them in
// place.
func (h *Headers) Set(fields http.Header, facts *Values, claims Claims, room *Values, tell Extent) {
	told := tell.names()
	copy(room[:len(told)], facts[:])
	for i, name := range told {
		if room[i] != "" {
			fields[name] = room[i : i+1 : i+1]
		}
	}
	for _, m := range h.mapped {
		if value, ok := claims.Claim(m.Claim); ok && value != "" {
			fields[m.Header] = []string{visible(value)}
		}
	}
}

// Facts are what the headers tell about a credential. Times are Unix seconds.
type Facts struct {
	Issuer, Subject, Client, Session, Device, Tenant string
	Scope                                            []string
	ACR                                              string
	AMR                                              []string
	AuthTime, ExpiresAt                              int64
}

// Values are facts as the headers hold them, in the order of names.
type Values [len(names)]string

var names = [...]string{
	"Curfew-Authenticated", "Curfew-Issuer", "Curfew-Subject", "Curfew-Client", "Curfew-Session", "Curfew-Device",
	"Curfew-Tenant", "Curfew-Scope", "Curfew-Acr", "Curfew-Amr", "Curfew-Auth-Time", "Curfew-Expires-At",
}

// Values encodes the facts. The work is worth doing once for each token.
func (f *Facts) Values() Values {
	return Values{
		"true", visible(f.Issuer), visible(f.Subject), visible(f.Client), visible(f.Session), visible(f.Device),
		visible(f.Tenant), list(f.Scope), visible(f.ACR), list(f.AMR), unix(f.AuthTime), unix(f.ExpiresAt),
	}
}
