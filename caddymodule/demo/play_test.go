package demo

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/node"
)

func TestPlayStopsAtWhatDoesNotHold(t *testing.T) {
	var out strings.Builder
	reached := false
	err := play(t.Context(), &out, []step{
		{"holds", func(context.Context) (string, error) { return "a note", nil }},
		{"fails", func(context.Context) (string, error) { return "", expect("status", 200, 401) }},
		{"comes after", func(context.Context) (string, error) { reached = true; return "", nil }},
	})
	if !errors.Is(err, errStory) || reached {
		t.Errorf("error is %v, the step after it was played: %t", err, reached)
	}
	got := regexp.MustCompile(`[0-9.]+ ms`).ReplaceAllString(out.String(), "N ms")
	got = regexp.MustCompile(` +`).ReplaceAllString(got, " ")
	want := "ok N ms holds\n (a note)\nFAILED N ms fails\n status\n want 401\n got 200\n1 of 3 steps were not played.\n"
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// A gateway that lets everybody in does not pass for one that refuses.
func TestStoryNoticesAnOpenGate(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer open.Close()
	s := newStory(&stage{client: newClient(), at: places{app: open.Listener.Addr().String()}})
	s.lost, s.alice = []string{"Bearer x"}, node.Receipt{At: node.NewTime(time.Now())}
	for name, play := range map[string]func(context.Context) (string, error){
		"without a token": s.stranger, "signed out": s.lostIsRefused,
	} {
		if _, err := play(t.Context()); err == nil {
			t.Errorf("%s: the story held", name)
		}
	}
}
