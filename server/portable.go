package server

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/port843/port843/policy"
)

// This is the engine for every system: package net, and a goroutine a
// connection.

const (
	// acceptPause is how long the loop waits after an error of accept that
	// closing connections could not mend: long enough not to spin, short
	// against the 3 s that a client waits.
	acceptPause = 50 * time.Millisecond
	// roomAtOnce is how many of the oldest connections are closed when the
	// descriptors are used up: some air, so that not each newcomer costs it.
	roomAtOnce = 32
)

func (l *Listener) acceptLoop() {
	for {
		c, err := l.ln.Accept()
		if err == nil {
			l.server.running.Go(func() { l.handle(c) })
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		l.counters.acceptErrors.Add(1)
		if !exhausted(err) {
			// The client was gone before it was accepted, or the network has
			// an error for this one connection: the next is another matter.
			if !fleeting(err) {
				time.Sleep(acceptPause)
			}
			continue
		}
		if l.server.room.makeRoom(roomAtOnce) == 0 {
			time.Sleep(acceptPause)
		}
	}
}

func (l *Listener) handle(c net.Conn) {
	s := l.server
	l.counters.accepted.Add(1)
	l.counters.open.Add(1)
	defer l.counters.open.Add(-1)
	client := addrOf(c.RemoteAddr())
	g := s.room.enter(c, clientKey(client.Addr()))
	defer c.Close()
	defer s.room.leave(g)

	stream, ok := c.(Stream)
	if !ok {
		stream = noHalfClose{c}
	}
	if err := c.SetDeadline(time.Now().Add(s.limits.Deadline)); err != nil {
		l.counters.ended[Empty].Add(1)
		return
	}
	answered := false
	o := Exchange(stream, nil, func() *Answer {
		return l.policies.Load().For(c.LocalAddr())
	}, func() {
		answered = true
		l.counters.ended[Answered].Add(1)
	})
	if answered {
		return
	}
	if g.displaced.Load() {
		o = Displaced
	}
	l.counters.ended[o].Add(1)
	if s.foreign != nil {
		if opening, is := openingOf(o); is {
			s.foreign(client, opening)
		}
	}
}

// openingOf is the reverse of foreign.
func openingOf(o Outcome) (policy.Opening, bool) {
	switch o {
	case ForeignHTTP:
		return policy.OpeningHTTP, true
	case ForeignTLS:
		return policy.OpeningTLS, true
	case ForeignOther:
		return policy.OpeningOther, true
	}
	return 0, false
}

// noHalfClose is a connection that cannot close one direction: it is closed
// whole after the answer.
type noHalfClose struct{ net.Conn }

func (noHalfClose) CloseWrite() error { return errors.ErrUnsupported }

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}
