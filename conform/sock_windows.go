package conform

import (
	"errors"
	"syscall"
)

const (
	soError      = 0x1007               // SO_ERROR of winsock.h
	wsaEMFILE    = syscall.Errno(10024) // too many open sockets
	wsaENOBUFS   = syscall.Errno(10055) // no buffer space, or no local port
	wsaENOTCONN  = syscall.Errno(10057)
	wsaESHUTDOWN = syscall.Errno(10058)
)

// pendingError takes the socket's pending error, nil where there is none.
func pendingError(raw syscall.RawConn) error {
	var pending int
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		pending, err = syscall.GetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, soError)
	}); cerr != nil || err != nil || pending == 0 {
		return nil
	}
	return syscall.Errno(pending)
}

// isReset tells whether err is what a reset connection says.
func isReset(err error) bool {
	return errors.Is(err, syscall.WSAECONNRESET) || errors.Is(err, syscall.WSAECONNABORTED) ||
		errors.Is(err, wsaENOTCONN) || errors.Is(err, wsaESHUTDOWN)
}

// isOutOfFiles tells whether err means that this process or machine has no
// more descriptors or local ports.
func isOutOfFiles(err error) bool { return errors.Is(err, wsaEMFILE) || errors.Is(err, wsaENOBUFS) }

// readable cannot be told without taking it.
func readable(syscall.RawConn) (now, known bool) { return false, false }
