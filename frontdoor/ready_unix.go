//go:build unix

package frontdoor

import (
	"io"
	"net"
	"os"
	"syscall"
)

// readiness reads from a stream with a buffer that is only taken once there is
// something to read. A stream that is no socket, such as TLS, holds a small
// buffer while it waits.
type readiness struct {
	src  net.Conn
	room int // bytes that stay free in front of what is read
	held held
	raw  syscall.RawConn
	try  func(fd uintptr) bool // made once

	buf *[]byte
	n   int
	err error
}

func newReadiness(src net.Conn, room int) *readiness {
	r := &readiness{src: src, room: room}
	if t, ok := src.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			r.raw, r.try = raw, r.tryRead
		}
	}
	return r
}

func (r *readiness) tryRead(fd uintptr) bool {
	buf := getBuffer()
	for {
		n, err := syscall.Read(int(fd), (*buf)[r.room:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			putBuffer(buf)
			return false
		case err != nil:
			putBuffer(buf)
			r.err = os.NewSyscallError("read", err)
		case n == 0:
			putBuffer(buf)
			r.err = io.EOF
		default:
			r.buf, r.n = buf, n
		}
		return true
	}
}

// read waits for bytes and returns n of them, behind the room, in a buffer
// that the caller gives back where n > 0.
func (r *readiness) read() (buf *[]byte, n int, err error) {
	if r.raw == nil {
		return r.held.read(r.src, r.room)
	}
	r.buf, r.n, r.err = nil, 0, nil
	if err := r.raw.Read(r.try); err != nil {
		return nil, 0, err
	}
	buf, r.buf = r.buf, nil
	return buf, r.n, r.err
}
