package web

import (
	"sync"
	"time"

	"github.com/port843/port843/server"
)

// An hour, looked at every ten seconds: a point for every two or three pixels
// of a chart on a wide screen; some 30 KB, and 40 KB for each front.
const (
	maxFronts   = 50 // with a history, and on the page
	sampleEvery = 10 * time.Second
	span        = time.Hour
	samples     = int(span/sampleEvery) + 1
)

// sample is what all listeners together had done by a moment, and each front.
type sample struct {
	at     time.Time
	ended  []uint64 // by server.Outcome
	open   int64
	fronts map[string]frontSample // by address
}

// frontSample is what one front had done by a moment.
type frontSample struct {
	open                                          int64
	webSockets, raw, policies, origins, noBackend uint64
	up, down                                      uint64
}

func sampleOf(v *View, at time.Time) sample {
	s := sample{at: at, ended: make([]uint64, len(server.Outcomes()))}
	for _, l := range v.Listeners {
		s.open += l.Stats.Open
		for o, n := range l.Stats.Ended {
			s.ended[o] += n
		}
	}
	if len(v.Fronts) > 0 {
		s.fronts = make(map[string]frontSample, min(len(v.Fronts), maxFronts))
	}
	for _, f := range v.Fronts[:min(len(v.Fronts), maxFronts)] {
		c := f.Stats
		s.fronts[f.Address] = frontSample{c.Open, c.WebSockets, c.Raw, c.Policies, c.Origins, c.NoBackend, c.Up, c.Down}
	}
	return s
}

// history is a ring of the last hour's samples. It may be used by several
// goroutines.
type history struct {
	mu   sync.Mutex
	ring [samples]sample
	n    int // samples ever added
}

func (h *history) add(s sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[h.n%samples] = s
	h.n++
}

// last returns the samples of the hour before now, the oldest first.
func (h *history) last(now time.Time) []sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]sample, 0, samples)
	for i := max(0, h.n-samples); i < h.n; i++ {
		if s := h.ring[i%samples]; now.Sub(s.at) <= span {
			out = append(out, s)
		}
	}
	return out
}

// point is a value at a moment.
type point struct {
	at    time.Time
	value float64
}

// minRate is the least time over which a rate is taken: over less, a single
// exchange looks like a crowd.
const minRate = time.Second

// rates turns a counter of the samples into what it grew by, per second.
func rates(ss []sample, counter func(sample) uint64) []point {
	var out []point
	for i := 1; i < len(ss); i++ {
		took := ss[i].at.Sub(ss[i-1].at)
		before, after := counter(ss[i-1]), counter(ss[i])
		if took < minRate || after < before {
			continue
		}
		out = append(out, point{ss[i].at, float64(after-before) / took.Seconds()})
	}
	return out
}

// gauges returns a value of the samples as it was.
func gauges(ss []sample, gauge func(sample) float64) []point {
	out := make([]point, len(ss))
	for i, s := range ss {
		out[i] = point{s.at, gauge(s)}
	}
	return out
}
