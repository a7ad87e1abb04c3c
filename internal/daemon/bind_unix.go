//go:build unix

package daemon

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func isInUse(err error) bool         { return errors.Is(err, syscall.EADDRINUSE) }
func isNoSuchAddress(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// reusePort lets other processes of the same user listen on the address too.
func reusePort(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, os.NewSyscallError("setsockopt SO_REUSEPORT", failed))
}
