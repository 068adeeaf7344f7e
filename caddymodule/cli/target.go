package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curfew.dev/curfew/internal/bounded"
	"curfew.dev/curfew/revocation"
)

// maxTarget bounds a target file, in bytes.
const maxTarget = 64 << 10

// targetFlags name a target: member by member, or as a file where an
// identifier must not show up in the arguments.
type targetFlags struct {
	value revocation.Target
	file  string
	names []string // of the flags that name a member
}

// member is a flag, the member of a target that it sets, and what it means.
type member struct {
	flag, name, usage string
	value             *string
}

func membersOf(t *revocation.Target) []member {
	return []member{
		{"iss", "iss", "Issuer; may be left out where the gateway has one", &t.Issuer},
		{"sub", "sub", "Subject: the user, as the issuer calls it", &t.Subject},
		{"client", "client_id", "Client: one app", &t.Client},
		{"device", "device_id", "Device", &t.Device},
		{"sid", "sid", "Session", &t.Session},
		{"jti", "jti", "One token", &t.TokenID},
		{"jkt", "jkt", "Thumbprint of a DPoP key", &t.JKT},
		{"x5t", "x5t_s256", "Thumbprint (SHA-256) of a client certificate", &t.X5TS256},
		{"tenant", "tenant", "Organisation", &t.Tenant},
		{"kid", "kid", "Key that tokens were signed with", &t.SignedBy},
	}
}

// bind adds the flags, or only those that are named.
func (t *targetFlags) bind(cmd *cobra.Command, only ...string) {
	for _, m := range membersOf(&t.value) {
		if len(only) == 0 || slices.Contains(only, m.flag) {
			cmd.Flags().StringVar(m.value, m.flag, "", m.usage)
			t.names = append(t.names, m.flag)
		}
	}
	cmd.Flags().StringVar(&t.file, "target-file", "", `JSON of the target, such as {"sub":"alice"}; - is the standard input`)
	for _, name := range t.names {
		cmd.MarkFlagsMutuallyExclusive("target-file", name)
	}
}

// target is what the flags say. A missing issuer is filled in where the
// gateway has only one, but never to make a target of nothing.
func (t *targetFlags) target(cmd *cobra.Command, g *gateway) (revocation.Target, error) {
	target := t.value
	if t.file != "" {
		var err error
		if target, err = readTarget(t.file, cmd.InOrStdin()); err != nil {
			return target, err
		}
	}
	if err := t.rejectEmpty(cmd.Flags()); err != nil {
		return target, err
	}
	switch {
	case target == revocation.Target{}:
		return target, fmt.Errorf("name whom: %s, or --target-file", t.list())
	case target.Issuer == "" && target.JKT == "" && target.X5TS256 == "":
		issuer, err := g.onlyIssuer(cmd.Context())
		target.Issuer = issuer
		return target, err
	}
	return target, nil
}

// rejectEmpty refuses --sub "$USER" where USER is not set: without the member
// the target would be wider than meant, up to everybody.
func (t *targetFlags) rejectEmpty(flags *pflag.FlagSet) (err error) {
	for _, name := range append(t.names, "target-file") {
		if f := flags.Lookup(name); f.Changed && f.Value.String() == "" && err == nil {
			err = fmt.Errorf("--%s is empty: give it a value or leave it out", name)
		}
	}
	return err
}

func (t *targetFlags) list() string { return "--" + strings.Join(t.names, ", --") }

// readTarget reads a target from a file, - being the standard input.
func readTarget(path string, stdin io.Reader) (revocation.Target, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return revocation.Target{}, fmt.Errorf("opening --target-file: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := bounded.Read(in, maxTarget)
	if err != nil {
		return revocation.Target{}, fmt.Errorf("reading --target-file: %w", err)
	}
	target, err := parseTarget(b)
	if err != nil {
		return revocation.Target{}, fmt.Errorf("reading --target-file: %w", err)
	}
	return target, nil
}

// parseTarget reads one JSON object of non-empty strings. It is stricter than
// encoding/json, because a member that gets lost makes a target wider: unknown,
// empty and repeated ones are errors.
func parseTarget(b []byte) (revocation.Target, error) {
	var target revocation.Target
	if !utf8.Valid(b) {
		return target, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return target, errors.New("it is not a JSON object")
	}
	members := membersOf(&target)
	for d.More() {
		if err := parseMember(d, members); err != nil {
			return revocation.Target{}, err
		}
	}
	if _, err := d.Token(); err != nil {
		return revocation.Target{}, errors.New("it is not a complete JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return revocation.Target{}, errors.New("something comes after the JSON object")
	}
	return target, nil
}

func parseMember(d *json.Decoder, members []member) error {
	name, err := d.Token()
	if err != nil {
		return errors.New("it is not valid JSON")
	}
	i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
	if i < 0 {
		return fmt.Errorf("a target has no member %q", name)
	}
	value, err := d.Token()
	text, ok := value.(string)
	switch {
	case err != nil || !ok || text == "":
		return fmt.Errorf("%s must be a string that is not empty", name)
	case *members[i].value != "":
		return fmt.Errorf("%s is there twice", name)
	}
	*members[i].value = text
	return nil
}
