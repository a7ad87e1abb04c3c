package server

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is every system call of the native engine, so that a test can let
// each of them fail. A call through a field costs a nanosecond.
//
// They are raw system calls: the scheduler is not told, which saves a fifth of
// an exchange, and must not be used for what can block, because the thread
// would keep its share of the processor and in the end stop the garbage
// collector with the whole program. None of them can: every descriptor is
// non-blocking, the waiting is done elsewhere, and closing a socket waits only
// where SO_LINGER says so, which the engine clears on the listener. Whether
// accept blocks is a property of the open socket, though, not of descriptor or
// call, and another process that shares an inherited listener can change it at
// any moment. So the engine gives the listener a timeout (SO_RCVTIMEO), which
// bounds an accept that blocks nevertheless, and makes it non-blocking again
// now and then.
type kernel struct {
	accept      func(ln int) (fd int, errno syscall.Errno)
	acceptTold  func(ln int) (fd int, errno syscall.Errno) // telling the scheduler
	receive     func(fd int, b []byte) (n int, errno syscall.Errno)
	send        func(fd int, b []byte, flags int) (n int, errno syscall.Errno)
	endSending  func(fd int) syscall.Errno
	close       func(fd int) syscall.Errno
	setOption   func(fd, level, name, value int) syscall.Errno
	noLinger    func(fd int) syscall.Errno
	waitAtMost  func(fd int, d time.Duration) syscall.Errno
	dontBlock   func(fd int) syscall.Errno
	localAddr   func(fd int) (netip.AddrPort, syscall.Errno)
	remoteAddr  func(fd int) (netip.AddrPort, syscall.Errno)
	pending     func(ln int) bool
	newEpoll    func() (fd int, errno syscall.Errno)
	watch       func(epoll, op, fd int, events uint32) syscall.Errno
	watchEvents func(epoll int, events []unix.EpollEvent) (n int, errno syscall.Errno)
}

var linux = kernel{
	accept: acceptCall, acceptTold: acceptToldCall, receive: receiveCall, send: sendCall, endSending: endSendingCall, close: closeCall,
	setOption: setOptionCall, noLinger: noLingerCall, waitAtMost: waitAtMostCall,
	dontBlock: dontBlockCall, localAddr: localAddrCall, remoteAddr: remoteAddrCall, pending: pendingCall,
	newEpoll: newEpollCall, watch: watchCall, watchEvents: watchEventsCall,
}

func acceptCall(ln int) (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(ln), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(fd), errno
}

// acceptToldCall is for a socket that has no timeout. It costs three times the
// CPU at a thousand exchanges a second, because the runtime wakes its monitor
// thread for each.
func acceptToldCall(ln int) (int, syscall.Errno) {
	fd, _, errno := syscall.Syscall6(unix.SYS_ACCEPT4, uintptr(ln), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(fd), errno
}

func receiveCall(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return result(n, errno), errno
}

func sendCall(fd int, b []byte, flags int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT), 0, 0)
	return result(n, errno), errno
}

func result(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}

func endSendingCall(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

// closeCall is never repeated: Linux has freed the descriptor whatever it says.
func closeCall(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return errno
}

func setOptionCall(fd, level, name, value int) syscall.Errno {
	v := int32(value)
	_, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}

func noLingerCall(fd int) syscall.Errno {
	var v unix.Linger
	_, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}

// waitAtMostCall sets SO_RCVTIMEO. Multipath TCP keeps it from the socket that
// accepts, so it is refused there.
func waitAtMostCall(fd int, d time.Duration) syscall.Errno {
	if p, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || p != unix.IPPROTO_TCP {
		return unix.EOPNOTSUPP
	}
	tv := unix.NsecToTimeval(d.Nanoseconds())
	_, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, uintptr(unsafe.Pointer(&tv)), unsafe.Sizeof(tv), 0)
	return errno
}

// dontBlockCall makes the listener non-blocking where it is not.
func dontBlockCall(fd int) syscall.Errno {
	flags, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0)
	if errno != 0 || flags&unix.O_NONBLOCK != 0 {
		return errno
	}
	_, _, errno = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, flags|unix.O_NONBLOCK)
	return errno
}

func localAddrCall(fd int) (netip.AddrPort, syscall.Errno) { return nameOf(unix.SYS_GETSOCKNAME, fd) }

func remoteAddrCall(fd int) (netip.AddrPort, syscall.Errno) {
	return nameOf(unix.SYS_GETPEERNAME, fd)
}

func nameOf(call uintptr, fd int) (netip.AddrPort, syscall.Errno) {
	var sa unix.RawSockaddrInet6 // the larger one of the two
	size := uint32(unsafe.Sizeof(sa))
	if _, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno != 0 {
		return netip.AddrPort{}, errno
	}
	p := (*[2]byte)(unsafe.Pointer(&sa.Port))
	port := uint16(p[0])<<8 | uint16(p[1])
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr), port), 0
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port), 0
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// pendingCall reports whether a connection waits to be accepted, or may wait.
func pendingCall(ln int) bool {
	p := unix.PollFd{Fd: int32(ln), Events: unix.POLLIN}
	var now unix.Timespec
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno != 0 || n > 0
}

func newEpollCall() (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC, 0, 0)
	return int(fd), errno
}

func watchCall(epoll, op, fd int, events uint32) syscall.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// watchEventsCall looks for events and does not wait for them.
func watchEventsCall(epoll int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	return result(n, errno), errno
}
