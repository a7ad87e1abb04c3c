package frontdoor

import (
	"container/list"
	"io"
	"net"
	"net/netip"
	"sync"
)

// room counts the open connections, in all and per client, and keeps those
// that are not settled in the order of their arrival: they make room for
// newcomers, sessions do not.
type room struct {
	maxAll, maxClient int

	mu      sync.Mutex
	open    map[*guest]struct{}
	clients map[netip.Addr]*client
	waiting *list.List // of *guest, oldest first
	closed  bool
}

type client struct {
	open    int
	waiting *list.List
}

// guest is one open connection.
type guest struct {
	conn     io.Closer
	key      netip.Addr
	inAll    *list.Element // nil once it is settled
	inClient *list.Element
}

func newRoom(maxAll, maxClient int) *room {
	return &room{maxAll: maxAll, maxClient: maxClient, open: map[*guest]struct{}{}, clients: map[netip.Addr]*client{}, waiting: list.New()}
}

// limit changes how many there may be. Who is in stays.
func (r *room) limit(maxAll, maxClient int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.maxAll, r.maxClient = maxAll, maxClient
}

// enter takes a connection in, unsettled. It returns nil where the connection
// is one too many, and how many others were displaced for it.
func (r *room) enter(c net.Conn, key netip.Addr) (g *guest, displaced int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, 0
	}
	if mine := r.clients[key]; mine != nil && mine.open >= r.maxClient {
		if !r.displace(mine.waiting) {
			return nil, 0
		}
		displaced++
	}
	if len(r.open) >= r.maxAll {
		if !r.displace(r.waiting) {
			return nil, displaced
		}
		displaced++
	}
	g = &guest{conn: c, key: key}
	mine := r.clients[key]
	if mine == nil {
		mine = &client{waiting: list.New()}
		r.clients[key] = mine
	}
	mine.open++
	r.open[g] = struct{}{}
	g.inAll, g.inClient = r.waiting.PushBack(g), mine.waiting.PushBack(g)
	return g, displaced
}

// settle says that it is known what the connection is: it stays.
func (r *room) settle(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, here := r.open[g]; here && g.inAll != nil {
		r.waiting.Remove(g.inAll)
		r.clients[g.key].waiting.Remove(g.inClient)
		g.inAll, g.inClient = nil, nil
	}
}

// replace says what is to be closed from now on to end the connection.
func (r *room) replace(g *guest, c io.Closer) {
	r.mu.Lock()
	g.conn = c
	closed := r.closed
	r.mu.Unlock()
	if closed {
		c.Close()
	}
}

// displace closes the oldest of a list. Its goroutine sees the error and ends.
func (r *room) displace(l *list.List) bool {
	front := l.Front()
	if front == nil {
		return false
	}
	g := front.Value.(*guest)
	r.remove(g)
	g.conn.Close()
	return true
}

// makeRoom closes the oldest unsettled connection, where there is one.
func (r *room) makeRoom() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.displace(r.waiting)
}

func (r *room) leave(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(g)
}

func (r *room) remove(g *guest) {
	if _, here := r.open[g]; !here {
		return
	}
	delete(r.open, g)
	mine := r.clients[g.key]
	if g.inAll != nil {
		r.waiting.Remove(g.inAll)
		mine.waiting.Remove(g.inClient)
		g.inAll, g.inClient = nil, nil
	}
	if mine.open--; mine.open == 0 {
		delete(r.clients, g.key)
	}
}

// closeAll closes every connection, and lets no more in.
func (r *room) closeAll() {
	r.mu.Lock()
	r.closed = true
	var conns []io.Closer
	for g := range r.open {
		conns = append(conns, g.conn)
	}
	r.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// clientKey returns what counts as one client: a host can take any address in
// its /64.
func clientKey(a net.Addr) netip.Addr {
	ip := addrPort(a).Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// addrPort returns a TCP address as a netip.AddrPort; the zero value where it
// is none.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}
