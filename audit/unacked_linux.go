package audit

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacked reports whether bytes that were sent long ago are still not taken by
// the other side's system, as with a tarpit that answers SYNs without a host
// behind it.
func unacked(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	stuck := false
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		stuck = err == nil && info.State == unix.BPF_TCP_ESTABLISHED && (info.Unacked > 0 || info.Notsent_bytes > 0)
	})
	return stuck
}
