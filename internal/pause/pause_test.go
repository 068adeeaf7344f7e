package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/internal/pause"
)

func TestAPauseEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := pause.For(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the caller has waited enough"))
		defer cancel()
		began = time.Now()
		if err := pause.For(ctx, time.Hour); err == nil || err.Error() != "the caller has waited enough" || time.Since(began) != time.Minute {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
	})
}
