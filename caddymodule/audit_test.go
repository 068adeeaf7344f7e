package caddymodule

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"curfew.dev/curfew/node"
)

// What waits when a gateway stops is written, and more than fits is dropped
// without delay.
func TestAuditLinesNeverHoldUpAWriterAndSurviveAnExit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	a := auditor{lines: make(chan []byte, 3)}
	for _, id := range []string{"cut_1", "cut_2", "cut_3", "cut_4"} {
		a.note("edge-1/x", node.Receipt{ID: id})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.run(ctx, func() string { return file })
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(b)) {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil || got["node"] != "edge-1/x" || got["enforcement"] != nil {
			t.Errorf("%s: %v", line, err)
		}
		ids = append(ids, got["id"].(string))
	}
	if strings.Join(ids, " ") != "cut_1 cut_2 cut_3" {
		t.Errorf("written: %s", ids)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: the lines name people", info.Mode(), err)
	}
}

func TestADecisionIsAnEventOfTheSpanWithoutIdentifiers(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	ctx, span := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "request")
	traceDecision(ctx, &logged{decision: "refuse", reason: "signed-out", policy: "billing", issuer: "https://login.example.com", client: "web", revocation: "cut_1.2"})
	span.End()
	events := spans.Ended()[0].Events()
	if len(events) != 1 || events[0].Name != "curfew.decision" {
		t.Fatalf("%+v", events)
	}
	got := make(map[string]string)
	for _, kv := range events[0].Attributes {
		got[string(kv.Key)] = kv.Value.AsString()
	}
	if len(got) != 3 || got["curfew.decision"] != "refuse" || got["curfew.reason"] != "signed-out" || got["curfew.policy"] != "billing" {
		t.Errorf("%v", got)
	}
}

func TestWithoutTracingADecisionAllocatesNothing(t *testing.T) {
	ctx, l := t.Context(), &logged{decision: "admit", policy: "default"}
	if n := testing.AllocsPerRun(100, func() { traceDecision(ctx, l) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
