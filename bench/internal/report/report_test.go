package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// sample is a run of three rounds whose figures are easy to check by hand. The
// machine drifts: each round is twice as slow as the one before.
func sample() *Results {
	r := &Results{Rounds: 3, Heavy: 3, Contenders: []Contender{
		{ID: "cserver-1", Title: "C1"}, {ID: Reference, Title: "C2"}, {ID: Subject, Title: "port843", Bytes: 5e6},
		{ID: "nginx", Title: "nginx <return>"}, {ID: "nginx-njs", Title: "njs"}, {ID: "naive", Title: "naive"},
	}}
	add := func(round int, measure, contender string, v map[string]float64) {
		r.Samples = append(r.Samples, Sample{Round: round, Measure: measure, Contender: contender, Values: v})
	}
	for round := 1; round <= 3; round++ {
		drift := float64(int(1) << round)
		add(round, "cap", Reference, map[string]float64{CPU: 10 * drift, PerSecond: 20000 / drift})
		add(round, "cap", "cserver-1", map[string]float64{CPU: 8 * drift, PerSecond: 30000 / drift})
		add(round, "cap", Subject, map[string]float64{CPU: 10.4 * drift, PerSecond: 18000 / drift})
		add(round, "cap", "nginx", map[string]float64{CPU: 17 * drift, PerSecond: 10000 / drift, Resets: 1})
		add(round, "saturated", Subject, map[string]float64{PerSecond: 900})
		add(round, "saturated", "nginx", map[string]float64{PerSecond: 5000, Resets: 0.9})
		add(round, "saturated", "nginx-njs", map[string]float64{PerSecond: 1000})
		add(round, "saturated", "naive", map[string]float64{PerSecond: 2000, Failed: float64(round / 3)})
		add(round, "saturated", "cserver-1", map[string]float64{PerSecond: 9000})
		add(round, "dribble", Subject, map[string]float64{Failed: float64(round / 3), PerSecond: 100})
		add(round, "open", Subject, map[string]float64{CPU: 12, P50: 80, P99: 200, P999: 1234567, Segments: 7})
	}
	r.Samples = append(r.Samples, Sample{Round: 2, Measure: "cap", Contender: "naive", Note: "it has ended"})
	return r
}

func outcome(t *testing.T, r *Results, text string) Outcome {
	t.Helper()
	for _, o := range r.Outcomes() {
		if o.Text == text {
			return o
		}
	}
	t.Fatalf("no target %q", text)
	return Outcome{}
}

func TestRatiosStandWhereFiguresDrift(t *testing.T) {
	r := sample()
	if v, ok := r.Ratio("cap", CPU, Subject, Reference); !ok || v < 1.0399 || v > 1.0401 {
		t.Errorf("ratio %v, %v; want 1.04 in every round", v, ok)
	}
	if v, ok := r.Figure("cap", Reference, Column{Key: CPU}); !ok || v != 40 {
		t.Errorf("median %v, %v; want 40", v, ok)
	}
	if v, ok := r.Figure("dribble", Subject, Column{Key: Failed, Worst: true}); !ok || v != 1 {
		t.Errorf("worst %v, %v; want 1", v, ok)
	}
	if _, ok := r.Ratio("cap", CPU, Subject, "haproxy"); ok {
		t.Error("a ratio to a contender that was not there")
	}
}

func TestTargetsAreMetOrMissed(t *testing.T) {
	r := sample()
	for _, c := range []struct {
		text     string
		measured bool
		met      bool
		against  string
	}{
		{"server CPU per exchange under quota, to the C reference", true, true, Reference},
		{"server CPU per exchange under quota, to the one-threaded C server", true, false, "cserver-1"},
		{"exchanges under quota, to nginx return", true, true, "nginx"},
		{"exchanges under quota, to HAProxy", false, false, "haproxy"},
		// nginx ends by RST and naive failed once: the best of the rest counts.
		{"exchanges saturated, to the best peer that answers correctly", true, false, "nginx-njs"},
		{"failed requests beside 50,000 dribbling connections", true, false, ""},
		{"segments per exchange", true, true, ""},
	} {
		o := outcome(t, r, c.text)
		if o.Measured != c.measured || o.Met != c.met || o.Against != c.against {
			t.Errorf("%s: %+v", c.text, o)
		}
	}
}

func TestTables(t *testing.T) {
	var b strings.Builder
	if err := Tables(&b, sample()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"| met", "**missed**", "not measured", "1,234,567", "- naive, round 2: it has ended", "## Saturated", "(nginx-njs)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "## Start") {
		t.Error("a table for a measure that was not run")
	}
	columns := 0
	for line := range strings.Lines(text) {
		n := strings.Count(line, "|")
		if n > 0 && columns > 0 && n != columns {
			t.Errorf("a row with %d bars below one with %d: %s", n, columns, line)
		}
		columns = n
	}
}

func TestPageAndPlotsAreWellFormed(t *testing.T) {
	r := sample()
	r.Profile = []Share{{"close", 60}, {"accept4", 39.5}, {"x", 0.3}, {"y", 0.2}}
	var b strings.Builder
	if err := Page(&b, r); err != nil {
		t.Fatal(err)
	}
	drawn := 0
	for _, p := range Plots {
		svg, ok := SVG(r, p)
		if strings.Contains(b.String(), p.File) != ok {
			t.Errorf("%s: drawn is %v, and the page says otherwise", p.File, ok)
		}
		if !ok {
			continue
		}
		drawn++
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", p.File, err, svg)
			}
		}
	}
	if drawn != 3 {
		t.Errorf("%d plots were drawn, want those for cap and open, 3", drawn)
	}
	if !strings.Contains(b.String(), "all others, each below 1") {
		t.Error("small shares of the profile are not summed up")
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{{0, 0, "0"}, {999, 0, "999"}, {1000, 0, "1,000"}, {1234567.891, 2, "1,234,567.89"}, {-1234, 0, "-1,234"}, {-999, 0, "-999"}, {999.96, 1, "1,000.0"}} {
		if got := number(c.v, c.digits); got != c.want {
			t.Errorf("%v with %d digits is %q, want %q", c.v, c.digits, got, c.want)
		}
	}
}
