package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/revocation"
)

func sessions() *cobra.Command {
	var (
		g       gateway
		whom    targetFlags
		request adminclient.SessionSearch
	)
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Lists what this gateway has seen of a user",
		Long: `Lists the sessions of a user, last seen first, with what each has open now and
how it stands: active, expired, or what its newest token is refused for. Other
gateways may have seen others. A session is seen when a token of it is verified,
which is once for each token and not on every request.`,
		Example: `  $ caddy curfew sessions --sub alice
  $ caddy curfew sessions --sub alice --client web --json
  $ echo '{"sub":"alice"}' | caddy curfew sessions --target-file -`,
		Args: cobra.NoArgs,
	}
	g.bind(cmd)
	whom.bind(cmd, "iss", "sub", "client", "sid")
	cmd.Flags().IntVar(&request.Limit, "limit", 0, "How many at once, up to 1000; default 100")
	cmd.Flags().StringVar(&request.Cursor, "cursor", "", "Where the page before ended, as it says")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		target, err := whom.target(cmd, &g)
		if err != nil {
			return err
		}
		if err := narrow(&request, target); err != nil {
			return err
		}
		answer, err := g.Sessions(cmd.Context(), request)
		_, err = show(consoleOf(cmd), answer, err, writeSessions)
		return err
	})
	return cmd
}

// narrow has the request ask for a user's sessions, all or those of a client or
// sid.
func narrow(r *adminclient.SessionSearch, t revocation.Target) error {
	r.Issuer, r.Subject, r.Client, r.Session = t.Issuer, t.Subject, t.Client, t.Session
	if r.Subject == "" || t != (revocation.Target{Issuer: r.Issuer, Subject: r.Subject, Client: r.Client, Session: r.Session}) {
		return errors.New("sessions are those of one user: --sub, and --client or --sid to see fewer")
	}
	return nil
}

func writeSessions(w io.Writer, a adminclient.Sessions) error {
	fmt.Fprintf(w, "%s has seen %s\n", printable.Text(a.Node), seenText(a))
	if len(a.Items) > 0 {
		s := newSheet(w)
		s.row("SESSION", "CLIENT", "DEVICE", "STATE", "LIVE", "SIGNED IN", "FIRST SEEN", "LAST SEEN")
		for i := range a.Items {
			is := &a.Items[i]
			s.row(orDash(is.Session), orDash(is.Client), orDash(is.Device), is.State, strconv.Itoa(is.LiveRequests),
				orDash(timeText(is.SignedIn)), orDash(timeText(is.FirstSeen)), orDash(timeText(is.LastSeen)))
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
	if a.NextCursor != "" {
		fmt.Fprintln(w, "for more, add --cursor", printable.Text(a.NextCursor))
	}
	return nil
}

// seenText says how much was seen, and whether that is all.
func seenText(a adminclient.Sessions) string {
	text := "no session of this user"
	if len(a.Items) > 0 {
		text = count(len(a.Items), "session")
	}
	if a.Incomplete {
		text += "; some may have been forgotten for want of room"
	}
	return text
}

func orDash(text string) string { return cmp.Or(text, "-") }
