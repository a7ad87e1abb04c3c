//go:build !unix

package server

import (
	"errors"
	"syscall"
)

// Windows: WSAEMFILE and WSAENOBUFS, WSAECONNRESET and WSAECONNABORTED.
const (
	wsaEMFILE       = syscall.Errno(10024)
	wsaECONNABORTED = syscall.Errno(10053)
	wsaECONNRESET   = syscall.Errno(10054)
	wsaENOBUFS      = syscall.Errno(10055)
)

func exhausted(err error) bool { return errors.Is(err, wsaEMFILE) || errors.Is(err, wsaENOBUFS) }

func fleeting(err error) bool {
	return errors.Is(err, wsaECONNABORTED) || errors.Is(err, wsaECONNRESET)
}
