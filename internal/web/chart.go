package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The size of a chart in its own units; the page stretches it.
const (
	chartWidth  = 720.0
	chartHeight = 100.0
)

// leastSpan is the least time that a chart shows: a young process has no hour.
const leastSpan = 5 * time.Minute

// chart is a curve over the last hour, or since the first point, ready for the
// page: the right edge is now, the lower edge 0, the upper edge Max.
type chart struct {
	Title string
	Unit  string
	Since string // the left edge
	Now   string // the newest value
	Max   string // the greatest within the hour
	Line  string // the points of a polyline; empty: fewer than two
	Area  string // the same, closed to the lower edge
	Label string // the curve in words, for who does not see it
}

// bytesPerSecond is the unit whose values are written as bytes.
const bytesPerSecond = "a second"

// newChart draws the points, which are in the order of time.
func newChart(title, unit string, points []point, now time.Time) chart {
	c := chart{Title: title, Unit: unit, Now: "0", Max: "0"}
	var top, newest float64
	for _, p := range points {
		top = max(top, p.value)
		newest = p.value
	}
	figure := Figure
	if unit == bytesPerSecond {
		figure = func(v float64) string { return Bytes(uint64(v + 0.5)) }
	}
	c.Now, c.Max = figure(newest), figure(top)
	shown := leastSpan
	if len(points) > 0 {
		shown = min(max(shown, now.Sub(points[0].at)), span)
	}
	c.Since = Span(shown) + " ago"
	c.Label = fmt.Sprintf("%s, for %s: now %s %s, at most %s", title, Span(shown), c.Now, unit, c.Max)
	if len(points) < 2 {
		return c
	}
	scale := top
	if scale == 0 {
		scale = 1
	}
	var line strings.Builder
	x := func(at time.Time) float64 { return chartWidth * (1 - now.Sub(at).Seconds()/shown.Seconds()) }
	for _, p := range points {
		fmt.Fprintf(&line, "%.1f,%.1f ", x(p.at), chartHeight*(1-p.value/scale))
	}
	c.Line = strings.TrimSuffix(line.String(), " ")
	c.Area = fmt.Sprintf("%.1f,%.0f %s %.1f,%.0f", x(points[0].at), chartHeight, c.Line, x(points[len(points)-1].at), chartHeight)
	return c
}

// Figure writes a number with as many digits as can be read at a glance.
func Figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.01:
		return "<0.01"
	case v < 10:
		return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
	case v < 100:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return Grouped(uint64(v + 0.5))
}

// Grouped writes a number with a comma before every three digits.
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Ago says how long ago a moment was, in the one unit that tells most.
func Ago(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return Span(now.Sub(at)) + " ago"
}

// Span writes a duration in its greatest unit.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(max(d, 0)/time.Second)) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}
