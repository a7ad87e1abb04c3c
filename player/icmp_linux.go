package player

import (
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// icmpWatch reads the ICMP message by which a connect was rejected. The kernel
// keeps it in the socket's error queue (IP_RECVERR); that needs no rights. The
// net package closes its socket when a connect fails, so a duplicate of the
// descriptor keeps the queue alive until it has been read.
//
// The road not taken is a socket of our own with its own poller: it would have
// to do again what net.Dialer does about deadlines and cancelling.
type icmpWatch struct {
	fd   int
	open bool
	ipv6 bool
}

// control is a net.Dialer's Control. That the watch cannot be set up is no
// reason not to connect: the outcome then comes from the error number.
func (w *icmpWatch) control(network, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		w.close()
		level, option := unix.SOL_IP, unix.IP_RECVERR
		if w.ipv6 = strings.HasSuffix(network, "6"); w.ipv6 {
			level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
		}
		if unix.SetsockoptInt(int(fd), level, option, 1) != nil {
			return
		}
		if dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			w.fd, w.open = dup, true
		}
	})
}

func (w *icmpWatch) close() {
	if w.open {
		unix.Close(w.fd)
		w.open = false
	}
}

// message returns the ICMP message in the queue, or nil.
func (w *icmpWatch) message() *ICMP {
	if !w.open {
		return nil
	}
	oob := make([]byte, 512)
	data := make([]byte, 256)
	_, n, _, _, err := unix.Recvmsg(w.fd, data, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if v4 || v6 {
			if icmp := parseExtendedError(m.Data); icmp != nil {
				return icmp
			}
		}
	}
	return nil
}

// parseExtendedError reads a struct sock_extended_err and the address behind
// it, which is the sender's (ip(7), "SO_EE_OFFENDER").
func parseExtendedError(b []byte) *ICMP {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	if len(b) < size {
		return nil
	}
	const origin, kind, code = 4, 5, 6 // behind the 32-bit error number
	if b[origin] != unix.SO_EE_ORIGIN_ICMP && b[origin] != unix.SO_EE_ORIGIN_ICMP6 {
		return nil
	}
	icmp := &ICMP{Type: b[kind], Code: b[code]}
	switch addr := b[size:]; {
	case b[origin] == unix.SO_EE_ORIGIN_ICMP && len(addr) >= 8: // sockaddr_in: family, port, address
		icmp.From, _ = netip.AddrFromSlice(addr[4:8])
	case b[origin] == unix.SO_EE_ORIGIN_ICMP6 && len(addr) >= 24: // sockaddr_in6: family, port, flow, address
		icmp.From, _ = netip.AddrFromSlice(addr[8:24])
	}
	return icmp
}
