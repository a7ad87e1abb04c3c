package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Plot is a bar chart, one group of horizontal bars a contender.
type Plot struct {
	File    string // name below docs/performance/
	Title   string // with its unit
	Measure string
	Keys    []Column // a bar each
	Log     bool     // logarithmic axis, for latencies
}

// Plots are what the page shows.
var Plots = []Plot{
	{File: "cap.svg", Title: "exchanges per second at 0.25 CPU (longer is better)", Measure: "cap", Keys: []Column{perSecond}},
	{File: "cpu.svg", Title: "server CPU per exchange at 1,000 a second, µs (shorter is better)", Measure: "open", Keys: []Column{cpu}},
	{File: "latency.svg", Title: "latency at 1,000 a second, µs, logarithmic (shorter is better)", Measure: "open", Keys: []Column{p50, p99, p999}, Log: true},
	{File: "memory.svg", Title: "user memory per idle connection, bytes, logarithmic (shorter is better)", Measure: "idle10", Keys: memory[1:2], Log: true},
}

// Geometry, in pixels; colours that are told apart in grey as well.
const (
	plotWidth, plotLeft, plotRight = 760, 190, 90
	barHeight, barGap, groupGap    = 14, 2, 10
	plotTop                        = 44
)

var colours = []string{"#2b6cb0", "#90b4d8", "#1a365d"}

// SVG draws the plot; ok is false where nothing of it was measured.
func SVG(r *Results, p Plot) (svg string, ok bool) {
	var b strings.Builder
	y, most := plotTop, 0.0
	for _, c := range r.Contenders {
		for _, k := range p.Keys {
			if v, ok := r.Figure(p.Measure, c.ID, k); ok {
				most = max(most, v)
			}
		}
	}
	if most <= 0 {
		return "", false
	}
	for _, c := range r.Contenders {
		if r.rounds(p.Measure, c.ID) == 0 {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-8, y+barHeight-3, html.EscapeString(c.Title))
		for i, k := range p.Keys {
			v, ok := r.Figure(p.Measure, c.ID, k)
			if !ok {
				continue
			}
			w := length(v, most, p.Log)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", plotLeft, y, w, barHeight, colours[i])
			fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", plotLeft+w+5, y+barHeight-3, number(v, k.Digits))
			y += barHeight + barGap
		}
		y += groupGap
	}
	legend := ""
	if len(p.Keys) > 1 {
		for i, k := range p.Keys {
			x := plotLeft + 90*i
			legend += fmt.Sprintf(`<rect x="%d" y="26" width="10" height="10" fill="%s"/><text x="%d" y="35">%s</text>`+"\n", x, colours[i], x+14, html.EscapeString(k.Title))
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="8" y="18" font-size="14" font-weight="bold">%s</text>
%s%s</svg>
`, plotWidth, y, plotWidth, y, html.EscapeString(p.Title), html.EscapeString(p.Title), legend, b.String()), true
}

// length is a bar's, in pixels: at least one, so that a small value shows.
func length(v, most float64, log bool) float64 {
	full := float64(plotWidth - plotLeft - plotRight)
	if log {
		return max(1, full*math.Log1p(max(0, v))/math.Log1p(most))
	}
	return max(1, full*v/most)
}
