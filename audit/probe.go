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
	ctx, cancel := context.WithDeadline(ctx, began.Add(Budget))
	s := &session{prober: p, ctx: ctx, target: target, began: began, deadline: began.Add(Budget - reserve)}
	defer func() {
		cancel()
		s.finish()
	}()
	s.start(AskRequest, 0).wait(ctx, 0)
	for {
		s.settle()
		cs := s.records()
		questions := pending(cs)
		switch open := s.open(); {
		case ctx.Err() != nil:
			cancel()
			s.finish()
			return Classify(target, s.records())
		case len(questions) > 0 && time.Until(s.deadline) >= reserve:
			s.ask(questions, len(open) > 0)
		case len(open) == 0:
			return Classify(target, cs)
		case judge(cs).class == ClassSilent:
			// All is asked. Only those who were silent so far may still speak.
			s.waitAny(open)
		case !s.lingered():
			cancel()
			s.finish()
			return Classify(target, s.hungUp())
		}
	}
}

// session is one observation while it is being made.
type session struct {
	prober   *Prober
	ctx      context.Context
	target   Target
	began    time.Time
	deadline time.Time
	talks    []*running
}

// running is a conversation that may go on beside others.
type running struct {
	done      chan struct{}
	connected chan struct{} // closed when the connection is there
	heard     atomic.Bool   // a byte has come
	mu        sync.Mutex
	rec       Conversation // as far as it is known; whole when done is closed
}

func (s *session) start(q Question, share time.Duration) *running {
	if f := s.prober.Connecting; f != nil {
		f(s.target)
	}
	r := &running{done: make(chan struct{}), connected: make(chan struct{})}
	at := time.Now()
	r.rec = Conversation{Question: q, Sent: q.bytes(), Outcome: dial.Established, End: EndSilence, At: Millis(at.Sub(s.began))}
	a := asking{target: s.target, question: q, began: s.began, deadline: s.deadline, share: share, heard: func() { r.heard.Store(true) }}
	if len(s.talks) > 0 && s.talks[0].record().Total > 0 {
		first := s.talks[0].record()
		a.pace = time.Duration(first.First - first.Asked)
	} else if len(s.talks) > 0 && s.talks[0].isOpen() && q == AskGet {
		a.pace = Budget // it may take as long as the silent one
	}
	a.connected = func() {
		r.mu.Lock()
		r.rec.Connect = Millis(time.Since(at))
		r.mu.Unlock()
		close(r.connected)
	}
	s.talks = append(s.talks, r)
	go func() {
		defer close(r.done)
		rec := converse(s.ctx, a)
		r.mu.Lock()
		r.rec = rec
		r.mu.Unlock()
	}()
	return r
}

// ask has one more conversation. Beside a first one that is silent, the web's
// question stays open too: a web server that waits for the end of a line does
// not mind the first, and may be as slow as anybody. Where this machine is so
// busy that the questions no longer fit one behind the other, the rest of them
// are asked at once.
func (s *session) ask(questions []Question, beside bool) {
	// Each gets its share of the time, so that the last is asked too.
	left := time.Until(s.deadline) - reserve
	share := min(sideWait, left/time.Duration(len(questions)))
	if beside && len(questions) > 1 && share < sideWait/2 {
		var rest []*running
		for _, q := range questions {
			rest = append(rest, s.start(q, left))
		}
		for _, r := range rest {
			<-r.done
		}
		return
	}
	r := s.start(questions[0], max(share, reserve))
	if beside && questions[0] == AskGet {
		r.wait(s.ctx, share)
		return
	}
	<-r.done
}

func (s *session) records() []Conversation {
	cs := make([]Conversation, len(s.talks))
	for i, r := range s.talks {
		cs[i] = r.record()
	}
	return cs
}

// hungUp is the records of which those without a word are ours to end.
func (s *session) hungUp() []Conversation {
	cs := s.records()
	for i := range cs {
		if cs[i].Outcome == dial.Established && cs[i].Total == 0 && cs[i].End == EndSilence {
			cs[i].End = EndHangup
		}
	}
	return cs
}

// settle waits for the conversations in which something has been said.
func (s *session) settle() {
	for _, r := range s.talks {
		if r.heard.Load() {
			<-r.done
		}
	}
}

func (s *session) open() []*running {
	var open []*running
	for _, r := range s.talks {
		if r.isOpen() {
			open = append(open, r)
		}
	}
	return open
}

// waitAny waits until the first or the last of the open ones is over: the
// first conversation and the web's question are all that stays open.
func (s *session) waitAny(open []*running) {
	select {
	case <-open[0].done:
	case <-open[len(open)-1].done:
	}
}

// lingered gives a first conversation that is silent until two seconds are
// over, where beside it something else was said: a policy server that shares
// its port may be slow. It reports whether something came.
func (s *session) lingered() bool {
	first := s.talks[0]
	first.wait(s.ctx, time.Until(s.began.Add(2*time.Second)))
	return !first.isOpen() && !(len(s.open()) > 0 && first.record().Total == 0) || first.heard.Load()
}

// finish waits for the ends of all conversations; their context has ended.
func (s *session) finish() {
	for _, r := range s.talks {
		<-r.done
	}
}

func (r *running) record() Conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec
}

func (r *running) isOpen() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// wait waits until the conversation is over, or has been silent for patience
// since it was connected (silentAfter, where that is 0), or has been heard.
func (r *running) wait(ctx context.Context, patience time.Duration) {
	select {
	case <-r.done:
		return
	case <-ctx.Done():
		return
	case <-r.connected:
	}
	if patience == 0 {
		patience = silentAfter
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-ctx.Done():
	case <-timer.C:
	}
}
