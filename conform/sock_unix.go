//go:build unix

package conform

import (
	"errors"
	"syscall"
)

// pendingError takes the socket's pending error, zero where there is none. A
// reset that came after a FIN shows up only here (as EPIPE on Linux).
func pendingError(raw syscall.RawConn) error {
	var pending int
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		pending, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	}); cerr != nil || err != nil || pending == 0 {
		return nil
	}
	return syscall.Errno(pending)
}

// isReset tells whether err is what a reset connection says.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isOutOfFiles tells whether err means that this process or machine has no
// more descriptors or local ports.
func isOutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// readable tells whether something can be read, be it the end, and whether the
// system can tell. Nothing is taken.
func readable(raw syscall.RawConn) (now, known bool) {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		_, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); cerr != nil {
		return false, false
	}
	return !errors.Is(err, syscall.EAGAIN), true
}
