package server

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/port843/port843/policy"
)

// loop accepts from one listening socket, and is the whole way of an ordinary
// exchange. It has its own counter and its own cache lines.
type loop struct {
	_        [64]byte
	answered atomic.Uint64 // exchanges that were over in one turn
	accept   func(ln int) (int, syscall.Errno)
	turns    uint32
	last     int // how many the last turn served
	k        *kernel
	n        *native
	l        *Listener
	quick    bool
	w        worker
	_        [64]byte
}

const (
	// turnAtMost is how many connections a loop serves before it lets the
	// runtime look after the rest of the program: two milliseconds' work, a
	// fifth of what the runtime allows any goroutine.
	turnAtMost = 256

	// helpAfter is how many connections in a row a loop serves before it asks
	// for help: a queue that did not run empty for so long is growing.
	helpAfter = 64

	// shutAfter is how many it serves before it shuts the gate.
	shutAfter = 8

	// calmTurn is how many connections one wake-up finds while it pays to ask
	// whether there are more: poll costs a seventh of a failing accept.
	calmTurn = 4

	// lastCalls is how many connections are still accepted when the listener
	// stops: what a queue can hold with the kernel's default of somaxconn.
	lastCalls = 4096

	// acceptAtMost bounds an accept on a listener that another process has
	// made blocking. It holds a processor for so long.
	acceptAtMost = 10 * time.Millisecond
	// blockCheck is the number of turns after which the listener is made
	// non-blocking again.
	blockCheck = 64
)

func newLoop(e *engine, n *native) *loop {
	return &loop{accept: n.accept, k: e.k, n: n, l: n.l, quick: n.tuning.QuickClose == On, w: worker{e: e}}
}

// lead accepts until the listener stops, waiting in the runtime's poller.
func (p *loop) lead() {
	n := p.n
	for !n.stopping.Load() {
		told := true // the poller will tell of the next connection
		err := n.gate.raw.Read(func(uintptr) bool {
			told = p.turn(n.ln.fd, n.gate)
			return n.stopping.Load() || !told
		})
		if (err != nil || !told) && !n.stopping.Load() {
			time.Sleep(acceptPause)
		}
	}
	// Whoever waits in the queue has done so for the shortest time; without
	// another descriptor of the socket he would be reset now. Others that
	// share the socket have not lost what is answered here.
	for i := 0; i < lastCalls && p.serve(n.ln.fd); i++ {
	}
	close(n.more)
	n.gate.file.Close()
	n.ln.close(p.k)
}

// help accepts whenever the leading loop cannot keep up.
func (p *loop) help() {
	for range p.n.more {
		p.last = turnAtMost
		for p.last == turnAtMost && p.n.ln.use(func(fd int) { p.turn(fd, nil) }) {
			runtime.Gosched()
		}
	}
}

// turn serves connections until the queue is empty, the listener stops, or
// there were enough for once. It reports whether the gate, if it has one, is
// open in front of all that are left.
//
// That the queue is empty must be known before the poller is waited for, which
// tells of changes only. To ask accept costs 2.7 µs, because it makes a socket
// before it looks; to ask poll costs 0.4. So while turns are short, poll is
// asked; when they are long, accept, once in a turn.
//
// A flood is served in many turns, with a look at the poller between them,
// because raw calls leave the runtime's monitor asleep, which would look after
// timers and the poller otherwise. To wake it instead, by an ordinary call,
// costs a sixth of the exchanges.
func (p *loop) turn(ln int, g *gate) (told bool) {
	if p.turns++; p.turns%blockCheck == 0 {
		p.k.dontBlock(ln)
	}
	calm := p.last <= calmTurn
	p.last = 0
	for p.last < turnAtMost && !p.n.stopping.Load() && p.serve(ln) {
		p.last++
		if calm && p.last <= calmTurn && !p.k.pending(ln) {
			break
		}
		switch {
		case g == nil:
		case p.last == shutAfter:
			g.shut()
		case p.last%helpAfter == 0:
			select {
			case p.n.more <- struct{}{}:
			default:
			}
		}
	}
	if g == nil {
		return false
	}
	return !g.isShut && p.last < turnAtMost || g.open()
}

// serve accepts one connection, and reports whether there may be more.
//
// The quick close is clean because of three things. All that had come was the
// request to its NUL, which is where every known client stops, so nothing is
// to be expected behind it. The receive filled less than its buffer, so the
// kernel's queue is empty, and close sends FIN and not RST. And the answer
// fits the first flight, so the kernel needs nobody to get it across: it
// repeats the segment as long as it must, closed or not. A client that sends
// more after its NUL is met by RST, and on most systems still reads the answer
// before it sees that; any other request than these 23 bytes, and be it the
// same without NUL, takes the careful path.
func (p *loop) serve(ln int) bool {
	fd, errno := p.accept(ln)
	if errno != 0 {
		return p.refused(ln, errno)
	}
	n, errno := p.k.receive(fd, p.w.buf[:])
	if !p.quick || errno != 0 || n != len(policy.Request) || string(p.w.buf[:len(policy.Request)]) != policy.Request {
		p.w.admit(p.l, fd, n, errno)
		return true
	}
	a := p.l.answerFor(p.k, fd)
	if len(a.wire) > quickSize {
		p.w.admit(p.l, fd, n, 0)
		return true
	}
	n, errno = p.k.send(fd, a.wire, p.n.flagsFor(a))
	if errno == 0 && n == len(a.wire) {
		p.k.close(fd)
		p.answered.Add(1)
		return true
	}
	p.unsent(fd, a, n, errno)
	return true
}

// unsent goes on where the kernel did not take an answer whole.
func (p *loop) unsent(fd int, a *Answer, n int, errno syscall.Errno) {
	c := p.w.open(p.l, fd)
	if p.w.sent(&c, a, n, errno, false) {
		p.w.close(&c)
		return
	}
	p.w.park(&c)
}

// refused decides what an error of accept means, and reports whether another
// try makes sense now.
func (p *loop) refused(ln int, errno syscall.Errno) bool {
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno == syscall.EINTR:
		return true
	case exhausted(errno) && !p.k.pending(ln):
		// Accept wants a descriptor before it looks whether anybody waits.
		return false
	}
	p.l.counters.acceptErrors.Add(1)
	switch {
	case exhausted(errno) && p.w.makeRoom(roomAtOnce) > 0:
	case fleeting(errno):
		// The client was gone before it was accepted, or the network has an
		// error for this one connection: the next is another matter.
	default:
		time.Sleep(acceptPause)
	}
	return true
}

// answerFor returns the answer in force for a connection.
func (l *Listener) answerFor(k *kernel, fd int) *Answer {
	return l.policies.Load().at(func() netip.Addr {
		a, _ := k.localAddr(fd)
		return a.Addr()
	})
}
