//go:build !unix

package frontdoor

import "net"

// readiness reads with a small buffer that is held while it waits: this system
// has no reading without one.
type readiness struct {
	src  net.Conn
	room int
	held held
}

func newReadiness(src net.Conn, room int) *readiness { return &readiness{src: src, room: room} }

func (r *readiness) read() (buf *[]byte, n int, err error) { return r.held.read(r.src, r.room) }
