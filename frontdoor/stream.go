package frontdoor

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
)

// errStalled is a reader that took nothing for too long; it must not be taken
// for the end of a reading period.
var errStalled = errors.New("frontdoor: the peer takes nothing")

// copyStream copies until the end of src, an error or src's deadline. The
// error is nil at the end. Between reads it holds no buffer, or a small one.
// It is for what the relay does not take: TLS, and other systems. What it
// copies is added to moved as it goes.
func copyStream(dst, src net.Conn, moved *atomic.Uint64) (int64, error) {
	r := newReadiness(src, 0)
	var total int64
	for {
		buf, n, err := r.read()
		if n > 0 {
			w, werr := dst.Write((*buf)[:n])
			total += int64(w)
			moved.Add(uint64(w))
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
	}
}
