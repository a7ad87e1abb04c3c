package server

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller is an epoll that the runtime's poller watches in turn: whoever waits
// for it waits as a goroutine, without a thread of its own.
type poller struct {
	epoll int
	file  *os.File // owns epoll
	raw   syscall.RawConn
}

func newPoller(k *kernel) (p poller, err error) {
	fd, errno := k.newEpoll()
	if errno != 0 {
		return p, os.NewSyscallError("epoll_create1", errno)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return p, os.NewSyscallError("fcntl", err)
	}
	p.epoll, p.file = fd, os.NewFile(uintptr(fd), "epoll")
	p.raw, err = p.file.SyscallConn()
	if err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails where the runtime's poller has not taken it
	}
	if err != nil {
		p.file.Close()
	}
	return p, err
}

// gate is a poller that holds a listening socket and nothing else, so that it
// can be shut. In the runtime's poller itself a socket stays as long as it is
// open, and each connection that arrives while a loop is busy accepting would
// wake a thread that finds nothing to do.
//
// The kernel hands an event on from gate to poller when a connection arrives,
// and when the gate is opened in front of one that waits already. Nobody asks
// the gate itself what it has; accept will tell.
//
// One loop at a time may use it.
type gate struct {
	poller
	k      *kernel
	ln     int
	isShut bool // or may be
}

func newGate(k *kernel, ln int) (*gate, error) {
	p, err := newPoller(k)
	if err != nil {
		return nil, err
	}
	if errno := k.watch(p.epoll, unix.EPOLL_CTL_ADD, ln, unix.EPOLLIN); errno != 0 {
		p.file.Close()
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return &gate{poller: p, k: k, ln: ln}, nil
}

// shut keeps arrivals back, if the kernel will.
func (g *gate) shut() {
	errno := g.k.watch(g.epoll, unix.EPOLL_CTL_DEL, g.ln, 0)
	g.isShut = errno == 0 || errno == unix.ENOENT
}

// open lets arrivals through, those too that are waiting, and reports whether
// it does. A socket that is still in has to leave first: the kernel holds it
// for told already.
func (g *gate) open() bool {
	errno := g.k.watch(g.epoll, unix.EPOLL_CTL_ADD, g.ln, unix.EPOLLIN)
	if errno == unix.EEXIST {
		g.shut()
		errno = g.k.watch(g.epoll, unix.EPOLL_CTL_ADD, g.ln, unix.EPOLLIN)
	}
	g.isShut = errno != 0
	return !g.isShut
}
