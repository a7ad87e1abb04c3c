package server

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection in the hands of a worker.
type conn struct {
	fd int
	state
	partial
}

// partial is an answer of which the kernel took only the beginning. It is rare
// enough to be kept beside the slab.
type partial struct {
	answer *Answer
	sent   int
}

// yard is where connections on the careful path stand while nothing can be
// done for them: the slab, its lists, and one epoll for all.
//
// Its lock is never held over a call that could take long, and at most batch
// connections are taken out at a time. The hot path never comes here.
type yard struct {
	poller
	limits Limits
	k      *kernel
	timer  *time.Timer
	start  time.Time

	mu      sync.Mutex
	slab    slab
	order   queue
	clients clients
	sends   map[ref]partial
	closed  bool // nobody may enter any more
	armed   bool // the timer runs
}

const (
	// batch is how many connections one holder of the lock takes out, or one
	// look at the epoll returns.
	batch = 64
	// leeway is how late a deadline may be kept, so that the timer runs a
	// hundred times a second at most, whatever comes and goes.
	leeway = 10 * time.Millisecond

	wantInput  = unix.EPOLLIN | unix.EPOLLRDHUP
	wantOutput = unix.EPOLLOUT
)

func newYard(limits Limits, k *kernel) (*yard, error) {
	p, err := newPoller(k)
	if err != nil {
		return nil, err
	}
	y := &yard{
		poller: p, limits: limits, k: k, start: time.Now(),
		clients: newClients(limits.MaxConnections), sends: map[ref]partial{},
	}
	return y, nil
}

// now is the yard's clock in milliseconds. It wraps after 49 days, so times
// are compared by their difference.
func (y *yard) now() uint32 { return uint32(time.Since(y.start).Milliseconds()) }

// enter takes a connection in and watches it. Where that makes one too many,
// the oldest of the same client, or of all, is returned, to be closed by the
// caller; its fd is -1 where there is none, or where another worker has it.
// An error says that c was not taken in.
func (y *yard) enter(c *conn, client uint64) (victim conn, errno syscall.Errno) {
	victim.fd = -1
	r := refOf(c.fd)
	want := uint32(wantInput)
	if c.phase == sending {
		want = wantOutput
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.closed {
		return victim, unix.ESHUTDOWN
	}
	if k := y.clients.find(client); k != 0 && int(y.clients.at(k).n) >= y.limits.MaxPerAddress {
		victim = y.expelLocked(y.clients.at(k).head, evicted)
	} else if y.order.n >= y.limits.MaxConnections {
		victim = y.expelLocked(y.order.head, evicted)
	}
	// Under the lock, because the moment the connection is in, somebody else
	// may close it, and its number may become another's.
	if errno := y.k.watch(y.epoll, unix.EPOLL_CTL_ADD, c.fd, want); errno != 0 {
		return victim, errno
	}
	x := y.slab.at(r)
	x.state = c.state
	x.owner = nobody
	x.deadline = y.now() + uint32(y.limits.Deadline.Milliseconds())
	if c.phase == sending {
		y.sends[r] = c.partial
	}
	y.order.push(&y.slab, r)
	y.clients.push(&y.slab, r, client)
	if !y.armed {
		y.armed = true
		y.timer.Reset(max(y.limits.Deadline, leeway))
	}
	return victim, 0
}

// take hands a connection to a worker. It is false where there is none by that
// number any more, or somebody has it.
func (y *yard) take(fd int) (c conn, ok bool) {
	r := refOf(fd)
	y.mu.Lock()
	defer y.mu.Unlock()
	x := y.slab.at(r)
	if x.phase == 0 || x.owner != nobody {
		return c, false
	}
	x.owner = taken
	c = conn{fd: fd, state: x.state}
	if c.phase == sending {
		c.partial = y.sends[r]
	}
	return c, true
}

// put takes a connection back from its worker. Where it was expelled meanwhile
// the worker keeps it, and has to close it for the reason returned.
func (y *yard) put(c *conn) (why owner) {
	r := refOf(c.fd)
	y.mu.Lock()
	defer y.mu.Unlock()
	x := y.slab.at(r)
	if x.owner != taken {
		why = x.owner
		y.clearLocked(r)
		return why
	}
	if c.phase == sending {
		y.sends[r] = c.partial
	} else if x.phase == sending {
		delete(y.sends, r)
	}
	x.state = c.state
	x.owner = nobody
	return nobody
}

// leave forgets a connection that its worker is about to close.
func (y *yard) leave(c *conn) {
	r := refOf(c.fd)
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.slab.at(r).owner == taken {
		y.unlinkLocked(r)
	}
	y.clearLocked(r)
}

// expel takes up to len(into) of the oldest connections out, for their worker
// to close, and returns those that nobody has in hand, and how many there were
// with the others. With due it takes only those whose deadline has come.
func (y *yard) expel(into []conn, why owner, due bool) (out []conn, n int) {
	out = into[:0]
	y.mu.Lock()
	defer y.mu.Unlock()
	now := y.now()
	for n < len(into) && y.order.head != 0 {
		if due && int32(y.slab.at(y.order.head).deadline-now) > 0 {
			break
		}
		if c := y.expelLocked(y.order.head, why); c.fd >= 0 {
			out = append(out, c)
		}
		n++
	}
	if due && n < len(into) {
		y.rearmLocked(now)
	}
	return out, n
}

// expelLocked takes one connection out of the lists. The caller gets it, or
// its fd is -1: then the worker that has it will find out.
func (y *yard) expelLocked(r ref, why owner) conn {
	x := y.slab.at(r)
	y.unlinkLocked(r)
	if x.owner == taken {
		x.owner = why
		return conn{fd: -1}
	}
	c := conn{fd: r.fd(), state: x.state, partial: y.sends[r]}
	y.clearLocked(r)
	return c
}

func (y *yard) unlinkLocked(r ref) {
	y.order.remove(&y.slab, r)
	y.clients.remove(&y.slab, r)
}

func (y *yard) clearLocked(r ref) {
	x := y.slab.at(r)
	if x.phase == sending {
		delete(y.sends, r)
	}
	x.state = state{}
}

// rearmLocked sets the timer for the oldest connection, if there is one.
func (y *yard) rearmLocked(now uint32) {
	y.armed = y.order.head != 0
	if y.armed {
		left := time.Duration(int32(y.slab.at(y.order.head).deadline-now)) * time.Millisecond
		y.timer.Reset(max(left, leeway))
	}
}

// shut lets nobody in any more.
func (y *yard) shut() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.closed = true
}
