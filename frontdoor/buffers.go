package frontdoor

import (
	"net"
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

// held reads from a stream that cannot be waited for without a buffer: what it
// holds while the stream is quiet is a small one.
type held struct {
	small []byte
	full  bool // the last read filled its buffer: more is there
}

// read returns n bytes behind the room in a buffer that the caller gives back
// where n > 0.
func (h *held) read(src net.Conn, room int) (buf *[]byte, n int, err error) {
	if h.full {
		buf = getBuffer()
		n, err = src.Read((*buf)[room:])
		if h.full = n == len(*buf)-room; n == 0 {
			putBuffer(buf)
			buf = nil
		}
		return buf, n, err
	}
	if h.small == nil {
		h.small = make([]byte, firstSize)
	}
	if n, err = src.Read(h.small); n > 0 {
		buf = getBuffer()
		copy((*buf)[room:], h.small[:n])
		h.full = n == len(h.small)
	}
	return buf, n, err
}
