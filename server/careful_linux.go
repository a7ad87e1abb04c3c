package server

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/policy"
)

// The careful path is for every connection that is not over in one turn: the
// request is late or cut, something stands behind it or its NUL is missing,
// the answer is large. Here a connection is never closed while the client may
// still send: the server ends its own direction, reads until the client's end,
// and closes then, so that no reset destroys an answer in flight.

const (
	// quickSize bounds the answers that may be left to the kernel alone: what
	// fits the first flight of every TCP (ten segments) and the receive window
	// that every system opens with, so that nothing is ever left to wait for.
	quickSize = policy.SafeSize

	// inputSize is how much is received at once. A receive that fills less has
	// emptied the queue, and one that emptied the queue makes the close behind
	// it clean. A TLS hello fits.
	inputSize = 4096

	// lastReads bounds the reading before a close by force.
	lastReads = 16
)

// worker is one goroutine's way along the careful path: an accept loop, the
// yard's loop, or the one that keeps the deadlines.
type worker struct {
	e   *engine
	buf [inputSize]byte
}

// admit takes on a fresh connection, with what was received from it.
func (w *worker) admit(l *Listener, fd, n int, errno syscall.Errno) {
	c := w.open(l, fd)
	if w.received(&c, n, errno) {
		w.close(&c)
		return
	}
	w.park(&c)
}

// open begins the accounts of a connection.
func (w *worker) open(l *Listener, fd int) conn {
	l.counters.accepted.Add(1)
	l.counters.open.Add(1)
	w.e.server.running.Add(1)
	return conn{fd: fd, state: state{listener: l.native.index, phase: waiting}}
}

// close is the end of every connection that was opened.
func (w *worker) close(c *conn) {
	w.e.k.close(c.fd)
	w.e.listener(c).counters.open.Add(-1)
	w.e.server.running.Done()
}

func (w *worker) count(c *conn, o Outcome) { w.e.listener(c).counters.ended[o].Add(1) }

// park leaves a fresh connection in the yard.
func (w *worker) park(c *conn) {
	var client uint64
	if a, errno := w.e.k.remoteAddr(c.fd); errno == 0 {
		client = clientKeyOf(a.Addr())
	}
	victim, errno := w.e.yard.enter(c, client)
	if victim.fd >= 0 {
		w.settle(&victim, Displaced)
	}
	if errno != 0 {
		w.settle(c, Displaced)
	}
}

// wake does what can be done for a connection that the yard's epoll named.
func (w *worker) wake(fd int) {
	c, ok := w.e.yard.take(fd)
	if !ok {
		return
	}
	if w.proceed(&c) {
		w.e.yard.leave(&c)
		w.close(&c)
		return
	}
	switch w.e.yard.put(&c) {
	case expired:
		w.settle(&c, Expired)
	case evicted:
		w.settle(&c, Displaced)
	}
}

// proceed makes one step, and reports whether the connection is over.
func (w *worker) proceed(c *conn) (over bool) {
	switch c.phase {
	case sending:
		return w.sendRest(c)
	case lingering:
		return w.drain(c, 1)
	}
	n, errno := w.e.k.receive(c.fd, w.buf[:])
	return w.received(c, n, errno)
}

// received takes in what a receive brought, and reports whether the connection
// is over.
func (w *worker) received(c *conn, n int, errno syscall.Errno) (over bool) {
	if again(errno) {
		return false
	}
	if errno != 0 || n == 0 {
		if c.match.Seen() == 0 {
			w.count(c, Empty)
		} else {
			w.count(c, Incomplete)
		}
		return true
	}
	b := w.buf[:n]
	fresh := c.match.Seen() == 0
	used, state := c.match.Next(b)
	switch state {
	case policy.RequestForeign:
		o := ForeignOther
		if fresh {
			o = foreign(policy.OpeningOf(b[0]))
		}
		w.count(c, o)
		w.e.tell(c, o)
		return true
	case policy.RequestPartial:
		w.encourage(c)
		return false
	}
	rest := b[used:]
	return w.answer(c, len(rest) == 1 && rest[0] == 0 && n < len(w.buf))
}

// encourage makes the rest of an incomplete request come soon, and wakes
// nobody before it has: no policy request is complete with fewer bytes than
// it lacks, so none waits for a byte that its client does not send.
func (w *worker) encourage(c *conn) {
	t := &w.e.listener(c).native.tuning
	if t.LazyAck == On {
		// The client may hold the rest back until it has this acknowledged.
		w.e.k.setOption(c.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	if t.LowWater == On {
		w.e.k.setOption(c.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, c.match.Missing())
	}
}

// answer sends the answer. clean says that the request ended in its NUL and
// that nothing had come after it.
func (w *worker) answer(c *conn, clean bool) (over bool) {
	l := w.e.listener(c)
	a := l.native.answerFor(c.fd)
	n, errno := w.e.k.send(c.fd, a.wire, l.native.flagsFor(a))
	return w.sent(c, a, n, errno, clean && l.native.quick(a))
}

// sent takes in how much of an answer the kernel took.
func (w *worker) sent(c *conn, a *Answer, n int, errno syscall.Errno, quick bool) (over bool) {
	if errno != 0 && !again(errno) {
		w.count(c, SendFailed)
		return true
	}
	if n < len(a.wire) {
		if c.phase != sending {
			c.phase = sending
			// Not in the yard yet, or in it with an eye on input only.
			w.e.k.watch(w.e.yard.epoll, unix.EPOLL_CTL_MOD, c.fd, wantOutput)
		}
		c.partial = partial{answer: a, sent: n}
		return false
	}
	w.count(c, Answered)
	return quick || w.linger(c)
}

// sendRest goes on with a large answer.
func (w *worker) sendRest(c *conn) (over bool) {
	rest := c.answer.wire[c.sent:]
	n, errno := w.e.k.send(c.fd, rest, 0)
	if errno != 0 && !again(errno) {
		w.count(c, SendFailed)
		return true
	}
	if c.sent += n; n < len(rest) {
		return false
	}
	w.count(c, Answered)
	w.e.k.watch(w.e.yard.epoll, unix.EPOLL_CTL_MOD, c.fd, wantInput)
	return w.linger(c)
}

// linger ends the server's direction; the connection stays for the client's.
func (w *worker) linger(c *conn) (over bool) {
	c.phase = lingering
	c.partial = partial{}
	return w.e.k.endSending(c.fd) != 0
}

// drain reads and forgets, up to times, and reports whether the client has
// ended or gone.
func (w *worker) drain(c *conn, times int) (over bool) {
	for range times {
		n, errno := w.e.k.receive(c.fd, w.buf[:])
		if again(errno) {
			return false
		}
		if errno != 0 || n == 0 {
			return true
		}
	}
	return false
}

// settle closes a connection that was taken out of the yard before its end.
// What it has sent is read first, because it slept over up to the low-water
// mark, and because bytes unread would make the close a reset.
func (w *worker) settle(c *conn, why Outcome) {
	if c.phase == waiting {
		n, errno := w.e.k.receive(c.fd, w.buf[:])
		if w.received(c, n, errno) {
			w.close(c)
			return
		}
	}
	if c.phase != lingering {
		w.count(c, why)
	}
	w.drain(c, lastReads)
	w.close(c)
}

func again(errno syscall.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }

// told is one call of the Foreign hook to be made.
type told struct {
	client  netip.AddrPort
	opening policy.Opening
}

// tell passes a foreign beginning on to the hook's goroutine, and leaves it
// out where that one is too far behind: an exchange never waits for a log.
func (e *engine) tell(c *conn, o Outcome) {
	if e.tellings == nil {
		return
	}
	client, _ := e.k.remoteAddr(c.fd)
	opening, _ := openingOf(o)
	select {
	case e.tellings <- told{client, opening}:
	default:
	}
}
