package report

import "fmt"

// Target is a bound on a figure of the subject. With Of it is a bound on the
// ratio to that contender's figure; the contender [bestPeer] stands for the
// best of the peers that answer correctly.
type Target struct {
	Text, Measure, Key string
	Of                 string
	AtLeast            bool // the bound is a least, not a most
	Bound              float64
	Worst              bool // every round has to hold it
}

const bestPeer = "*"

// Targets are what the engine is built to reach.
var Targets = []Target{
	{Text: "server CPU per exchange under quota, to the C reference", Measure: "cap", Key: CPU, Of: Reference, Bound: 1.05},
	{Text: "the same at 1,000 a second", Measure: "open", Key: CPU, Of: Reference, Bound: 1.10},
	{Text: "the same with the late request", Measure: "late", Key: CPU, Of: Reference, Bound: 1.10},
	{Text: "server CPU per exchange under quota, to the one-threaded C server", Measure: "cap", Key: CPU, Of: "cserver-1", Bound: 1.10},
	{Text: "the same saturated", Measure: "saturated", Key: CPU, Of: "cserver-1", Bound: 1.10},
	{Text: "system calls per exchange", Measure: "calls", Key: Calls, Bound: 4.1},
	{Text: "segments per exchange", Measure: "open", Key: Segments, Bound: 7.005},
	{Text: "exchanges under quota, to nginx return", Measure: "cap", Key: PerSecond, Of: "nginx", AtLeast: true, Bound: 1.7},
	{Text: "exchanges under quota, to the naive Go server", Measure: "cap", Key: PerSecond, Of: "naive", AtLeast: true, Bound: 2.5},
	{Text: "exchanges under quota, to HAProxy", Measure: "cap", Key: PerSecond, Of: "haproxy", AtLeast: true, Bound: 4},
	{Text: "exchanges under quota, to policyfile", Measure: "cap", Key: PerSecond, Of: "policyfile", AtLeast: true, Bound: 5},
	{Text: "exchanges saturated, to the best peer that answers correctly", Measure: "saturated", Key: PerSecond, Of: bestPeer, AtLeast: true, Bound: 1},
	{Text: "user memory per idle connection at 19,000, bytes", Measure: "idle19", Key: User, Bound: 64},
	{Text: "failed requests beside 50,000 dribbling connections", Measure: "dribble", Key: Failed, Worst: true},
	{Text: "exchanges beside them with four processes, to nginx return", Measure: "dribble4", Key: PerSecond, Of: "nginx", AtLeast: true, Bound: 1.5},
	{Text: "failed requests with descriptors exhausted", Measure: "exhausted", Key: Failed, Worst: true},
	{Text: "cores used then, without the good client", Measure: "exhausted", Key: CoresAlone, Bound: 0.1},
	{Text: "answers lost for good at 5 % loss", Measure: "loss5", Key: Failed, Worst: true},
}

// Outcome is what a target came to.
type Outcome struct {
	Target
	Figure   float64
	Measured bool // false: one of the two figures is not there
	Met      bool
	Against  string // the contender it was compared with, or ""
}

// Outcomes compares the results with the targets.
func (r *Results) Outcomes() []Outcome {
	var out []Outcome
	for _, t := range Targets {
		o := Outcome{Target: t, Against: t.Of}
		switch t.Of {
		case "":
			o.Figure, o.Measured = r.Figure(t.Measure, Subject, Column{Key: t.Key, Worst: t.Worst})
		case bestPeer:
			o.Against = r.correctPeer(t.Measure, t.Key)
			o.Figure, o.Measured = r.Ratio(t.Measure, t.Key, Subject, o.Against)
		default:
			o.Figure, o.Measured = r.Ratio(t.Measure, t.Key, Subject, t.Of)
		}
		if t.AtLeast {
			o.Met = o.Measured && o.Figure >= t.Bound
		} else {
			o.Met = o.Measured && o.Figure <= t.Bound
		}
		out = append(out, o)
	}
	return out
}

// peers are what other people run; the C servers are a yardstick, and no peer.
func peer(id string) bool {
	switch id {
	case "cserver-1", "cserver-2", Subject, Subject + "-portable":
		return false
	}
	return true
}

// correctPeer is the peer with the largest figure among those that failed no
// exchange and ended none by RST; "" where there is none.
func (r *Results) correctPeer(measure, key string) string {
	best, most := "", 0.0
	for _, c := range r.Contenders {
		f, _ := r.Figure(measure, c.ID, Column{Key: Failed, Worst: true})
		rst, _ := r.Figure(measure, c.ID, Column{Key: Resets, Worst: true})
		v, ok := r.Figure(measure, c.ID, Column{Key: key})
		if ok && peer(c.ID) && f == 0 && rst == 0 && v > most {
			best, most = c.ID, v
		}
	}
	return best
}

func (o Outcome) bound() string {
	if o.AtLeast {
		return fmt.Sprintf("≥ %.4g", o.Bound)
	}
	return fmt.Sprintf("≤ %.4g", o.Bound)
}

func (o Outcome) verdict() string {
	switch {
	case !o.Measured:
		return "not measured"
	case o.Met:
		return "met"
	}
	return "**missed**"
}
