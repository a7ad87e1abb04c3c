package frontdoor

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// bufferSize is what one read takes at most: the largest that a TLS record or
// a usual receive queue fills, small enough to be had by the thousand.
const bufferSize = 32 << 10

// buffers are taken when there is something to be read, not while waiting for
// it: a quiet connection has none.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

func getBuffer() *[]byte  { return buffers.Get().(*[]byte) }
func putBuffer(b *[]byte) { buffers.Put(b) }

var noDeadline time.Time

// readHeld reads with a buffer that is held while it waits. The caller gives it
// back where n > 0.
func readHeld(src net.Conn) (buf *[]byte, n int, err error) {
	buf = getBuffer()
	if n, err = src.Read(*buf); n == 0 {
		putBuffer(buf)
		buf = nil
	}
	return buf, n, err
}

// spliceable says that package net copies between sockets in the kernel here.
const spliceable = runtime.GOOS == "linux"
