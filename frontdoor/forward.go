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
	if total := u.in.limits.Total; total > 0 {
		t := time.AfterFunc(total, s.abort)
		defer t.Stop()
	}
	var up int64
	var upDone sync.WaitGroup
	upDone.Go(func() { up = s.copy(0, backend, u) })
	down := s.copy(1, u, backend)
	upDone.Wait()
	d.counters.up.Add(uint64(up) + uint64(n))
	d.counters.down.Add(uint64(down))
	backend.Close()
	if takenAs == kindUnsettled {
		u.conn.Close()
		return kindUnsettled, nil
	}
	u.conn.SetDeadline(noDeadline)
	return takenAs, taken
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

// session is a client and its backend that are being copied into each other.
type session struct {
	idle    time.Duration
	client  *unsettled
	backend net.Conn

	quiet [2]atomic.Bool // a direction in which nothing was sent for an idle period, or that has ended
}

// abort ends both streams; only the backend's where the client's turned out to
// be a request.
func (s *session) abort() {
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
	s.quiet[direction].Store(true)
	fault := err
	if errors.Is(err, io.EOF) {
		fault = closeWrite(dst)
	}
	if fault != nil {
		s.abort()
	}
}

// copy copies one direction until it ends, and returns how many bytes: until
// the client is settled as raw with an eye on it, then as fast as it goes.
func (s *session) copy(direction int, dst, src net.Conn) int64 {
	s.renew(dst, src)
	total, err := s.watch(direction, dst, src)
	for err == nil {
		var n int64
		n, err = copyStream(bare(dst), bare(src), s.writeFor())
		total += n
		if err == nil {
			err = io.EOF
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !s.expired(direction, n > 0) {
			s.renew(dst, src)
			err = nil
		}
	}
	s.ended(direction, dst, err)
	return total
}

// watch copies through the client itself, which looks at what passes, until it
// is settled as raw.
func (s *session) watch(direction int, dst, src net.Conn) (total int64, err error) {
	if s.client.settledRaw() {
		return 0, nil
	}
	small := make([]byte, firstSize)
	progress := false
	for !s.client.settledRaw() {
		n, err := src.Read(small)
		if n > 0 {
			progress = true
			if _, err := dst.Write(small[:n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !s.expired(direction, progress) {
			progress = false
			s.renew(dst, src)
			continue
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
