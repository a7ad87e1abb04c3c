//go:build !unix

package frontdoor

import "net"

// readiness reads with a buffer that is held while it waits: this system has
// no reading without one.
type readiness struct{ src net.Conn }

func newReadiness(src net.Conn) *readiness { return &readiness{src} }

func (r *readiness) read() (buf *[]byte, n int, err error) { return readHeld(r.src) }
