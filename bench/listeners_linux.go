package main

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's sock_diag interface (linux/sock_diag.h, linux/inet_diag.h):
// /proc/net/tcp would have it too, but lists a hundred thousand connections in
// TIME_WAIT, which takes longer than a server's start.
const (
	sockDiagByFamily = 20
	diagRequestSize  = 56 // struct inet_diag_req_v2
	diagSourcePort   = 4  // offset of id.idiag_sport in struct inet_diag_msg
	stateListen      = 10 // TCP_LISTEN
)

// listeners counts the listening TCP sockets on a port.
func listeners(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	n := 0
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		found, err := listenersOf(fd, family, port)
		if err != nil {
			return 0, fmt.Errorf("sock_diag: %w", err)
		}
		n += found
	}
	return n, nil
}

func listenersOf(fd int, family byte, port int) (n int, err error) {
	req := make([]byte, unix.NLMSG_HDRLEN+diagRequestSize)
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := req[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], 1<<stateListen)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for {
		got, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return 0, err
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:got])
		if err != nil {
			return 0, err
		}
		for _, m := range msgs {
			switch {
			case m.Header.Type == unix.NLMSG_DONE:
				return n, nil
			case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
				return 0, syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			case m.Header.Type == sockDiagByFamily && len(m.Data) >= diagSourcePort+2:
				if int(binary.BigEndian.Uint16(m.Data[diagSourcePort:])) == port {
					n++
				}
			}
		}
	}
}
