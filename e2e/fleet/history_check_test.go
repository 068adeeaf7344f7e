//go:build e2e

package fleet

import (
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/adminclient"
)

// A checker that finds nothing must have been able to: each of these histories
// breaks one promise, and the first none.
func TestHistoryChecker(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1_800_000_000+int64(s), 0) }
	bound := func(s int, state, ofNode string) receipt {
		by := &adminclient.Time{Time: at(s)}
		return receipt{ID: "rev_1.2.0", Enforcement: adminclient.Enforcement{
			State: state, EnforcedBy: by, Nodes: []adminclient.NodeReceipt{{Node: "edge-2/x", State: ofNode, EnforcedAt: by}},
		}}
	}
	good := func() *history {
		h := new(history)
		h.wrote(write{subject: "alice", node: "edge-1", key: "k", sent: at(0), answered: at(1), status: 201, id: "rev_1.2.0"})
		h.saw(sight{"alice", "edge-1", at(1), bound(4, "pending", "pending")})
		h.requested(request{subject: "alice", node: "edge-2", sent: at(3), status: 200, hits: []string{"alice"}})
		h.requested(request{subject: "alice", node: "edge-2", sent: at(5), answered: at(6), status: 503})
		h.requested(request{subject: "alice", node: "edge-1", sent: at(2), answered: at(3), status: 401})
		h.requested(request{subject: "bob", node: "edge-1", sent: at(2), status: 503})
		h.stood(stand{"edge-1", at(1), 1, 2})
		h.looked(finding{"edge-1", "alice", "rev_1.2.0", 200, "alice", 1})
		return h
	}
	for name, tt := range map[string]struct {
		spoil func(*history)
		want  string
	}{
		"nothing": {func(*history) {}, ""},
		"after the bound": {func(h *history) {
			h.requested(request{subject: "alice", node: "edge-2", sent: at(5), status: 200, hits: []string{"alice"}})
		}, "I2"},
		"cut off too late": {func(h *history) {
			h.requested(request{subject: "alice", node: "edge-2", sent: at(5), hits: []string{"alice"}})
		}, "I2"},
		"here, later": {func(h *history) {
			h.requested(request{subject: "alice", node: "edge-1", sent: at(2), status: 200, hits: []string{"alice"}})
		}, "I2"},
		"called enforced":  {func(h *history) { h.saw(sight{"alice", "edge-1", at(2), bound(9, "enforced", "pending")}) }, "I2"},
		"a node's instant": {func(h *history) { h.saw(sight{"alice", "edge-1", at(9), bound(2, "pending", "enforced")}) }, "I2"},
		"called fenced":    {func(h *history) { h.saw(sight{"alice", "edge-1", at(2), bound(9, "pending", "fenced")}) }, "I2"},
		"un-revoked": {func(h *history) {
			h.requested(request{subject: "carol", node: "edge-3", sent: at(0), answered: at(1), status: 401})
			h.wrote(write{subject: "carol", node: "edge-3", status: 503})
			h.requested(request{subject: "carol", node: "edge-3", sent: at(2), status: 200, hits: []string{"carol"}})
		}, "I2"},
		"two records of a key": {func(h *history) {
			h.wrote(write{subject: "alice", node: "edge-2", key: "k", answered: at(9), status: 201, id: "rev_1.3.0"})
		}, "I3"},
		"half an answer": {func(h *history) { h.wrote(write{subject: "alice", node: "edge-2", status: 500}) }, "I3"},
		"backwards":      {func(h *history) { h.stood(stand{"edge-1", at(2), 1, 1}) }, "I4"},
		"no request":     {func(h *history) { h.requested(request{subject: "bob", node: "edge-1", sent: at(2), status: 200}) }, "I5"},
		"somebody else's name": {func(h *history) {
			h.requested(request{subject: "bob", node: "edge-1", sent: at(2), status: 200, hits: []string{"alice"}})
		}, "I5"},
		"a bystander": {func(h *history) { h.requested(request{subject: "bob", node: "edge-1", status: 401}) }, "I6"},
		"two of one record": {func(h *history) {
			h.wrote(write{subject: "bob", node: "edge-2", key: "l", answered: at(9), status: 201, id: "rev_1.2.0"})
		}, "I7"},
		"forgotten":    {func(h *history) { h.looked(finding{"edge-2", "alice", "rev_1.2.0", 404, "", 0}) }, "I1"},
		"listed twice": {func(h *history) { h.looked(finding{"edge-2", "alice", "rev_1.2.0", 200, "alice", 2}) }, "I1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := good()
			tt.spoil(h)
			wrong := h.check()
			switch {
			case tt.want == "" && len(wrong) > 0:
				t.Errorf("it finds %q", wrong)
			case tt.want != "" && (len(wrong) == 0 || !strings.HasPrefix(wrong[0], tt.want)):
				t.Errorf("it finds %q, want %s", wrong, tt.want)
			}
		})
	}
}
