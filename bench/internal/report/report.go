// Package report turns what the benchmark measured into what people read: a
// text of tables with medians, ratios and targets, docs/performance.md, and
// its plots. It measures nothing and touches no files.
//
// [Results] is the record of a run, as it stands in results.json. [Tables]
// writes it as Markdown, [Page] as the whole page with method and plots.
//
// A ratio is made within each round, of two figures that were measured within
// seconds of each other, and the median of the rounds' ratios is shown: a
// machine drifts, by a quarter and more, and a ratio of two medians from
// different minutes would carry the drift.
package report

import (
	"slices"

	"github.com/port843/port843/bench/internal/tally"
)

// Results is one run of the benchmark. Samples may be incomplete: a run that
// was interrupted leaves what it has.
type Results struct {
	Machine    Machine
	Rounds     int  // asked for
	Heavy      int  // rounds of the measures that take long
	Quick      bool // shortened: figures are for a smoke test only
	Contenders []Contender
	Samples    []Sample
	LeftOut    []string // what was not measured, and why
	Profile    []Share  // where port843's time went, empty where perf was not to be had
}

// Machine is where the run took place.
type Machine struct {
	Date, CPU, Kernel, Go string
	Cores                 int
	MemoryMB              int64
	Load                  string // load average when the run began: it should be near 0
	Accounting            string // how CPU was counted
	Loss                  string // how packets were lost
	Descriptors           uint64 // that each process may have
}

// Contender is one server that took part.
type Contender struct {
	ID, Title, Version, About string
	Bytes                     int64 // size of the program's file, 0 where there is none of its own
}

// Sample is one measure of one contender in one round.
type Sample struct {
	Round     int
	Measure   string
	Contender string
	Values    map[string]float64
	Note      string // what went wrong, in which case Values may be empty
}

// Share is a part of the server's time.
type Share struct {
	Name    string
	Percent float64
}

// series returns a value per round, by round.
func (r *Results) series(measure, contender, key string) map[int]float64 {
	out := map[int]float64{}
	for _, s := range r.Samples {
		if v, ok := s.Values[key]; ok && s.Measure == measure && s.Contender == contender {
			out[s.Round] = v
		}
	}
	return out
}

// Figure returns the median over the rounds, or for counts of failures, where
// one is one too many, the largest. ok is false where nothing was measured.
func (r *Results) Figure(measure, contender string, c Column) (v float64, ok bool) {
	var all []float64
	for _, x := range r.series(measure, contender, c.Key) {
		all = append(all, x)
	}
	if len(all) == 0 {
		return 0, false
	}
	if c.Worst {
		return slices.Max(all), true
	}
	return tally.Median(all)
}

// Ratio returns the median over the rounds of a's value divided by b's of the
// same round. ok is false where no round has both, or b's are 0.
func (r *Results) Ratio(measure, key, a, b string) (v float64, ok bool) {
	of := r.series(measure, b, key)
	var all []float64
	for round, x := range r.series(measure, a, key) {
		if y := of[round]; y != 0 {
			all = append(all, x/y)
		}
	}
	return tally.Median(all)
}

// rounds is the number of rounds in which the contender has values.
func (r *Results) rounds(measure, contender string) int {
	n := map[int]bool{}
	for _, s := range r.Samples {
		if s.Measure == measure && s.Contender == contender && len(s.Values) > 0 {
			n[s.Round] = true
		}
	}
	return len(n)
}
