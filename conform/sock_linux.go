package conform

import (
	"syscall"
	"unsafe"
)

// unacked returns how many of the sent bytes the peer has not acknowledged
// yet, and whether the system can tell (SIOCOUTQ, see tcp(7)).
func unacked(raw syscall.RawConn) (int, bool) {
	var n int32
	var errno syscall.Errno
	err := raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n), err == nil && errno == 0
}
