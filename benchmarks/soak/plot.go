package main

import (
	"fmt"
	"strings"
	"time"
)

// plots draws each figure over time, as SVG pictures.
func plots(samples []sample) map[string]string {
	all := make(map[string]string)
	for _, f := range []struct {
		name, unit string
		of         func(*sample) float64
	}{
		{"heap", "MB", func(s *sample) float64 { return s.Heap / 1e6 }},
		{"goroutines", "", func(s *sample) float64 { return s.Goroutines }},
		{"descriptors", "", func(s *sample) float64 { return s.Descriptors }},
		{"ledger", "MB", func(s *sample) float64 { return s.Ledger / 1e6 }},
		{"latency", "ms, p99", func(s *sample) float64 { return float64(s.P99) / float64(time.Millisecond) }},
	} {
		values := make([]float64, len(samples))
		for i := range samples {
			values[i] = f.of(&samples[i])
		}
		all["soak-"+f.name+".svg"] = line(f.name, f.unit, values)
	}
	return all
}

// line draws values at equal distances, from zero up to the largest.
func line(title, unit string, values []float64) string {
	const width, height = 640.0, 160.0
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var points strings.Builder
	for i, v := range values {
		x, y := width*float64(i)/float64(max(1, len(values)-1)), height
		if most > 0 {
			y -= height * v / most
		}
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y+24)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+
		`<rect width="100%%" height="100%%" fill="white"/><text x="4" y="16">%s, at most %.2f %s</text>`+
		`<polyline fill="none" stroke="#0a58ca" points="%s"/></svg>`+"\n", width, height+28, title, most, unit, strings.TrimSpace(points.String()))
}
