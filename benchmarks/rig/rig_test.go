package rig

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantileIsWithinTwoPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(64, int64(time.Hour)).Draw(t, "d"))
		var l Latencies
		l.Note(d)
		if got := l.Quantile(0.5); got < d || float64(got) > 1.02*float64(d) {
			t.Fatalf("the median of %d alone is %d", d, got)
		}
	})
}

func TestQuantiles(t *testing.T) {
	var l, more Latencies
	for range 990 {
		l.Note(time.Millisecond)
	}
	for range 10 {
		more.Note(time.Second)
	}
	l.Add(&more)
	for _, c := range []struct {
		q        float64
		from, to time.Duration
	}{
		{0.5, time.Millisecond, 1020 * time.Microsecond},
		{0.98, time.Millisecond, 1020 * time.Microsecond},
		{0.995, time.Second, 1020 * time.Millisecond},
		{1, time.Second, 1020 * time.Millisecond},
	} {
		if got := l.Quantile(c.q); got < c.from || got > c.to {
			t.Errorf("quantile %v is %s, want %s to %s", c.q, got, c.from, c.to)
		}
	}
	if got := new(Latencies).Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %s", got)
	}
}

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{3, 3, 3, 3, 3}},
		{[]float64{3, 1, 2}, Summary{2, 1, 3, 1.5, 2.5}},
		{[]float64{4, 1, 2, 3}, Summary{2.5, 1, 4, 1.75, 3.25}},
	} {
		if got := Summarize(c.values); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for _, c := range []struct {
		text   string
		status int
		end    bool
		err    error
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, false, nil},
		{"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length:0\r\n\r\n", 401, true, nil},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, false, errAnswer},
		{"HTTP/1.1 2x0 OK\r\n\r\n", 0, false, errAnswer},
		{"\n", 0, false, errAnswer},
		{"HTTP/1.1 200 OK\r\n", 0, false, io.EOF},
	} {
		status, end, err := readAnswer(bufio.NewReader(strings.NewReader(c.text)))
		if status != c.status || end != c.end || !errors.Is(err, c.err) {
			t.Errorf("%q: got %d, %v, %v; want %d, %v, %v", c.text, status, end, err, c.status, c.end, c.err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if status, _, err := readAnswer(bufio.NewReader(strings.NewReader(text))); err == nil && (status < -99 || status > 999) {
			t.Errorf("status %d", status)
		}
	})
}

func TestLoadCountsWhatItSees(t *testing.T) {
	good := Request("x", "good")
	for name, c := range map[string]struct {
		load Load
		want func(*Outcome) error
	}{
		"closed": {Load{Connections: 2, Requests: [][]byte{good}}, func(o *Outcome) error { return o.Only(200) }},
		"open":   {Load{Connections: 2, Rate: 200, Requests: [][]byte{good}}, func(o *Outcome) error { return o.Only(200) }},
		"mixed": {Load{Connections: 1, Requests: [][]byte{good, Request("x", "bad")}}, func(o *Outcome) error {
			if o.Only(200) == nil || o.Statuses[401] == 0 {
				return errors.New("refusals were not seen")
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var seen atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if seen.Add(1) == 20 { // enough, however long it took
					cancel()
				}
				w.Header().Set("Content-Length", "0")
				if r.Header.Get("Authorization") != "Bearer good" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer server.Close()
			c.load.Address = server.Listener.Addr().String()
			o, err := c.load.Run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.want(o); err != nil {
				t.Error(err)
			}
			if o.Answered() != o.Latencies.total {
				t.Errorf("%d answers and %d latencies", o.Answered(), o.Latencies.total)
			}
		})
	}
}

func TestProviderTokens(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		p, err := NewProvider("127.0.0.1:0", algorithm)
		if err != nil {
			t.Fatal(err)
		}
		token, err := p.Token("alice")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(token); n < TokenLength-8 || n > TokenLength+8 {
			t.Errorf("%s: %d characters", algorithm, n)
		}
		if other := WithKeyID(token, "other"); other == token || strings.Count(other, ".") != 2 {
			t.Errorf("%s: no other kid in %s", algorithm, other)
		}
	}
	if _, err := NewProvider("127.0.0.1:0", "none"); err == nil {
		t.Error("there is a provider without an algorithm")
	}
}

func TestUpstreamAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			answer(c)
		}
	}()
	if status, err := Once(l.Addr().String(), Request("x", "token")); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestBarsIsXML(t *testing.T) {
	picture := Bars("a < b", "µs", []Bar{{"x & y", Summary{Median: 1, Min: 0.5, Max: 2}}, {"noise", Summary{Median: -1, Min: -2, Max: 0}}})
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
