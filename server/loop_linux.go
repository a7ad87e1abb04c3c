package server

import (
	"net/netip"
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
	bursts   uint32
	last     int // how many the last burst served
	k        *kernel
	n        *native
	l        *Listener
	quick    bool
	w        worker
	_        [64]byte
}

const (
	// helpAfter is how many connections in a row a loop serves before it asks
	// for help: a queue that did not run empty for so long is growing.
	helpAfter = 64

	// lastCalls is how many connections are still accepted when the listener
	// stops: what a queue can hold with the kernel's default of somaxconn.
	lastCalls = 4096

	// calmBurst is how many connections one wake-up finds while it pays to ask
	// whether there are more: poll costs a seventh of a failing accept.
	calmBurst = 4

	// acceptAtMost bounds an accept on a listener that another process has
	// made blocking. It holds a processor for so long.
	acceptAtMost = 10 * time.Millisecond
	// blockCheck is the number of bursts after which the listener is made
	// non-blocking again; in a long one that is done each helpAfter
	// connections.
	blockCheck = 64
)

func newLoop(e *engine, n *native) *loop {
	return &loop{accept: n.accept, k: e.k, n: n, l: n.l, quick: n.tuning.QuickClose == On, w: worker{e: e}}
}

// lead accepts until the listener stops, waiting in the runtime's poller.
func (p *loop) lead() {
	n := p.n
	for !n.stopping.Load() {
		err := n.raw.Read(func(fd uintptr) bool {
			p.burst(int(fd), true)
			return n.stopping.Load()
		})
		if err != nil && !n.stopping.Load() {
			time.Sleep(acceptPause)
		}
	}
	// Whoever waits in the queue has done so for the shortest time; without
	// another descriptor of the socket he would be reset now. Others that
	// share the socket have not lost what is answered here.
	n.raw.Control(func(fd uintptr) {
		for i := 0; i < lastCalls && p.serve(int(fd)); i++ {
		}
	})
	close(n.more)
	n.file.Close()
}

// help accepts whenever the leading loop cannot keep up.
func (p *loop) help() {
	for range p.n.more {
		p.n.raw.Control(func(fd uintptr) { p.burst(int(fd), false) })
	}
}

// burst serves connections until the queue is empty or the listener stops.
//
// That the queue is empty must be known before the poller is waited for, which
// tells of changes only. To ask accept costs 2.7 µs, because it makes a socket
// before it looks; to ask poll costs 0.4. So while bursts are short, poll is
// asked; when they are long, accept, once in a burst.
//
// A burst may last as long as a flood does, and raw calls leave the runtime's
// monitor asleep, which is what preempts a goroutine and looks after timers
// and the poller meanwhile. dontBlock is an ordinary call and wakes it.
func (p *loop) burst(ln int, leads bool) {
	calm := p.last <= calmBurst
	if p.bursts++; p.bursts%blockCheck == 0 {
		p.k.dontBlock(ln)
	}
	served := 0
	for !p.n.stopping.Load() && p.serve(ln) {
		served++
		if calm && served <= calmBurst && !p.k.pending(ln) {
			break
		}
		if served%helpAfter != 0 {
			continue
		}
		p.k.dontBlock(ln)
		if leads {
			select {
			case p.n.more <- struct{}{}:
			default:
			}
		}
	}
	p.last = served
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
