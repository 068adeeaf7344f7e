//go:build e2e

package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// history is what was asked and what was answered, by one clock: everything runs
// on one machine. Nobody knows more of a distributed system than this.
type history struct {
	mu        sync.Mutex
	writes    []write
	sights    []sight
	requests  []request
	positions []stand
	found     []finding
}

// write is one call that revokes everything of a subject.
type write struct {
	subject, node, key string
	sent, answered     time.Time
	status             int    // 0: no answer came
	id                 string // of 201
	problem            string
}

// sight is a receipt as somebody saw it.
type sight struct {
	subject, node string
	answered      time.Time
	receipt       receipt
}

// request is one with the token of a subject.
type request struct {
	subject, node, probe string
	sent, answered       time.Time
	status               int // 0: no answer came
	hits                 []string
}

// admitted: the service has seen it, or its answer came from there.
func (r *request) admitted() bool { return r.status == 200 || len(r.hits) > 0 }

// stand is how far a node said that it is, while it served.
type stand struct {
	node       string
	at         time.Time
	epoch, seq uint64
}

// finding is what a node has of a record that was acknowledged, at the end.
type finding struct {
	node, subject, id string
	status            int
	target            string // the subject of what was found
	listed            int    // how often a search names it
}

func (h *history) wrote(w write)       { h.note(func() { h.writes = append(h.writes, w) }) }
func (h *history) saw(s sight)         { h.note(func() { h.sights = append(h.sights, s) }) }
func (h *history) requested(r request) { h.note(func() { h.requests = append(h.requests, r) }) }
func (h *history) stood(s stand)       { h.note(func() { h.positions = append(h.positions, s) }) }
func (h *history) looked(f finding)    { h.note(func() { h.found = append(h.found, f) }) }

func (h *history) note(add func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add()
}

// acknowledged are the writes that were, by subject and id.
func (h *history) acknowledged() (acked []write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[string]bool)
	for _, w := range h.writes {
		if w.status == 201 && !seen[w.id] {
			seen[w.id] = true
			acked = append(acked, w)
		}
	}
	return acked
}

// promise is that from an instant on nobody, or one node, admits a subject.
type promise struct {
	from time.Time
	why  string
}

// promises are the earliest ones.
type promises struct {
	everywhere promise
	at         map[string]promise // by name of node
}

func (p *promises) add(node string, from time.Time, why string) {
	if node == "" {
		if p.everywhere.why == "" || from.Before(p.everywhere.from) {
			p.everywhere = promise{from, why}
		}
		return
	}
	if known, ok := p.at[node]; !ok || from.Before(known.from) {
		p.at[node] = promise{from, why}
	}
}

// check returns what contradicts the promises, and nothing where all is well.
func (h *history) check() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var wrong []string
	for _, rule := range []func() []string{h.checkAdmissions, h.checkHits, h.checkUnrelated, h.checkKeys, h.checkPositions, h.checkFindings} {
		wrong = append(wrong, rule()...)
	}
	return wrong
}

// promised collects what each answer promised of each subject.
func (h *history) promised() map[string]*promises {
	of := make(map[string]*promises)
	for_ := func(subject string) *promises {
		if of[subject] == nil {
			of[subject] = &promises{at: make(map[string]promise)}
		}
		return of[subject]
	}
	for _, w := range h.writes {
		if w.status == 201 {
			for_(w.subject).add(w.node, w.answered, "it was acknowledged there as "+w.id)
		}
	}
	for i := range h.sights {
		s := &h.sights[i]
		e := &s.receipt.Enforcement
		if e.EnforcedBy != nil {
			for_(s.subject).add("", e.EnforcedBy.Time, "the bound of "+s.receipt.ID+" as "+s.node+" gave it")
		}
		if e.State == "enforced" {
			for_(s.subject).add("", s.answered, s.node+" called "+s.receipt.ID+" enforced")
		}
		for _, n := range e.Nodes {
			name, _, _ := strings.Cut(n.Node, "/")
			switch {
			case n.State == "enforced" && n.EnforcedAt != nil:
				for_(s.subject).add(name, n.EnforcedAt.Time, "the instant that "+s.node+" gave for "+s.receipt.ID)
			case n.State == "fenced":
				for_(s.subject).add(name, s.answered, s.node+" called it fenced")
			}
		}
	}
	for i := range h.requests {
		if r := &h.requests[i]; r.status == 401 {
			for_(r.subject).add(r.node, r.answered, "it had refused before")
		}
	}
	return of
}

// checkAdmissions is I1, I2 and that nothing un-revokes: what was promised to be
// refused from an instant on is not admitted afterwards.
func (h *history) checkAdmissions() (wrong []string) {
	promised := h.promised()
	for i := range h.requests {
		r := &h.requests[i]
		p := promised[r.subject]
		if p == nil || !r.admitted() {
			continue
		}
		for _, from := range []promise{p.everywhere, p.at[r.node]} {
			if late := r.sent.Sub(from.from); from.why != "" && late > 0 {
				wrong = append(wrong, fmt.Sprintf("I2: %s admitted %s %s after it could no more: %s", r.node, r.subject, late, from.why))
			}
		}
	}
	return wrong
}

// checkHits is I5: nothing reached the service but what was asked for, once, and
// in the name of who asked.
func (h *history) checkHits() (wrong []string) {
	for i := range h.requests {
		r := &h.requests[i]
		if r.status == 200 && len(r.hits) != 1 {
			wrong = append(wrong, fmt.Sprintf("I5: a request that %s answered with 200 reached the service %d times", r.node, len(r.hits)))
		}
		for _, subject := range r.hits {
			if subject != r.subject {
				wrong = append(wrong, fmt.Sprintf("I5: a request of %s reached the service as %q", r.subject, subject))
			}
		}
	}
	return wrong
}

// checkUnrelated is I6: who was never revoked is never told so. 503 is what a
// fence is for.
func (h *history) checkUnrelated() (wrong []string) {
	revoked := make(map[string]bool)
	for _, w := range h.writes {
		revoked[w.subject] = true
	}
	for i := range h.requests {
		r := &h.requests[i]
		if !revoked[r.subject] && r.status != 200 && r.status != 503 && r.status != 0 {
			wrong = append(wrong, fmt.Sprintf("I6: %s answered %s, whom nobody has revoked, with %d", r.node, r.subject, r.status))
		}
	}
	return wrong
}

// checkKeys is I3 and half of I7: one key is one record, and one record one
// subject's. Every write was answered with what says what became of it.
func (h *history) checkKeys() (wrong []string) {
	byKey, byID := make(map[string]string), make(map[string]string)
	for _, w := range h.writes {
		if !slices.Contains([]int{0, 201, 409, 429, 503, 507}, w.status) {
			wrong = append(wrong, fmt.Sprintf("I3: a write of %s was answered with %d %s", w.subject, w.status, w.problem))
		}
		if w.status != 201 {
			continue
		}
		if id, known := byKey[w.key]; known && w.key != "" && id != w.id {
			wrong = append(wrong, fmt.Sprintf("I3: one key became %s and %s", id, w.id))
		}
		if subject, known := byID[w.id]; known && subject != w.subject {
			wrong = append(wrong, fmt.Sprintf("I7: %s is about %s and %s", w.id, subject, w.subject))
		}
		byKey[w.key], byID[w.id] = w.id, w.subject
	}
	return wrong
}

// checkPositions is I4: a node that serves never stands before where it stood.
func (h *history) checkPositions() (wrong []string) {
	last := make(map[string]stand)
	ordered := slices.SortedFunc(slices.Values(h.positions), func(a, b stand) int { return a.at.Compare(b.at) })
	for _, s := range ordered {
		if before := last[s.node]; cmp.Or(cmp.Compare(s.epoch, before.epoch), cmp.Compare(s.seq, before.seq)) < 0 {
			wrong = append(wrong, fmt.Sprintf("I4: %s stood at %d.%d and then at %d.%d", s.node, before.epoch, before.seq, s.epoch, s.seq))
		}
		last[s.node] = s
	}
	return wrong
}

// checkFindings is I1 and I7: what was acknowledged is found, once, and is what
// was asked for.
func (h *history) checkFindings() (wrong []string) {
	for _, f := range h.found {
		if f.status != 200 || f.target != f.subject || f.listed != 1 {
			wrong = append(wrong, fmt.Sprintf("I1: %s was acknowledged for %s; %s answers %d, about %q, and lists it %d times",
				f.id, f.subject, f.node, f.status, f.target, f.listed))
		}
	}
	return wrong
}

// summary is for the test's log.
func (h *history) summary() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	answers, writes := make(map[int]int), make(map[int]int)
	for i := range h.requests {
		answers[h.requests[i].status]++
	}
	for i := range h.writes {
		writes[h.writes[i].status]++
	}
	return fmt.Sprintf("%d requests %s, %d writes %s, %d receipts seen", len(h.requests), counts(answers), len(h.writes), counts(writes), len(h.sights))
}

func counts(of map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(of)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "none"
		}
		parts = append(parts, fmt.Sprintf("%s: %d", name, of[status]))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
