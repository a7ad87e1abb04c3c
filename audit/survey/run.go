package survey

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/port843/port843/audit"
)

// Defaults of a run. A hundred connections a second is what one busy browser
// makes; ten into one /24 go unnoticed by anybody's firewall.
const (
	DefaultRate     = 100
	DefaultNetRate  = 10
	DefaultParallel = 512

	// waiting bounds the targets that were drawn and whose host or network is
	// not ready yet.
	waiting = 512
	// retries of a target that this machine could not try.
	retries = 2
	// Of the last spikeWindow targets, spikeErrors that this machine could not
	// try end the run: it is the machine, or its network, that is at fault.
	spikeWindow = 100
	spikeErrors = 50
)

// ErrSpike ends a run in which this machine cannot reach anything any more.
var ErrSpike = errors.New("too many targets in a row could not be tried from this machine")

// Run works through a plan. Fill it, call Do once.
type Run struct {
	Plan   *Plan // sealed
	Shard  int   // from 1 to Shards; 0 with Shards 0 is the whole
	Shards int

	Rate     float64 // connections a second, over all; 0: no limit
	NetRate  float64 // the same into each /24, or /64 of IPv6; 0: no limit
	Parallel int     // targets asked at the same time; 0: DefaultParallel
	PerHost  int     // the same on one host; 0: 1

	Live  bool   // try the ports that policies grant
	Lint  Linter // may be nil
	State *State // may be nil

	// Now is the clock of records; nil is the system's.
	Now func() time.Time

	done, total, connections atomic.Uint64
	errors                   atomic.Uint64
}

// Progress is how far a run has come. It may be asked for at any time.
type Progress struct {
	Done, Total, Connections, Errors uint64
}

// Progress returns how far the run has come.
func (r *Run) Progress() Progress {
	return Progress{r.done.Load(), r.total.Load(), r.connections.Load(), r.errors.Load()}
}

// Share returns how many targets the run's shard has.
func (r *Run) Share() uint64 {
	n := r.Plan.Count()
	if r.Shards <= 1 {
		return n
	}
	first := uint64(r.Shard - 1)
	if n <= first {
		return 0
	}
	return (n-first-1)/uint64(r.Shards) + 1
}

// job is one target on its way.
type job struct {
	position uint64
	target   audit.Target
	tries    int
}

// result is what came of a job.
type result struct {
	job
	record      Record
	connections int
	cancelled   bool
}

// loop is the state of Do: one goroutine's.
type loop struct {
	*Run
	ctx     context.Context
	cancel  context.CancelFunc
	sink    func(Record) error
	pace    *pace
	busy    map[netip.Addr]int
	waiting []job
	next    uint64 // position
	results chan result
	running int
	recent  [spikeWindow]bool // which of the last targets could not be tried
	seen    int
	group   sync.WaitGroup
}

// Do asks every target of the shard that the state does not know as done, and
// hands each record to sink, one at a time. Where ctx ends first, what is being
// asked is dropped, and nil is returned as for a whole run: the caller knows.
// An error of sink or of the state ends the run.
func (r *Run) Do(ctx context.Context, sink func(Record) error) error {
	if r.Shards < 0 || r.Shards > 0 && (r.Shard < 1 || r.Shard > r.Shards) {
		return fmt.Errorf("there is no shard %d of %d", r.Shard, r.Shards)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{
		Run: r, ctx: ctx, cancel: cancel, sink: sink, pace: newPace(r.Rate, r.NetRate),
		busy: map[netip.Addr]int{}, results: make(chan result),
	}
	if l.Parallel <= 0 {
		l.Parallel = DefaultParallel
	}
	if l.PerHost <= 0 {
		l.PerHost = 1
	}
	r.total.Store(r.Share())
	if r.State != nil {
		r.done.Store(r.State.Count())
	}
	if r.Shards > 0 {
		l.next = uint64(r.Shard - 1)
	}
	err := l.work()
	cancel()
	go func() {
		l.group.Wait()
		close(l.results)
	}()
	for range l.results { // what was still being asked is dropped
	}
	return err
}

func (l *loop) work() error {
	for {
		j, wait, ok := l.draw()
		if ok {
			l.launch(j)
			continue
		}
		if l.running == 0 && wait == 0 {
			return nil
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-l.ctx.Done():
			return nil
		case <-timer:
		case res := <-l.results:
			if err := l.finish(res); err != nil {
				return err
			}
		}
	}
}

// draw returns the next target that may be asked now. Without one it says how
// long until there may be one; 0 means that only the end of a running one can
// bring it.
func (l *loop) draw() (j job, wait time.Duration, ok bool) {
	if l.running >= l.Parallel || l.ctx.Err() != nil {
		return job{}, 0, false
	}
	now := time.Now()
	if d := l.pace.next.Sub(now); d > 0 {
		if len(l.waiting) == 0 && !l.more() {
			return job{}, 0, false
		}
		return job{}, d, false
	}
	for i, j := range l.waiting {
		if d := l.delay(j, now); d == 0 {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return j, 0, true
		} else if d > 0 && (wait == 0 || d < wait) {
			wait = d
		}
	}
	for len(l.waiting) < waiting {
		j, ok := l.position()
		if !ok {
			break
		}
		d := l.delay(j, now)
		if d == 0 {
			return j, 0, true
		}
		if d > 0 && (wait == 0 || d < wait) {
			wait = d
		}
		l.waiting = append(l.waiting, j)
	}
	return job{}, wait, false
}

// delay returns how long a target has to wait: 0 for not at all, less than 0
// until another one of its host is done.
func (l *loop) delay(j job, now time.Time) time.Duration {
	if l.busy[j.target.Addr.Addr()] >= l.PerHost {
		return -1
	}
	return max(0, l.pace.ready(j.target.Addr.Addr()).Sub(now))
}

func (l *loop) more() bool { return l.next < l.Plan.Count() }

// position returns the next target of the shard that is not done.
func (l *loop) position() (job, bool) {
	for l.more() {
		at := l.next
		l.next += uint64(max(l.Shards, 1))
		if l.State == nil || !l.State.Done(at) {
			return job{position: at, target: l.Plan.Target(at)}, true
		}
	}
	return job{}, false
}

func (l *loop) launch(j job) {
	l.running++
	l.busy[j.target.Addr.Addr()]++
	l.pace.take(j.target.Addr.Addr(), 1, time.Now())
	l.group.Go(func() {
		res := l.ask(j)
		l.results <- res
	})
}

// ask is what runs beside the loop.
func (l *loop) ask(j job) result {
	n := 0
	prober := audit.Prober{Connecting: func(audit.Target) { n++ }}
	o := prober.Probe(l.ctx, j.target)
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	rec := NewRecord(&o, l.Lint, now())
	if l.Live && o.Class == audit.ClassPolicy {
		rec.Life = prober.Live(l.ctx, j.target, o.Document)
	}
	return result{job: j, record: rec, connections: n, cancelled: l.ctx.Err() != nil}
}

func (l *loop) finish(res result) error {
	addr := res.target.Addr.Addr()
	l.running--
	if l.busy[addr]--; l.busy[addr] == 0 {
		delete(l.busy, addr)
	}
	l.connections.Add(uint64(res.connections))
	if res.connections > 1 {
		l.pace.take(addr, res.connections-1, time.Now())
	}
	if res.cancelled {
		return nil
	}
	failed := res.record.Class == audit.ClassError || res.record.Class == audit.Unreachable && res.record.ICMP == nil
	if l.spike(failed) {
		return ErrSpike
	}
	if res.record.Class == audit.ClassError {
		l.errors.Add(1)
		if res.tries++; res.tries <= retries {
			l.waiting = append(l.waiting, res.job)
			return nil
		}
	}
	// The sink comes first: killed in between, a run that is taken up again
	// says a record twice rather than never. Who wants neither lets the sink
	// begin anew from what OpenState replays.
	if err := l.sink(res.record); err != nil {
		return err
	}
	l.done.Add(1)
	if l.State == nil {
		return nil
	}
	return l.State.Add(res.position, &res.record)
}

// spike counts failures among the last targets.
func (l *loop) spike(failed bool) bool {
	l.recent[l.seen%spikeWindow] = failed
	l.seen++
	n := 0
	for _, f := range l.recent {
		if f {
			n++
		}
	}
	return n >= spikeErrors
}
