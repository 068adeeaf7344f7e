package rig

import "slices"

// Summary is a median with quartiles, and the extremes of the figures that it was
// taken from.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// Lower and Upper are the quartiles.
	Lower float64 `json:"lower_quartile"`
	Upper float64 `json:"upper_quartile"`
}

// Summarize returns the summary of some figures. It returns the zero Summary if
// there are none.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{
		Median: at(sorted, 0.5), Min: sorted[0], Max: sorted[len(sorted)-1], Lower: at(sorted, 0.25), Upper: at(sorted, 0.75),
	}
}

// at returns a quantile of sorted figures, between the two next to it.
func at(sorted []float64, q float64) float64 {
	place := q * float64(len(sorted)-1)
	below := int(place)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (place-float64(below))*(sorted[below+1]-sorted[below])
}
