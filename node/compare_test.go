package node

import (
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
)

// The horizons in a tick are compared with those that this node had at the tick
// that they are of, and with no others.
func TestHorizonsAreComparedAtOneTick(t *testing.T) {
	had := func(epoch, tick uint64, digest byte, entered uint64) ledger.Horizons {
		return ledger.Horizons{Epoch: epoch, Tick: tick, Digest: ledger.Digest{digest}, Entered: entered}
	}
	for name, tt := range map[string]struct {
		entered uint64 // this node
		says    ledger.Horizons
		own     bool
		differs bool
		tell    bool
	}{
		"the same":               {says: had(1, 10, 1, 0)},
		"another":                {says: had(1, 10, 2, 0), differs: true},
		"its own":                {says: had(1, 10, 2, 0), own: true},
		"a tick that was missed": {says: had(1, 9, 2, 0)},
		"one with its place":     {says: had(1, 10+64, 2, 0)},
		"none":                   {says: had(1, 0, 2, 0)},
		"another epoch":          {says: had(2, 10, 2, 0)},
		"who has read less":      {says: had(1, 10, 2, 5), tell: true},
		"who has read less, too": {says: had(1, 10, 1, 5)},
		"who has read as much":   {entered: 5, says: had(1, 10, 2, 5), differs: true},
		"who has read more":      {entered: 5, says: had(1, 10, 2, 3), differs: true},
		"before it had all":      {entered: 10, says: had(1, 10, 2, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			var h horizons
			h.ticked(&ledger.Tick{By: "a/1", Sequence: 10, Entered: tt.entered}, had(1, 10, 1, tt.entered), false, time.Time{})
			tell := h.ticked(&ledger.Tick{By: "a/1", Sequence: 11, Entered: tt.entered, Horizons: &tt.says}, had(1, 11, 3, tt.entered), tt.own, time.Time{})
			if tell != tt.tell || (h.differs != nil) != tt.differs {
				t.Errorf("tells %t, differs %v", tell, h.differs)
			}
			if said := h.say(); (said == nil) != tt.differs || said != nil && *said != had(1, 11, 3, tt.entered) {
				t.Errorf("it says %v", said)
			}
		})
	}
}

// A node that differs does so until one that has read as much agrees, or another
// epoch begins.
func TestHorizonsDifferUntilOneAgrees(t *testing.T) {
	for name, tt := range map[string]struct {
		next    ledger.Horizons // what the next tick says
		epoch   uint64          // of the next tick
		differs bool
	}{
		"it says the same again": {ledger.Horizons{Epoch: 1, Tick: 11, Digest: ledger.Digest{9}}, 1, true},
		"it agrees":              {ledger.Horizons{Epoch: 1, Tick: 11, Digest: ledger.Digest{1}}, 1, false},
		"one with less agrees":   {ledger.Horizons{Epoch: 1, Tick: 11, Digest: ledger.Digest{1}, Entered: 4}, 1, true},
		"nobody says anything":   {ledger.Horizons{}, 1, true},
		"another epoch begins":   {ledger.Horizons{}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, entered := new(horizons), uint64(5)
			tick := func(epoch, sequence uint64, says ledger.Horizons) {
				here := ledger.Horizons{Epoch: epoch, Tick: sequence, Digest: ledger.Digest{1}, Entered: entered}
				h.ticked(&ledger.Tick{By: "a/1", Sequence: sequence, Entered: entered, Horizons: &says}, here, false, time.Time{})
			}
			tick(1, 10, ledger.Horizons{})
			tick(1, 11, ledger.Horizons{Epoch: 1, Tick: 10, Digest: ledger.Digest{2}})
			if h.differs == nil {
				t.Fatal("no difference was seen")
			}
			tick(tt.epoch, 12, tt.next)
			if (h.differs != nil) != tt.differs {
				t.Errorf("differs: %v", h.differs)
			}
		})
	}
}
