package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The native engine. An exchange as clients make it is over in one turn of an
// accept loop (loop_linux.go): accept, receive, send, close, and nothing is
// registered, allocated, locked or started for it. What cannot be over in one
// turn goes to the careful path (careful_linux.go), where it waits in the yard
// (yard_linux.go) as one slot of a slab. docs/engine.md tells the whole story.
//
// All waiting is done by the runtime's poller, which has the listeners' gates
// (gate_linux.go) and the yard's epoll in it: threads of its own would be
// faster only under full load, and cost three times as much at a thousand
// exchanges a second.

// engine is the native half of a [Server].
type engine struct {
	server *Server
	k      *kernel
	yard   *yard

	listeners atomic.Pointer[[]*Listener] // by the index in a state

	tellings chan told // nil without a Foreign hook
	helpers  sync.WaitGroup
	over     atomic.Bool // the yard's file is closed
	ended    sync.Once
}

// tellingsKept bounds what the Foreign hook may be behind.
const tellingsKept = 1024

// newEngine makes the engine for the first native listener.
func newEngine(s *Server, k *kernel) (*engine, error) {
	e := &engine{server: s, k: k}
	e.listeners.Store(new([]*Listener))
	y, err := newYard(s.limits, k)
	if err != nil {
		return nil, err
	}
	e.yard = y
	keeper := &worker{e: e}
	y.timer = time.AfterFunc(time.Hour, func() { e.keepDeadlines(keeper) })
	y.timer.Stop()
	e.helpers.Go(func() { e.watchYard(y.raw) })
	if s.foreign != nil {
		e.tellings = make(chan told, tellingsKept)
		e.helpers.Go(func() {
			for t := range e.tellings {
				s.foreign(t.client, t.opening)
			}
		})
	}
	return e, nil
}

func (e *engine) listener(c *conn) *Listener { return (*e.listeners.Load())[c.listener] }

// watchYard serves the connections that have become ready, until the yard's
// file is closed.
func (e *engine) watchYard(raw syscall.RawConn) {
	w := &worker{e: e}
	var events [batch]unix.EpollEvent
	for {
		raw.Read(func(fd uintptr) bool {
			for {
				n, errno := e.k.watchEvents(int(fd), events[:])
				for _, ev := range events[:n] {
					w.wake(int(ev.Fd))
				}
				switch {
				case errno != 0 && !again(errno):
					return true
				case errno == 0 && n == 0:
					// Looked at until nothing is left: the poller tells of
					// what becomes ready from here on, once.
					return false
				}
			}
		})
		if e.over.Load() {
			return
		}
		// The kernel refused to tell; the poller will not tell of the same
		// events again.
		time.Sleep(acceptPause)
	}
}

// keepDeadlines closes what is due. The timer calls it, never twice at a time.
func (e *engine) keepDeadlines(w *worker) {
	var due [batch]conn
	for {
		out, n := e.yard.expel(due[:], expired, true)
		for i := range out {
			w.settle(&out[i], Expired)
		}
		if n < len(due) {
			return
		}
	}
}

// makeRoom closes up to n of the oldest connections and returns how many.
func (w *worker) makeRoom(n int) int {
	var old [roomAtOnce]conn
	out, n := w.e.yard.expel(old[:min(n, len(old))], evicted, false)
	for i := range out {
		w.settle(&out[i], Displaced)
	}
	return n
}

// closeAll closes every waiting connection, and those that still come.
func (e *engine) closeAll() {
	if e == nil {
		return
	}
	e.yard.shut()
	for w := (&worker{e: e}); w.makeRoom(roomAtOnce) > 0; {
	}
}

// end stops what the engine runs beside its accept loops. No connection is
// left.
func (e *engine) end() {
	if e == nil {
		return
	}
	e.ended.Do(func() {
		e.yard.timer.Stop()
		e.over.Store(true)
		e.yard.file.Close()
		if e.tellings != nil {
			close(e.tellings)
		}
		e.helpers.Wait()
	})
}

// native is the native half of a [Listener].
type native struct {
	index  uint16
	tuning Tuning
	ln     socket
	gate   *gate
	loops  []*loop
	accept func(ln int) (int, syscall.Errno)
	more   chan struct{} // one loop asks another one to help
	l      *Listener

	stopping atomic.Bool
}

// socket is the descriptor of a listening socket. An os.File would put it into
// the runtime's poller, where the gate is to stand in its place.
type socket struct {
	mu     sync.RWMutex
	fd     int
	closed bool
}

// use calls f with the descriptor, which stays open meanwhile, and reports
// false where it is closed already.
func (s *socket) use(f func(fd int)) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		f(s.fd)
	}
	return !s.closed
}

func (s *socket) close(k *kernel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		k.close(s.fd)
	}
}

// maxListeners is what the index in a state can tell apart.
const maxListeners = 1 << 16

// startNative begins to serve on ln with the native engine. On an error ln is
// as it was.
func (s *Server) startNative(l *Listener, ln net.Listener) error {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return ErrNotNative
	}
	if s.native == nil {
		e, err := newEngine(s, &linux)
		if err != nil {
			return err
		}
		s.native = e
	}
	known := *s.native.listeners.Load()
	if len(known) == maxListeners {
		return errors.New("server: too many listeners")
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return err
	}
	n := &native{l: l, index: uint16(len(known)), ln: socket{fd: fd}}
	if err := n.prepare(s.native.k, s.tuning); err != nil {
		n.ln.close(&linux)
		return err
	}
	n.more = make(chan struct{}, n.tuning.Loops-1)
	// One descriptor of the socket is enough, and the poller would report
	// each connection once for either.
	ln.Close()
	l.native = n
	grown := append(known[:len(known):len(known)], l)
	s.native.listeners.Store(&grown)
	for range n.tuning.Loops {
		n.loops = append(n.loops, newLoop(s.native, n))
	}
	s.running.Go(n.loops[0].lead)
	for _, p := range n.loops[1:] {
		s.running.Go(p.help)
	}
	return nil
}

// prepare sets the options of the listening socket. Those for speed are as
// good as the kernel grants them.
func (n *native) prepare(k *kernel, t Tuning) error {
	fd := n.ln.fd
	// Connections inherit it, and closing one would wait.
	if errno := k.noLinger(fd); errno != 0 {
		return os.NewSyscallError("setsockopt SO_LINGER", errno)
	}
	if errno := k.dontBlock(fd); errno != 0 {
		return os.NewSyscallError("fcntl", errno)
	}
	// Inherited too: a predecessor may have left it, and a request that is
	// shorter than its mark would wait for its deadline.
	k.setOption(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	n.accept = k.accept
	if k.waitAtMost(fd, acceptAtMost) != 0 {
		n.accept = k.acceptTold
	}
	t = t.withDefaults(synCookies())
	t.LazyAck = n.option(k, fd, unix.TCP_QUICKACK, t.LazyAck, 0, 1)
	t.DeferAccept = n.option(k, fd, unix.TCP_DEFER_ACCEPT, t.DeferAccept, 1, 0)
	n.tuning = t
	var err error
	n.gate, err = newGate(k, fd)
	return err
}

// option sets a TCP option of the listening socket for a switch, and returns
// the switch as it is now.
func (n *native) option(k *kernel, fd, name int, s Switch, on, off int) Switch {
	if s == On && k.setOption(fd, unix.IPPROTO_TCP, name, on) == 0 {
		return On
	}
	// Whoever had the socket before may have set it.
	k.setOption(fd, unix.IPPROTO_TCP, name, off)
	return Off
}

// stop makes the accept loops end, after a last look at the queue.
func (n *native) stop() {
	n.stopping.Store(true)
	n.gate.file.SetReadDeadline(time.Unix(1, 0))
}

func (n *native) addStats(s *Stats) {
	for _, p := range n.loops {
		hot := p.answered.Load()
		s.Accepted += hot
		s.Ended[Answered] += hot
	}
}

// duplicate returns another descriptor of the listening socket.
func (n *native) duplicate() (*os.File, error) {
	dup, err := -1, net.ErrClosed
	n.ln.use(func(fd int) { dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(dup), n.l.Addr().String()), nil
}

// duplicate returns another descriptor of a socket that is in the runtime's
// poller, and whose close takes it out there.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// answerFor returns the answer in force for a connection.
func (n *native) answerFor(fd int) *Answer { return n.l.answerFor(n.l.server.native.k, fd) }

func (n *native) quick(a *Answer) bool { return n.tuning.QuickClose == On && len(a.wire) <= quickSize }

// flagsFor returns how to send an answer: those that a close, or an end of the
// direction, follows at once are held back for it.
func (n *native) flagsFor(a *Answer) int {
	if n.tuning.OneSegment == On && len(a.wire) <= quickSize {
		return unix.MSG_MORE
	}
	return 0
}
