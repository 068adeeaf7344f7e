package adminclient

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/node"
)

// Receipted is the answer to a write.
type Receipted = Answer[node.Receipt]

// Revoke signs a target out. A target of many accounts needs the id of a
// preview.
func (c *Client) Revoke(ctx context.Context, r Revocation, key string) (Receipted, error) {
	return Write[node.Receipt](ctx, c, http.MethodPost, "/v1/revocations", r, key)
}

// Preview says what a revocation would hit, and changes nothing.
func (c *Client) Preview(ctx context.Context, r Revocation) (Answer[Preview], error) {
	return Read[Preview](ctx, c, http.MethodPost, "/v1/revocations/preview", r)
}

// Receipt is that of a revocation as it stands now.
func (c *Client) Receipt(ctx context.Context, id string) (Receipted, error) {
	return Read[node.Receipt](ctx, c, http.MethodGet, "/v1/revocations/"+url.PathEscape(id), nil)
}

// Block refuses a target until it is lifted.
func (c *Client) Block(ctx context.Context, b Block, key string) (Receipted, error) {
	return Write[node.Receipt](ctx, c, http.MethodPost, "/v1/blocks", b, key)
}

// StepUp demands a stronger or newer authentication until it is lifted.
func (c *Client) StepUp(ctx context.Context, s StepUp, key string) (Receipted, error) {
	return Write[node.Receipt](ctx, c, http.MethodPost, "/v1/step-ups", s, key)
}

// Lift ends a block or a step-up for good.
func (c *Client) Lift(ctx context.Context, id, key string) (Receipted, error) {
	path, err := liftPath(id)
	if err != nil {
		return Receipted{}, err
	}
	return Write[node.Receipt](ctx, c, http.MethodDelete, path, nil, key)
}

// liftPath is the resource that an id names, by its prefix.
func liftPath(id string) (string, error) {
	switch {
	case strings.HasPrefix(id, "blk_"):
		return "/v1/blocks/" + url.PathEscape(id), nil
	case strings.HasPrefix(id, "stp_"):
		return "/v1/step-ups/" + url.PathEscape(id), nil
	case strings.HasPrefix(id, "rev_"):
		return "", fmt.Errorf("%s is a sign-out, which can't be lifted: signing in again ends it", printable.Text(id))
	}
	return "", fmt.Errorf("%s is not the id of a block (blk_…) or a step-up (stp_…)", printable.Text(id))
}

// Unlink signs an account out on one device and frees the slot of the device.
func (c *Client) Unlink(ctx context.Context, u Unlink, key string) (Receipted, error) {
	return Write[node.Receipt](ctx, c, http.MethodPost, "/v1/devices/unlink", u, key)
}

// Revocations finds revocations.
func (c *Client) Revocations(ctx context.Context, s Search) (Answer[Page[node.Receipt]], error) {
	return Read[Page[node.Receipt]](ctx, c, http.MethodPost, "/v1/revocations/search", s)
}

// Blocks finds blocks, lifted ones too.
func (c *Client) Blocks(ctx context.Context, s Search) (Answer[Page[Held]], error) {
	return Read[Page[Held]](ctx, c, http.MethodPost, "/v1/blocks/search", s)
}

// StepUps finds step-ups, lifted ones too.
func (c *Client) StepUps(ctx context.Context, s Search) (Answer[Page[Held]], error) {
	return Read[Page[Held]](ctx, c, http.MethodPost, "/v1/step-ups/search", s)
}

// All walks through every page of a search, such as [Client.Revocations], from
// the cursor of s on. It ends with the first error.
func All[T any](ctx context.Context, search func(context.Context, Search) (Answer[Page[T]], error), s Search) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			a, err := search(ctx, s)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range a.Value.Items {
				if !yield(item, nil) {
					return
				}
			}
			if s.Cursor = a.Value.NextCursor; s.Cursor == "" {
				return
			}
		}
	}
}

// Sessions finds what the node has seen of an account.
func (c *Client) Sessions(ctx context.Context, s SessionSearch) (Answer[Sessions], error) {
	return Read[Sessions](ctx, c, http.MethodPost, "/v1/sessions/search", s)
}

// Explain says how a token is decided, and by which rule.
func (c *Client) Explain(ctx context.Context, q Question) (Answer[Explanation], error) {
	return Read[Explanation](ctx, c, http.MethodPost, "/v1/explain", q)
}

// Nodes lists the nodes as they were last heard.
func (c *Client) Nodes(ctx context.Context) (Answer[Nodes], error) {
	return Read[Nodes](ctx, c, http.MethodGet, "/v1/nodes", nil)
}
