package server

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// room keeps the open connections in the order of their arrival, in all and
// per client, so that the oldest can make room for a newcomer. A newcomer is
// never turned away: it is the one that is most likely to be a good client.
type room struct {
	limits Limits

	mu      sync.Mutex
	all     *list.List // of *guest, oldest first
	clients map[netip.Addr]*list.List
	closed  bool
}

// guest is one open connection in the room.
type guest struct {
	conn      net.Conn
	client    netip.Addr
	displaced atomic.Bool
	inAll     *list.Element
	inClient  *list.Element
}

func newRoom(l Limits) *room {
	return &room{limits: l, all: list.New(), clients: map[netip.Addr]*list.List{}}
}

// enter takes a connection in. Where that makes one too many, the oldest of
// the same client, or of all, is closed.
func (r *room) enter(c net.Conn, client netip.Addr) *guest {
	g := &guest{conn: c, client: client}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.Close()
		return g
	}
	if mine := r.clients[client]; mine != nil && mine.Len() >= r.limits.MaxPerAddress {
		r.displace(mine)
	} else if r.all.Len() >= r.limits.MaxConnections {
		r.displace(r.all)
	}
	mine := r.clients[client]
	if mine == nil {
		mine = list.New()
		r.clients[client] = mine
	}
	g.inAll = r.all.PushBack(g)
	g.inClient = mine.PushBack(g)
	return g
}

// displace closes the oldest connection of a list. Its goroutine sees the
// error and ends.
func (r *room) displace(l *list.List) bool {
	front := l.Front()
	if front == nil {
		return false
	}
	g := front.Value.(*guest)
	g.displaced.Store(true)
	r.remove(g)
	g.conn.Close()
	return true
}

// makeRoom closes up to n of the oldest connections and returns how many: for
// when the system has no descriptor left.
func (r *room) makeRoom(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := 0
	for made < n && r.displace(r.all) {
		made++
	}
	return made
}

// leave forgets a connection. It may have been displaced before.
func (r *room) leave(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(g)
}

func (r *room) remove(g *guest) {
	if g.inAll == nil {
		return
	}
	r.all.Remove(g.inAll)
	g.inAll = nil
	mine := r.clients[g.client]
	mine.Remove(g.inClient)
	if mine.Len() == 0 {
		delete(r.clients, g.client)
	}
}

// closeAll closes every connection, and those that still come.
func (r *room) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for r.displace(r.all) {
	}
}
