package listening

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sizes and numbers of linux/inet_diag.h and linux/sock_diag.h.
const (
	sockDiagByFamily    = 20
	diagRequestSize     = 56
	diagMessageSize     = 72
	diagRequestProtocol = 3
	stateListen         = 10
)

// diagnose asks the kernel for the listening sockets of a family and protocol.
func diagnose(family uint8, protocol uint32) ([]Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	timeout := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return nil, err
	}
	if err := unix.Sendto(fd, diagRequest(family, protocol), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var out []Listener
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil, err
		}
		done, err := diagAnswers(buf[:n], &out)
		if done || err != nil {
			return out, err
		}
	}
}

// diagRequest is a dump request. The protocol goes into an attribute too: that
// of multipath TCP does not fit the byte that there was.
func diagRequest(family uint8, protocol uint32) []byte {
	const size = unix.SizeofNlMsghdr + diagRequestSize + 8
	b := make([]byte, size)
	e := binary.NativeEndian
	e.PutUint32(b, size)
	e.PutUint16(b[4:], sockDiagByFamily)
	e.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[unix.SizeofNlMsghdr:]
	r[0], r[1] = family, byte(protocol)
	if protocol > 255 {
		r[1] = unix.IPPROTO_TCP
	}
	e.PutUint32(r[4:], 1<<stateListen)
	a := r[diagRequestSize:]
	e.PutUint16(a, 8)
	e.PutUint16(a[2:], diagRequestProtocol)
	e.PutUint32(a[4:], protocol)
	return b
}

// diagAnswers reads the messages of one datagram.
func diagAnswers(b []byte, out *[]Listener) (done bool, err error) {
	e := binary.NativeEndian
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(e.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, errors.New("netlink: a message that is cut")
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch e.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, errors.New("netlink: the kernel refuses")
		case sockDiagByFamily:
			if len(body) >= diagMessageSize {
				*out = append(*out, diagListener(body))
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// diagListener reads struct inet_diag_msg.
func diagListener(b []byte) Listener {
	e := binary.NativeEndian
	l := Listener{Port: binary.BigEndian.Uint16(b[4:])}
	if b[0] == unix.AF_INET {
		l.Addr = netip.AddrFrom4([4]byte(b[8:12]))
	} else {
		l.Addr = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	l.User = strconv.Itoa(int(e.Uint32(b[64:])))
	l.inode = uint64(e.Uint32(b[68:]))
	return l
}

// readRow reads a line of /proc/net/tcp or tcp6, if it is a listening socket's.
func readRow(line string) (Listener, bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != "0A" {
		return Listener{}, false
	}
	host, port, ok := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	inode, err3 := strconv.ParseUint(f[9], 10, 64)
	if !ok || err != nil || err2 != nil || err3 != nil || len(raw)%4 != 0 {
		return Listener{}, false
	}
	// Each word is in the machine's order.
	for i := 0; i < len(raw); i += 4 {
		if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
			slices.Reverse(raw[i : i+4])
		}
	}
	addr, ok := netip.AddrFromSlice(raw)
	return Listener{Addr: addr.Unmap(), Port: uint16(n), User: f[7], inode: inode}, ok
}
