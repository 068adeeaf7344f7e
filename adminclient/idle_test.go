package adminclient

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a reader whose every read takes a while.
type slow time.Duration

func (s slow) Read([]byte) (int, error) {
	time.Sleep(time.Duration(s))
	return 1, nil
}

func TestIdleTimer(t *testing.T) {
	const limit = time.Minute
	for name, c := range map[string]struct {
		over func(*idleTimer) io.Reader
		want bool // given up
	}{
		"moving answer": {func(i *idleTimer) io.Reader { return i.answer(slow(limit - 1)) }, false},
		"still answer":  {func(i *idleTimer) io.Reader { return i.answer(slow(limit + 1)) }, true},
		"slow source":   {func(i *idleTimer) io.Reader { return i.source(slow(10 * limit)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				idle := newIdleTimer(limit, cancel)
				defer idle.stop()
				r := c.over(idle)
				for range 3 {
					r.Read(make([]byte, 1))
				}
				synctest.Wait()
				if got := ctx.Err() != nil; got != c.want {
					t.Fatalf("given up: %v, want %v", got, c.want)
				}
			})
		})
	}
}

// An answer that moves while the source keeps us waiting must not start the
// time: the next line of an import may take an hour to be typed.
func TestIdleTimerWaitsForSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		idle := newIdleTimer(time.Minute, cancel)
		defer idle.stop()
		go idle.source(slow(time.Hour)).Read(make([]byte, 1))
		synctest.Wait()
		idle.answer(slow(time.Second)).Read(make([]byte, 1))
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("given up while the source was waited for")
		}
		time.Sleep(10*time.Minute + 30*time.Second)
		idle.answer(slow(0)).Read(make([]byte, 1))
		time.Sleep(time.Minute + 1)
		synctest.Wait()
		if ctx.Err() == nil {
			t.Fatal("not given up when nothing moved any more")
		}
	})
}
