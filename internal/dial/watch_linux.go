package dial

import (
	"context"
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// watcher keeps a second descriptor of the socket that is being connected:
// package net closes its own when the attempt fails, and the error queue with
// it.
type watcher struct {
	v6 bool
	fd int
}

func newWatcher(a netip.Addr) *watcher { return &watcher{v6: a.Is6() && !a.Is4In6(), fd: -1} }

func (w *watcher) control(_ context.Context, _, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		level, option := unix.IPPROTO_IP, unix.IP_RECVERR
		if w.v6 {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
		}
		// Without the option or the descriptor the attempt is as good; only
		// the ICMP message stays unknown.
		if unix.SetsockoptInt(int(fd), level, option, 1) != nil {
			return
		}
		if dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			w.close()
			w.fd = dup
		}
	})
}

func (w *watcher) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// icmp reads the message that is at the head of the error queue, if any.
func (w *watcher) icmp() *ICMP {
	if w.fd < 0 {
		return nil
	}
	oob := make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(w.fd, make([]byte, 256), oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if icmp := extendedError(m); icmp != nil {
			return icmp
		}
	}
	return nil
}

// extendedError reads struct sock_extended_err (linux/errqueue.h) and the
// address of the sender behind it.
func extendedError(m unix.SocketControlMessage) *ICMP {
	const size, originICMP, originICMP6 = 16, 2, 3
	v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
	v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
	if !v4 && !v6 || len(m.Data) < size || m.Data[4] != originICMP && m.Data[4] != originICMP6 {
		return nil
	}
	icmp := &ICMP{Type: int(m.Data[5]), Code: int(m.Data[6])}
	sender := m.Data[size:]
	if len(sender) >= 8 && binary.NativeEndian.Uint16(sender) == unix.AF_INET {
		icmp.From = netip.AddrFrom4([4]byte(sender[4:8]))
	}
	if len(sender) >= 24 && binary.NativeEndian.Uint16(sender) == unix.AF_INET6 {
		icmp.From = netip.AddrFrom16([16]byte(sender[8:24])).Unmap()
	}
	return icmp
}
