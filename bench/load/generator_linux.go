package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/bench/internal/tally"
)

const (
	request = "<policy-file-request/>\x00"
	batch   = 256 // events taken from the kernel at a time
	none    = -1  // ends a list
)

// conn is one connection, in a slot that is used again.
type conn struct {
	fd    int32
	got   int32 // bytes of the answer that came, all of them right
	sent  int32 // bytes of the request that went
	armed bool  // known to epoll
	due   int64 // when the exchange was to begin: latency counts from here
	limit int64 // when it is given up
	act   int64 // when the slot's next byte or connect is due, in the queues later and away
	chain [3]struct{ before, after int32 }
}

// queue is a list of slots in the order in which something is due on them.
// The time allowed is the same for each, so the order is that of arrival and
// only the first is ever looked at.
type queue struct {
	g           *generator
	which       int // link of conn that it uses
	first, last int32
}

func (q *queue) push(slot int32) {
	l := &q.g.conns[slot].chain[q.which]
	l.before, l.after = q.last, none
	if q.last != none {
		q.g.conns[q.last].chain[q.which].after = slot
	} else {
		q.first = slot
	}
	q.last = slot
}

func (q *queue) remove(slot int32) {
	l := q.g.conns[slot].chain[q.which]
	if l.before != none {
		q.g.conns[l.before].chain[q.which].after = l.after
	} else {
		q.first = l.after
	}
	if l.after != none {
		q.g.conns[l.after].chain[q.which].before = l.before
	} else {
		q.last = l.before
	}
}

// generator is one run. It is not for concurrent use.
type generator struct {
	plan     tally.Plan
	report   tally.Report
	epoll    int
	conns    []conn
	free     []int32
	limits   queue // by limit: every connection that runs
	later    queue // by act: requests and bytes that wait for their time
	away     queue // by act: held connections that were closed, and come back
	live     int64 // connections that run
	begun    int64
	source   uint32 // counts the source addresses round
	events   [batch]unix.EpollEvent
	buf      []byte
	server   unix.RawSockaddrInet4
	networks uint32 // the first byte of source addresses, in its place
	start    time.Time
	endAt    int64 // nanoseconds after start
	restart  bool  // closed loop: a slot that ends begins again
}

func newGenerator(p tally.Plan) (*generator, error) {
	if p.Most == 0 {
		p.Most = 50_000_000
	}
	switch {
	case p.Mode != tally.Closed && p.Mode != tally.Open && p.Mode != tally.Hold:
		return nil, fmt.Errorf("plan: no such mode: %q", p.Mode)
	case p.Port < 1 || p.Port > 65535, p.Network < 1 || p.Network > 250, p.Sources < 1 || p.Sources > 60_000,
		p.Concurrency < 1 || p.Concurrency > 1_000_000, p.Duration <= 0, p.Timeout <= 0, p.Late < 0, p.Every < 0, p.Return < 0:
		return nil, fmt.Errorf("plan: a figure is out of its range: %+v", p)
	case p.Mode == tally.Open && p.Rate <= 0:
		return nil, errors.New("plan: the mode open needs a rate")
	case p.Mode != tally.Hold && len(p.Answer) == 0:
		return nil, errors.New("plan: no answer to compare with")
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	g := &generator{plan: p, epoll: epoll, conns: make([]conn, p.Concurrency), free: make([]int32, p.Concurrency), buf: make([]byte, 64<<10)}
	for i := range g.free {
		g.free[i] = int32(p.Concurrency - 1 - i)
	}
	g.limits = queue{g, 0, none, none}
	g.later = queue{g, 1, none, none}
	g.away = queue{g, 2, none, none}
	g.server, g.networks = address(127<<24|1, p.Port), 127<<24
	if p.Server != [4]byte{} {
		g.server.Addr, g.networks = p.Server, 10<<24
	}
	g.report.Latency = tally.NewHistogram()
	g.start = time.Now()
	g.endAt = int64(p.Duration)
	return g, nil
}

func (g *generator) close() { _ = unix.Close(g.epoll) }

// now is the time since the start, monotonic.
func (g *generator) now() int64 { return int64(time.Since(g.start)) }

func address(ip uint32, port int) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{
		Family: unix.AF_INET,
		Port:   uint16(port)<<8 | uint16(port)>>8,
		Addr:   [4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)},
	}
}

// nextSource is the next address of the plan's network, each in turn.
func (g *generator) nextSource() unix.RawSockaddrInet4 {
	n := g.source % uint32(g.plan.Sources)
	g.source++
	return address(g.networks|uint32(g.plan.Network)<<16|(n/250)<<8|(n%250+1), 0)
}

// socket makes a descriptor whose connect to the server is under way.
func (g *generator) socket() (int32, unix.Errno) {
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return 0, e
	}
	on, from := int32(1), g.nextSource()
	// The port is chosen at connect, when the kernel knows the other end: else
	// one address had no more than 64,000 connections to spend.
	_, _, e = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, uintptr(unsafe.Pointer(&on)), 4, 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_BIND, fd, uintptr(unsafe.Pointer(&from)), unix.SizeofSockaddrInet4)
	}
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&g.server)), unix.SizeofSockaddrInet4)
	}
	if e != 0 && e != unix.EINPROGRESS {
		unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		return 0, e
	}
	return int32(fd), 0
}

// begin starts an exchange that was due at the time given. It returns none
// where no slot is free or the bound on connections is reached.
func (g *generator) begin(due int64) int32 {
	if len(g.free) == 0 || g.begun >= g.plan.Most {
		g.report.Begun++
		g.report.Shed++
		return none
	}
	slot := g.free[len(g.free)-1]
	g.begun++
	g.report.Begun++
	fd, e := g.socket()
	if e != 0 {
		if e == unix.EMFILE || e == unix.ENFILE || e == unix.EADDRNOTAVAIL || e == unix.EADDRINUSE {
			g.report.Complain = "the generator cannot open a socket: " + e.Error()
		}
		g.report.Refused++
		return none
	}
	g.free = g.free[:len(g.free)-1]
	g.live++
	c := &g.conns[slot]
	*c = conn{fd: fd, due: due, limit: due + int64(g.plan.Timeout)}
	g.limits.push(slot)
	return slot
}

// end closes a connection and gives its slot back.
func (g *generator) end(slot int32) {
	c := &g.conns[slot]
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(c.fd), 0, 0)
	g.limits.remove(slot)
	g.live--
	g.free = append(g.free, slot)
}

// ask sends what the request still lacks up to the byte before upto, and has
// epoll watch the connection. ok is false where the connection has failed.
func (g *generator) ask(slot int32, upto int32) (ok bool) {
	c := &g.conns[slot]
	for c.sent < upto {
		part := request[c.sent:upto]
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.StringData(part))), uintptr(len(part)), unix.MSG_NOSIGNAL, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e == unix.EAGAIN {
			break // not connected yet: the event says when
		}
		if e != 0 && e != unix.EPIPE && e != unix.ECONNRESET {
			return false
		}
		if e != 0 {
			break // closed by the server already: an answer may have come all the same
		}
		c.sent += int32(n)
	}
	if c.armed {
		return true
	}
	c.armed = true
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | 1<<31, Fd: slot}
	if c.sent < upto {
		ev.Events |= unix.EPOLLOUT
	}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(g.epoll), unix.EPOLL_CTL_ADD, uintptr(c.fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e == 0
}

// ending is what has become of an exchange.
type ending uint8

const (
	running ending = iota
	right
	reset
	lost
	cut
	wrong
	timeout
	refused
)

// hear takes what the server sent. shut says that the kernel has told of the
// other side's FIN, fault that it has told of an error: then, or when bytes
// fill the buffer, there may be more to read than what the first read gave.
func (g *generator) hear(slot int32, shut, fault bool) ending {
	c := &g.conns[slot]
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&g.buf[0])), uintptr(len(g.buf)), 0, 0, 0)
		whole := int(c.got) == len(g.plan.Answer)
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			return running
		case e == unix.ECONNREFUSED || e == unix.ETIMEDOUT && c.got == 0 && c.sent == 0:
			return refused
		case e != 0 && whole:
			return reset
		case e != 0:
			return lost
		case n == 0 && whole:
			return right
		case n == 0:
			return cut
		}
		rest := g.plan.Answer[c.got:]
		if int(n) > len(rest) || !bytes.Equal(g.buf[:n], rest[:n]) {
			return wrong
		}
		c.got += int32(n)
		if int(n) == len(rest) {
			g.answered(c)
			if shut && !fault && int(n) < len(g.buf) {
				return right // the queue was emptied after the FIN had come
			}
		}
	}
}

// answered notes that the last byte of the answer is there.
func (g *generator) answered(c *conn) {
	now := g.now()
	g.report.Latency.Record(time.Duration(now - c.due))
	if now <= g.endAt {
		g.report.Window++
	}
}

// count enters how an exchange ended.
func (g *generator) count(e ending) {
	switch e {
	case right:
		g.report.Right++
	case reset:
		g.report.Reset++
	case lost:
		g.report.Lost++
	case cut:
		g.report.Cut++
	case wrong:
		g.report.Wrong++
	case timeout:
		g.report.Timeouts++
	case refused:
		g.report.Refused++
	}
}

// wait takes events, for at most so many nanoseconds, and calls each for them.
func (g *generator) wait(ns int64, each func(slot int32, events uint32)) error {
	ts := unix.NsecToTimespec(max(0, ns))
	// Raw, though it blocks: nothing else runs here that the scheduler could
	// use the processor for, and its hand-offs doubled the cost of an open loop.
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(g.epoll), uintptr(unsafe.Pointer(&g.events[0])), batch, uintptr(unsafe.Pointer(&ts)), 0, 0)
	if e == unix.EINTR {
		return nil
	}
	if e != 0 {
		return fmt.Errorf("epoll_pwait2: %w", e)
	}
	for _, ev := range g.events[:n] {
		each(ev.Fd, ev.Events)
	}
	return nil
}
