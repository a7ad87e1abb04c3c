// Package tally holds what the benchmark counts: the orders that the harness
// gives a load generator, the report that comes back, the histogram of
// latencies in it, and the few statistics that are made of reports.
//
// A [Plan] goes to a generator as one line of JSON on its standard input, a
// [Report] comes back as one line on its standard output. Reports of several
// processes are added with [Report.Add].
package tally

import (
	"slices"
	"time"
)

// Mode is what a generator does with its connections.
type Mode string

const (
	// Closed keeps Plan.Concurrency connections going: each that ends is
	// followed by the next at once. It finds out how much a server can do.
	Closed Mode = "closed"
	// Open begins Plan.Rate connections a second at fixed times, whether the
	// server keeps up or not, and counts latency from the time that was due:
	// a stall shows in every request that fell into it.
	Open Mode = "open"
	// Hold opens Plan.Concurrency connections, sends the first byte of a
	// request on each, and keeps them until it is told to stop. With
	// Plan.Every it sends one byte more on each after every such time.
	Hold Mode = "hold"
)

// Plan says what one load generator does. Durations are nanoseconds in JSON.
type Plan struct {
	Mode        Mode
	Server      [4]byte       // the server's IPv4 address; the zero value: 127.0.0.1
	Port        int           // of the server
	Answer      []byte        // expected, to the byte
	Duration    time.Duration // for how long new connections are begun; Hold: at most
	Timeout     time.Duration // for a whole exchange
	Concurrency int           // Closed: at a time; Open: at most at a time; Hold: as many
	Rate        float64       // Open: exchanges a second; Hold: new connections a second
	Late        time.Duration // the request follows so long after the connect; 0 with it
	Every       time.Duration // Hold: a byte after every such time; 0 never
	Return      time.Duration // Hold: a connection that was closed comes back after so long; 0 never
	Network     int           // 1 to 250: source addresses are taken from 127.Network.0.0/16, or from 10.Network.0.0/16 with a Server
	Sources     int           // how many source addresses, at most 60,000
	Most        int64         // bound on the number of connections; 0 means 50 million
}

// Counts says how exchanges ended. Each that was begun is in exactly one of
// the fields after Begun, those still open when a generator gives up being
// timeouts.
type Counts struct {
	Begun    int64
	Right    int64 // the answer, then FIN
	Reset    int64 // the whole answer, but RST instead of FIN
	Lost     int64 // RST before the answer was complete: gone for good
	Cut      int64 // FIN before the answer was complete
	Wrong    int64 // other bytes, or more
	Timeouts int64 // nothing, or not all of it, within the time allowed
	Refused  int64 // no connection
	Shed     int64 // not begun, because the generator was at its bound: the run is void
}

// Answered is the number of exchanges in which the client got what it asked
// for, however the connection ended.
func (c *Counts) Answered() int64 { return c.Right + c.Reset }

// Failed is the number of exchanges in which the client got no right answer.
func (c *Counts) Failed() int64 {
	return c.Lost + c.Cut + c.Wrong + c.Timeouts + c.Refused + c.Shed
}

// Report is what a generator found.
type Report struct {
	Counts
	Window   int64   // exchanges answered before Duration was over
	Seconds  float64 // the time over which Window counts
	Latency  Histogram
	Ready    bool   // Hold: a first report, all connections have been begun
	Holding  int64  // Hold: open at the end
	Shut     int64  // Hold: closed by the server, and begun again
	CPU      int64  // nanoseconds this generator used, user and system
	Complain string // what kept the generator from its work; the run is void
}

// Add adds another process's report of the same run.
func (r *Report) Add(o *Report) {
	for _, p := range []struct{ to, from *int64 }{
		{&r.Begun, &o.Begun}, {&r.Right, &o.Right}, {&r.Reset, &o.Reset}, {&r.Lost, &o.Lost},
		{&r.Cut, &o.Cut}, {&r.Wrong, &o.Wrong}, {&r.Timeouts, &o.Timeouts}, {&r.Refused, &o.Refused},
		{&r.Shed, &o.Shed}, {&r.Window, &o.Window}, {&r.Holding, &o.Holding}, {&r.Shut, &o.Shut}, {&r.CPU, &o.CPU},
	} {
		*p.to += *p.from
	}
	r.Seconds = max(r.Seconds, o.Seconds)
	r.Latency.Add(&o.Latency)
	if r.Complain == "" {
		r.Complain = o.Complain
	}
}

// PerSecond is the rate of answered exchanges, 0 where nothing was timed.
func (r *Report) PerSecond() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Window) / r.Seconds
}

// Median returns the middle value of v, the mean of the two middle ones where
// their number is even; ok is false where v is empty. v is not changed.
func Median(v []float64) (m float64, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	s := slices.Sorted(slices.Values(v))
	h := len(s) / 2
	if len(s)%2 == 1 {
		return s[h], true
	}
	return (s[h-1] + s[h]) / 2, true
}
