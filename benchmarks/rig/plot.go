package rig

import (
	"fmt"
	"html"
	"strings"
)

// Bar is one bar of a plot, with its spread.
type Bar struct {
	Label string
	Summary
}

// Bars draws horizontal bars from zero as an SVG picture. It draws no bar for a
// negative value, which is noise.
func Bars(title, unit string, bars []Bar) string {
	const left, width, row, top = 330.0, 380.0, 26.0, 44.0
	longest := 0.0
	for _, b := range bars {
		longest = max(longest, b.Max)
	}
	if longest == 0 {
		longest = 1
	}
	x := func(v float64) float64 { return left + max(v, 0)/longest*width }
	var s strings.Builder
	height := top + row*float64(len(bars)) + 12
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 %.0f" font-family="sans-serif" font-size="13">`+"\n", height)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&s, `<text x="12" y="24" font-size="15">%s</text>`+"\n", html.EscapeString(title))
	for i, b := range bars {
		y := top + row*float64(i)
		fmt.Fprintf(&s, `<text x="%.0f" y="%.0f" text-anchor="end">%s</text>`+"\n", left-8, y+14, html.EscapeString(b.Label))
		fmt.Fprintf(&s, `<rect x="%.0f" y="%.0f" width="%.1f" height="16" fill="#4878a8"/>`+"\n", left, y+2, x(b.Median)-left)
		fmt.Fprintf(&s, `<path d="M%.1f %.0fH%.1f" stroke="#222"/>`+"\n", x(b.Min), y+10, x(b.Max))
		fmt.Fprintf(&s, `<text x="%.1f" y="%.0f">%.1f %s</text>`+"\n", x(max(b.Max, b.Median))+6, y+14, b.Median, html.EscapeString(unit))
	}
	s.WriteString("</svg>\n")
	return s.String()
}
