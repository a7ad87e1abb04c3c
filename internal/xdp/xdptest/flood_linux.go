package xdptest

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Flood sends n SYNs to the server's port, from forged addresses, at most rate
// a second, and returns how many it sent and how long that took. It is to be
// called in a goroutine of its own, whose thread it keeps. It speaks on
// the client's end only, below its TCP, from the last processor where there are
// several: on a veth what it causes runs there too, as on a card's queue.
func (n *Network) Flood(ctx context.Context, port uint16, count, rate int) (sent int, took time.Duration, err error) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if last := runtime.NumCPU() - 1; last > 0 {
		var set unix.CPUSet
		set.Set(last)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return 0, 0, os.NewSyscallError("sched_setaffinity", err)
		}
	}
	frame, err := n.forged(port)
	if err != nil {
		return 0, 0, err
	}
	end, err := net.InterfaceByName(Client)
	if err != nil {
		return 0, 0, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket AF_PACKET", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return 0, 0, os.NewSyscallError("setsockopt PACKET_QDISC_BYPASS", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: end.Index}); err != nil {
		return 0, 0, os.NewSyscallError("bind", err)
	}
	began := time.Now()
	for i := range count {
		if i%64 == 0 {
			if ctx.Err() != nil {
				break
			}
			if due := time.Duration(i) * time.Second / time.Duration(rate); due > time.Since(began) {
				time.Sleep(due - time.Since(began))
			}
		}
		vary(frame, uint32(i))
		switch err := unix.Send(fd, frame, 0); {
		case err == nil:
			sent++
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN): // the veth's ring is full
		default:
			return sent, time.Since(began), os.NewSyscallError("send", err)
		}
	}
	return sent, time.Since(began), nil
}

const (
	ipAt, tcpAt = 14, 34
	forgedNet   = 198<<24 | 18<<16 // 198.18.0.0/15, which is for tests (RFC 2544)
)

// forged makes a SYN as a Linux client sends it. Nobody sums it up: no
// program does, on the way from a veth.
func (n *Network) forged(port uint16) ([]byte, error) {
	here, err := net.InterfaceByName(Client)
	if err != nil {
		return nil, err
	}
	var there *net.Interface
	if err := n.InServer(func() (err error) { there, err = net.InterfaceByName(Server); return err }); err != nil {
		return nil, err
	}
	b := make([]byte, tcpAt+40)
	copy(b[0:], there.HardwareAddr)
	copy(b[6:], here.HardwareAddr)
	b[12], b[13] = 8, 0
	b[ipAt] = 0x45
	binary.BigEndian.PutUint16(b[ipAt+2:], 60)
	b[ipAt+8], b[ipAt+9] = 64, 6
	copy(b[ipAt+16:], net.ParseIP(Server4).To4())
	binary.BigEndian.PutUint16(b[tcpAt+2:], port)
	b[tcpAt+12], b[tcpAt+13] = 10<<4, 2 // 40 bytes; SYN
	binary.BigEndian.PutUint16(b[tcpAt+14:], 64240)
	copy(b[tcpAt+20:], []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7})
	return b, nil
}

// vary gives the SYN another source: an address of forgedNet and a port.
func vary(b []byte, i uint32) {
	h := i * 0x9e3779b1
	binary.BigEndian.PutUint32(b[ipAt+12:], forgedNet|h&0x1ffff)
	binary.BigEndian.PutUint16(b[tcpAt:], uint16(1024+h>>17))
	binary.BigEndian.PutUint32(b[tcpAt+4:], h)
}
