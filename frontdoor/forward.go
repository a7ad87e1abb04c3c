package frontdoor

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// forward joins a raw connection to its backend until both have ended. buf
// holds n bytes that were read already, and is given back. Where the
// connection turned out to be a request, it returns as what and the bytes of
// it; else it has closed the connection.
func (d *Door) forward(u *unsettled, buf *[]byte, n int) (takenAs kind, taken []byte) {
	u.onTaken = func(k kind, seen []byte) { takenAs, taken = k, seen }
	backend, err := d.reach(u.conn)
	if err == nil && n > 0 {
		_, err = backend.Write((*buf)[:n])
	}
	putBuffer(buf)
	if err != nil {
		if backend != nil {
			backend.Close()
		}
		d.hearOut(u)
		return takenAs, taken
	}
	s := &session{idle: u.in.limits.Idle, client: u, backend: backend}
	s.moved = [2]*atomic.Uint64{&d.counters.up, &d.counters.down}
	s.moved[0].Add(uint64(n))
	if total := u.in.limits.Total; total > 0 {
		s.total = time.AfterFunc(total, s.abort)
	}
	s.settle()
	if takenAs == kindUnsettled && d.handOver(s) {
		return kindUnsettled, nil
	}
	if takenAs == kindUnsettled {
		s.copyBoth()
	}
	backend.Close()
	s.stop()
	if takenAs == kindUnsettled {
		u.conn.Close()
		return kindUnsettled, nil
	}
	u.conn.SetDeadline(noDeadline)
	return takenAs, taken
}

// stop stops the clock of a session that is over.
func (s *session) stop() {
	if s.total != nil {
		s.total.Stop()
	}
}

// handOver hands a session that is settled to the relay, which then ends it. It
// reports whether the relay takes it.
func (d *Door) handOver(s *session) bool {
	if s.over[0] && s.over[1] {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := d.relay.take(bare(s.client), bare(s.backend), [2]bool{!s.over[0], !s.over[1]}, s.idle, s.moved, func() {
		s.stop()
		s.client.conn.Close()
	})
	if p == nil {
		return false
	}
	s.relayed = p
	d.room.replace(s.client.guest, p)
	return true
}

// hearOut is for a connection whose backend is not to be had. One that may
// still be a request is heard, so that pages and players see what is wrong; a
// raw one reads a reset, as from the closed port itself.
func (d *Door) hearOut(u *unsettled) {
	u.conn.SetReadDeadline(in(u.in.limits.Exchange))
	small := make([]byte, firstSize)
	for !u.settledRaw() {
		if _, err := u.Read(small); err != nil {
			break
		}
	}
	if u.isTaken() {
		u.conn.SetReadDeadline(noDeadline)
		return
	}
	reset(u.conn)
}

// firstSize is what is read at once while a connection is not settled: what
// such a connection sends is a few bytes, and it may be silent for long.
const firstSize = 512

// session is a client and its backend that are being copied into each other,
// in two directions: 0 is to the backend.
type session struct {
	idle    time.Duration
	total   *time.Timer // nil: none
	client  *unsettled
	backend net.Conn

	quiet [2]atomic.Bool    // a direction in which nothing was sent for an idle period, or that has ended
	over  [2]bool           // it has ended
	moved [2]*atomic.Uint64 // bytes of all sessions, by direction; counted as they go

	reads  atomic.Int32
	longer atomic.Bool // than a short exchange

	mu      sync.Mutex
	relayed *pair // once the relay has it
}

// abort ends both streams; only the backend's where the client's turned out to
// be a request.
func (s *session) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relayed != nil {
		s.relayed.Close()
		return
	}
	if !s.client.isTaken() {
		reset(s.client.conn)
	}
	reset(s.backend)
}

// renew begins an idle period for a direction. The reading deadline is what
// ends the period. The writing one is for a reader that takes nothing for two
// more periods; its expiry loses what is under way, so it comes last.
func (s *session) renew(dst, src net.Conn) {
	if s.idle < 0 {
		return
	}
	now := time.Now()
	src.SetReadDeadline(now.Add(s.idle))
	dst.SetWriteDeadline(now.Add(s.writeFor()))
}

func (s *session) writeFor() time.Duration { return 3 * s.idle }

// expired says that a direction's period has ended, with or without progress,
// and reports whether the session is idle as a whole.
func (s *session) expired(direction int, progress bool) bool {
	if progress {
		s.quiet[0].Store(false)
		s.quiet[1].Store(false)
		return false
	}
	s.quiet[direction].Store(true)
	return s.quiet[1-direction].Load()
}

// ended passes on how a direction ended: its end as a half-close, a fault as a
// reset of both.
func (s *session) ended(direction int, dst net.Conn, err error) {
	s.over[direction] = true
	s.quiet[direction].Store(true)
	fault := err
	if errors.Is(err, io.EOF) {
		fault = closeWrite(dst)
	}
	if fault != nil {
		s.abort()
	}
}

// both does the same in both directions.
func (s *session) both(one func(direction int, dst, src net.Conn)) {
	var up sync.WaitGroup
	up.Go(func() { one(0, s.backend, s.client) })
	one(1, s.client, s.backend)
	up.Wait()
}

// settle copies with an eye on the client until it is settled as raw and the
// session has shown that it is more than a short exchange, or both directions
// have ended. To hand a session over takes some system calls, which one of a
// question and an answer would not get back.
func (s *session) settle() {
	s.both(func(direction int, dst, src net.Conn) {
		s.renew(dst, src)
		if err := s.watch(direction, dst, src); err != nil {
			s.ended(direction, dst, err)
		}
	})
	s.client.conn.SetReadDeadline(noDeadline)
	s.backend.SetReadDeadline(noDeadline)
}

// shortExchange is how many reads, of both directions, a short exchange has.
const shortExchange = 8

// shown takes account of one read of n bytes. With the one that makes it more
// than a short exchange, the other direction, which waits for bytes, is told by
// its deadline.
func (s *session) shown(n int) {
	if s.reads.Add(1) <= shortExchange && n < firstSize || !s.client.settledRaw() {
		return
	}
	if !s.longer.Swap(true) {
		s.client.conn.SetReadDeadline(past)
		s.backend.SetReadDeadline(past)
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// copyBoth copies until both directions have ended.
func (s *session) copyBoth() {
	s.both(func(direction int, dst, src net.Conn) {
		if !s.over[direction] {
			s.copy(direction, bare(dst), bare(src))
		}
	})
}

// copy copies one direction until it ends, as fast as it goes.
func (s *session) copy(direction int, dst, src net.Conn) {
	var err error
	s.renew(dst, src)
	for err == nil {
		var n int64
		n, err = copyStream(dst, src, s.moved[direction])
		if err == nil {
			err = io.EOF
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !s.expired(direction, n > 0) {
			s.renew(dst, src)
			err = nil
		}
	}
	s.ended(direction, dst, err)
}

// watch copies one direction through the client itself, which looks at what
// passes, until the session is more than a short exchange.
func (s *session) watch(direction int, dst, src net.Conn) error {
	small := make([]byte, firstSize)
	progress := false
	for !s.longer.Load() {
		n, err := src.Read(small)
		if n > 0 {
			progress = true
			if _, err := dst.Write(small[:n]); err != nil {
				return err
			}
			s.moved[direction].Add(uint64(n))
			s.shown(n)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if s.longer.Load() {
				return nil
			}
			if !s.expired(direction, progress) {
				progress = false
				s.renew(dst, src)
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
