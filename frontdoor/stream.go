package frontdoor

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Bulk is when a read fills the buffer: then the stream is spliced for as long
// as it stays bulk. A spliced stream holds a pipe, which is two descriptors
// and up to a megabyte, so a quiet one is not.
const (
	bulkTurn  = 100 * time.Millisecond // how long one splice waits for more
	bulkChunk = 8 << 20                // bytes of one splice
	bulkLeast = bufferSize             // bytes a turn that keep it bulk
)

// errStalled is a reader that took nothing for too long; it must not be taken
// for the end of a reading period.
var errStalled = errors.New("frontdoor: the peer takes nothing")

// copyStream copies until the end of src, an error or src's deadline. The
// error is nil at the end. Between reads it holds no buffer. writeFor is how
// long a write may take; negative: for ever.
func copyStream(dst, src net.Conn, writeFor time.Duration) (int64, error) {
	to, toTCP := dst.(*net.TCPConn)
	from, fromTCP := src.(*net.TCPConn)
	r := newReadiness(src, 0)
	var total int64
	for {
		buf, n, err := r.read()
		if n > 0 {
			w, werr := dst.Write((*buf)[:n])
			total += int64(w)
			putBuffer(buf)
			if errors.Is(werr, os.ErrDeadlineExceeded) {
				werr = errStalled
			}
			if werr != nil {
				return total, werr
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, err
		}
		if n == bufferSize && spliceable && toTCP && fromTCP {
			n, end, err := bulk(to, from, writeFor)
			total += n
			if end || err != nil {
				return total, err
			}
		}
	}
}

// bulk splices until the stream has become quieter, and reports whether it has
// ended. The reading deadline is spent then: the error is that of its expiry,
// upon which the caller begins a new period.
func bulk(dst, src *net.TCPConn, writeFor time.Duration) (total int64, end bool, err error) {
	for {
		now := time.Now()
		src.SetReadDeadline(now.Add(bulkTurn))
		if writeFor > 0 {
			dst.SetWriteDeadline(now.Add(writeFor))
		}
		limited := &io.LimitedReader{R: src, N: bulkChunk}
		n, err := dst.ReadFrom(limited)
		total += n
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Both deadlines give the same error; the writing one is later.
			if writeFor > 0 && time.Since(now) >= writeFor {
				return total, false, errStalled
			}
			if n < bulkLeast {
				return total, false, err
			}
		case err != nil:
			return total, false, err
		case limited.N > 0:
			return total, true, nil
		}
	}
}
