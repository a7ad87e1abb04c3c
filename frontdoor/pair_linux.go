package frontdoor

import (
	"time"

	"golang.org/x/sys/unix"
)

// event handles what the kernel says of one side, with the loop's mu held. An
// error or a hang-up shows in the reading or writing that is tried.
func (p *pair) event(side int, what uint32) {
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	ok := !p.over
	if to := &p.half[1-side]; ok && to.blocked() && what&(unix.EPOLLOUT|broken) != 0 {
		ok = p.flush(1 - side)
	}
	if from := &p.half[side]; ok && from.open && !from.blocked() && what&(unix.EPOLLIN|broken) != 0 {
		ok = p.pump(side)
	}
	switch {
	case p.over:
	case !ok || !p.wait():
		p.abort()
	case !p.half[0].open && !p.half[1].open:
		p.end()
	}
}

// blocked reports whether the reader of a direction does not take what was
// read for it.
func (h *half) blocked() bool { return h.rest != nil || h.inPipe > 0 }

// wait registers what each side is to be waited for. A side that is waited for
// nothing is not registered: the kernel would report its hang-up for ever.
func (p *pair) wait() bool {
	for side := range p.fd {
		var mask uint32
		if h := &p.half[side]; h.open && !h.blocked() {
			mask = unix.EPOLLIN
		}
		if p.half[1-side].blocked() {
			mask |= unix.EPOLLOUT
		}
		if mask == p.mask[side] {
			continue
		}
		op := unix.EPOLL_CTL_MOD
		switch {
		case mask == 0:
			op = unix.EPOLL_CTL_DEL
		case p.mask[side] == 0:
			op = unix.EPOLL_CTL_ADD
		}
		if unix.EpollCtl(p.loop.poll, op, p.fd[side], &unix.EpollEvent{Events: mask, Fd: int32(p.fd[side])}) != nil {
			return false
		}
		p.mask[side] = mask
	}
	return true
}

// pump copies from a side what there is. It reports false where the session is
// broken.
func (p *pair) pump(side int) bool {
	h := &p.half[side]
	if h.pipe != nil {
		return p.splice(side)
	}
	n, ok := retry(func() (int, error) { return unix.Read(p.fd[side], p.loop.buf) })
	if !ok || n < 0 {
		return ok
	}
	if n == 0 {
		return p.ended(side)
	}
	if n == len(p.loop.buf) && !h.plain {
		h.pipe = p.loop.takePipe()
	}
	return p.write(side, p.loop.buf[:n])
}

// retry calls again what was interrupted. n is -1 where it would block, and ok
// false where it failed.
func retry(call func() (int, error)) (n int, ok bool) {
	for {
		n, err := call()
		switch err {
		case nil:
			return n, true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return -1, true
		}
		return 0, false
	}
}

// write writes what was read from a side to the other, and keeps what that
// does not take.
func (p *pair) write(side int, b []byte) bool {
	h := &p.half[side]
	n, ok := retry(func() (int, error) { return unix.Write(p.fd[1-side], b) })
	if !ok {
		return false
	}
	n = max(n, 0)
	p.count(side, n)
	if n < len(b) {
		h.rest = getBuffer()
		h.from, h.to = 0, copy(*h.rest, b[n:])
		h.stalled = time.Now()
	}
	return true
}

// count keeps account of n bytes from a side.
func (p *pair) count(side, n int) {
	p.half[side].total += int64(n)
	p.moved[side].Add(uint64(n))
}

// flush writes what was kept of a side, now that the other takes something.
func (p *pair) flush(side int) bool {
	h := &p.half[side]
	if h.inPipe > 0 {
		return p.empty(side)
	}
	n, ok := retry(func() (int, error) { return unix.Write(p.fd[1-side], (*h.rest)[h.from:h.to]) })
	if !ok {
		return false
	}
	if n > 0 {
		p.count(side, n)
		h.from += n
		h.stalled = time.Now()
	}
	if h.from == h.to {
		putBuffer(h.rest)
		h.rest, h.stalled = nil, time.Time{}
	}
	return true
}

// splice copies bulk in the kernel.
func (p *pair) splice(side int) bool {
	h := &p.half[side]
	for moved := 0; moved < bulkShare; {
		n, ok := retry(func() (int, error) {
			n, err := unix.Splice(p.fd[side], nil, h.pipe.w, nil, pipeSize, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
			return int(n), err
		})
		if !ok {
			// Not every kind of socket can be spliced; where it is broken, the
			// reading says so.
			h.plain = true
			p.drop(h)
			return p.pump(side)
		}
		if n < 0 {
			return true
		}
		if n == 0 {
			return p.ended(side)
		}
		h.inPipe, moved = n, moved+n
		if !p.empty(side) {
			return false
		}
		if h.inPipe > 0 {
			return true
		}
	}
	return true
}

// empty splices on what is in the pipe, as far as the other side takes it.
func (p *pair) empty(side int) bool {
	h := &p.half[side]
	for h.inPipe > 0 {
		n, ok := retry(func() (int, error) {
			n, err := unix.Splice(h.pipe.r, nil, p.fd[1-side], nil, h.inPipe, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
			return int(n), err
		})
		if !ok || n == 0 {
			return false
		}
		if n < 0 {
			if h.stalled.IsZero() {
				h.stalled = time.Now()
			}
			return true
		}
		h.inPipe -= n
		p.count(side, n)
		h.stalled = time.Time{}
	}
	return true
}

// ended passes on the end of a direction.
func (p *pair) ended(side int) bool {
	h := &p.half[side]
	h.open = false
	p.drop(h)
	return unix.Shutdown(p.fd[1-side], unix.SHUT_WR) == nil
}

// drop gives back what a half holds.
func (p *pair) drop(h *half) {
	if h.rest != nil {
		putBuffer(h.rest)
		h.rest = nil
	}
	if h.pipe != nil {
		p.loop.putPipe(h.pipe, h.inPipe)
		h.pipe, h.inPipe = nil, 0
	}
}

// abort ends both sides with a reset, with the loop's mu held.
func (p *pair) abort() {
	if p.over {
		return
	}
	for _, fd := range p.fd {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.end()
}

// end closes both sides.
func (p *pair) end() {
	p.over = true
	for side, fd := range p.fd {
		p.drop(&p.half[side])
		delete(p.loop.ends, int32(fd))
		unix.Close(fd)
	}
	p.loop.done = append(p.loop.done, p)
}

// Close ends a session with a reset. It may be called from any goroutine, and
// again.
func (p *pair) Close() error {
	p.loop.mu.Lock()
	p.abort()
	p.loop.leave()
	return nil
}
