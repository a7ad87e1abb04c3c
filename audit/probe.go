package audit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/port843/port843/internal/dial"
)

// Prober asks targets. The zero value is ready, and may be used by any number
// of goroutines.
type Prober struct {
	// Connecting, if not nil, is told of each attempt to connect before it is
	// made: what a rate is counted by. It must not block for long, for its
	// time is the target's.
	Connecting func(Target)
}

// Probe asks the target until it is classified, for [Budget] at most. Where ctx
// ends first the observation is a [ClassError].
func (p *Prober) Probe(ctx context.Context, target Target) Observation {
	began := time.Now()
	deadline := began.Add(Budget - reserve)
	ctx, cancel := context.WithDeadline(ctx, began.Add(Budget))
	defer cancel()
	first := p.begin(ctx, target, began, deadline)
	defer first.cancel()

	var further []Conversation
	for {
		open := first.wait(ctx, further)
		if ctx.Err() != nil && open {
			first.cancel()
			<-first.done
		}
		cs := append([]Conversation{first.record()}, further...)
		next := Next(cs)
		left := time.Until(deadline)
		if next != "" && left >= reserve && ctx.Err() == nil {
			p.tell(target)
			a := asking{target: target, question: next, began: began, deadline: deadline}
			if cs[0].Total > 0 {
				a.pace = time.Duration(cs[0].First - cs[0].Asked)
			}
			further = append(further, converse(ctx, a))
			continue
		}
		if open && (next != "" || judge(cs).class == ClassSilent) {
			// All is asked. Only the first conversation may still say something.
			<-first.done
			continue
		}
		if open {
			// Beside its silence something else has been said. A policy server
			// that shares the port and is slow gets a little longer.
			if !first.linger(ctx, began.Add(2*time.Second)) {
				first.cancel()
				<-first.done
				cs = append([]Conversation{first.silence()}, further...)
				return Classify(target, cs)
			}
			continue
		}
		return Classify(target, cs)
	}
}

func (p *Prober) tell(target Target) {
	if p.Connecting != nil {
		p.Connecting(target)
	}
}

// opening is the first conversation, which may go on beside the others.
type opening struct {
	done   chan struct{}
	cancel context.CancelFunc

	connected chan struct{} // closed when the connection is there
	heard     atomic.Bool   // a byte has come
	mu        sync.Mutex
	rec       Conversation // the record as far as it is known; whole when done is closed
}

func (p *Prober) begin(ctx context.Context, target Target, began, deadline time.Time) *opening {
	p.tell(target)
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{done: make(chan struct{}), connected: make(chan struct{}), cancel: cancel}
	o.rec = Conversation{Question: AskRequest, Sent: AskRequest.bytes(), Outcome: dial.Established, End: EndSilence}
	connected := func() {
		o.mu.Lock()
		o.rec.Connect = Millis(time.Since(began))
		o.mu.Unlock()
		close(o.connected)
	}
	go func() {
		defer close(o.done)
		rec := converse(ctx, asking{
			target: target, question: AskRequest, began: began, deadline: deadline,
			connected: connected, heard: func() { o.heard.Store(true) },
		})
		o.mu.Lock()
		o.rec = rec
		o.mu.Unlock()
	}()
	return o
}

func (o *opening) record() Conversation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rec
}

// silence is the record of a first conversation that we hung up on.
func (o *opening) silence() Conversation {
	c := o.record()
	if c.Total == 0 {
		c.End = EndHangup
	}
	return c
}

// wait waits until the first conversation is over, or counts as silent; then
// it reports true: it is still open. Beside it further questions were asked.
func (o *opening) wait(ctx context.Context, further []Conversation) bool {
	select {
	case <-o.done:
		return false
	case <-o.connected:
	}
	patience := time.NewTimer(silentAfter)
	defer patience.Stop()
	if len(further) > 0 {
		patience.Reset(0)
	}
	select {
	case <-o.done:
		return false
	case <-ctx.Done():
		return true
	case <-patience.C:
	}
	if o.heard.Load() {
		<-o.done
		return false
	}
	select {
	case <-o.done:
		return false
	default:
		return true
	}
}

// linger waits until the first conversation is over, or until the time has
// come, and reports whether it is over.
func (o *opening) linger(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-o.done:
		return true
	case <-ctx.Done():
	case <-timer.C:
		if o.heard.Load() {
			<-o.done
			return true
		}
	}
	return false
}
