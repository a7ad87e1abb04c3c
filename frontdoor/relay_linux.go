package frontdoor

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// relay copies raw TCP sessions in a few event loops of its own. A message
// costs a wait, a read and a write, and no goroutine has to be found and woken
// for it; a quiet session costs no goroutine and no buffer. Sessions that are
// not plain TCP on both sides are copied by goroutines (copyStream).
//
// A loop waits in the kernel by itself instead of in Go's poller: that poller
// reports an edge, so that each read must be followed by one which finds
// nothing, and switches goroutines in between.
type relay struct {
	mu    sync.Mutex
	loops []*loop // made with the first session
	next  int
	over  bool
}

func newRelay() *relay { return &relay{} }

// loop is one event loop. All of it, and of its pairs, is guarded by mu, which
// the loop gives back while it waits.
type loop struct {
	poll, wake int

	mu    sync.Mutex
	least time.Duration // the shortest idle limit of any pair so far; 0: none has one
	ends  map[int32]end
	pipes []pipe  // not in use
	bulky int     // in use
	done  []*pair // over, and to be told so without mu
	buf   []byte
	over  bool
}

// end is one descriptor of a pair: side 0 is the client's, 1 the backend's.
type end struct {
	pair *pair
	side int
}

// pair is a session.
type pair struct {
	loop   *loop
	fd     [2]int
	mask   [2]uint32 // what fd is waited for; 0: it is not registered
	half   [2]half   // by the side that is read
	over   bool
	idle   time.Duration     // not above 0: for ever
	moved  [2]*atomic.Uint64 // bytes of all sessions, by the side that is read
	onDone func()

	seen   int64 // bytes at the last sweep
	active time.Time
}

// half is one direction of a pair.
type half struct {
	open    bool
	total   int64
	rest    *[]byte // a buffer of which from:to is not written yet
	from    int
	to      int
	pipe    *pipe // while it is bulk
	inPipe  int
	plain   bool      // it cannot be spliced
	stalled time.Time // since when the reader takes nothing; zero: it takes what comes

	swept int64 // total at the last sweep
}

// pipe is what a bulky half is spliced through.
type pipe struct{ r, w int }

const (
	maxLoops  = 8               // more only fight for the same sockets' locks
	maxEvents = 128             // of one wait
	pipeSize  = 1 << 20         // what an unprivileged process may have (fs.pipe-max-size)
	bulkShare = 4 << 20         // bytes of one turn, so that others have theirs
	keptPipes = 8               // not in use, of one loop
	bulkSweep = time.Second / 4 // how often it is looked whether bulk has become quiet
	bulkLeast = 1 << 20         // bytes between two such looks that keep it bulk
	maxSweep  = 30 * time.Second
)

// take takes a session over. It returns nil, and has not taken it, where one
// side is not plain TCP or the system refuses. open says which directions have
// not ended; where nothing passes for idle, the session is ended. The bytes
// are added to moved as they pass. onDone is called once, from any goroutine;
// it must return promptly.
func (r *relay) take(client, backend net.Conn, open [2]bool, idle time.Duration, moved [2]*atomic.Uint64, onDone func()) *pair {
	c, ok1 := client.(*net.TCPConn)
	b, ok2 := backend.(*net.TCPConn)
	if !ok1 || !ok2 {
		return nil
	}
	l := r.pick()
	if l == nil {
		return nil
	}
	p := &pair{loop: l, idle: idle, moved: moved, onDone: onDone, active: time.Now()}
	p.half[0].open, p.half[1].open = open[0], open[1]
	var err error
	if p.fd[0], err = duplicate(c); err != nil {
		return nil
	}
	if p.fd[1], err = duplicate(b); err != nil {
		unix.Close(p.fd[0])
		return nil
	}
	// From here on Go's poller must not hear of them.
	c.Close()
	b.Close()
	l.mu.Lock()
	l.ends[int32(p.fd[0])], l.ends[int32(p.fd[1])] = end{p, 0}, end{p, 1}
	if l.over || !p.wait() {
		p.abort()
	}
	if idle > 0 && (l.least == 0 || idle < l.least) {
		l.least = idle
		l.stir()
	}
	l.leave()
	return p
}

// pick returns the loop of the next session.
func (r *relay) pick() *loop {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil
	}
	if len(r.loops) < min(runtime.GOMAXPROCS(0), maxLoops) {
		l, err := newLoop()
		if err != nil {
			return nil
		}
		r.loops = append(r.loops, l)
		go l.run()
		return l
	}
	r.next++
	return r.loops[r.next%len(r.loops)]
}

// close ends the loops, and every session with a reset.
func (r *relay) close() {
	r.mu.Lock()
	r.over = true
	loops := r.loops
	r.mu.Unlock()
	for _, l := range loops {
		l.close()
	}
}

// duplicate returns the descriptor of a connection as one of our own.
func duplicate(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	bad := raw.Control(func(theirs uintptr) { fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0) })
	if bad != nil {
		return -1, bad
	}
	return fd, err
}

func newLoop() (*loop, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		if err = unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}); err == nil {
			return &loop{poll: poll, wake: wake, ends: map[int32]end{}, buf: make([]byte, bufferSize)}, nil
		}
		unix.Close(wake)
	}
	unix.Close(poll)
	return nil, err
}

// stir makes the loop look at the time, and whether it is over.
func (l *loop) stir() { unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *loop) close() {
	l.mu.Lock()
	if !l.over {
		l.over = true
		for _, e := range l.ends {
			e.pair.abort()
		}
		l.stir()
	}
	l.leave()
}

// run handles events until the loop is closed.
func (l *loop) run() {
	events := make([]unix.EpollEvent, maxEvents)
	sweep := time.Now().Add(maxSweep)
	for {
		n, err := unix.EpollWait(l.poll, events, int(max(time.Until(sweep).Milliseconds(), 0))+1)
		if err != nil && err != unix.EINTR {
			n = 0 // there is no such error for descriptors that are open
		}
		l.mu.Lock()
		if l.over {
			l.free()
			l.leave()
			return
		}
		for _, e := range events[:max(n, 0)] {
			if at, ok := l.ends[e.Fd]; ok {
				at.pair.event(at.side, e.Events)
			} else if e.Fd == int32(l.wake) {
				unix.Read(l.wake, l.buf[:8])
			}
		}
		if now := time.Now(); !now.Before(sweep) {
			l.sweep(now)
			sweep = now.Add(l.every())
		} else if soon := now.Add(l.every()); soon.Before(sweep) {
			sweep = soon
		}
		l.leave()
	}
}

// leave gives mu back and tells who waits for pairs that are over.
func (l *loop) leave() {
	done := l.done
	l.done = nil
	l.mu.Unlock()
	for _, p := range done {
		p.onDone()
	}
}

func (l *loop) free() {
	for _, p := range l.pipes {
		unix.Close(p.r)
		unix.Close(p.w)
	}
	unix.Close(l.wake)
	unix.Close(l.poll)
}

// every is how long the loop goes without a sweep.
func (l *loop) every() time.Duration {
	d := maxSweep
	if l.least > 0 {
		d = min(d, l.least/4)
	}
	if l.bulky > 0 {
		d = min(d, bulkSweep)
	}
	return max(d, time.Millisecond)
}

// sweep ends sessions that are idle, or whose reader takes nothing for three
// idle periods, and takes its pipe from bulk that has become quiet.
func (l *loop) sweep(now time.Time) {
	for _, e := range l.ends {
		p := e.pair
		if e.side != 0 || p.over {
			continue
		}
		if sum := p.half[0].total + p.half[1].total; sum != p.seen {
			p.seen, p.active = sum, now
		}
		stalled := false
		for i := range p.half {
			h := &p.half[i]
			if h.pipe != nil && h.inPipe == 0 && h.total-h.swept < bulkLeast {
				l.putPipe(h.pipe, 0)
				h.pipe = nil
			}
			h.swept = h.total
			stalled = stalled || !h.stalled.IsZero() && p.idle > 0 && now.Sub(h.stalled) > 3*p.idle
		}
		if stalled || p.idle > 0 && now.Sub(p.active) > p.idle {
			p.abort()
		}
	}
}

func (l *loop) takePipe() *pipe {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		l.bulky++
		return &p
	}
	var fd [2]int
	if unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil // no descriptors: it goes without
	}
	unix.FcntlInt(uintptr(fd[0]), unix.F_SETPIPE_SZ, pipeSize)
	l.bulky++
	return &pipe{fd[0], fd[1]}
}

// putPipe gives a pipe back, in which so many bytes are left.
func (l *loop) putPipe(p *pipe, left int) {
	l.bulky--
	if left == 0 && len(l.pipes) < keptPipes {
		l.pipes = append(l.pipes, *p)
		return
	}
	unix.Close(p.r)
	unix.Close(p.w)
}
