package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/port843/port843/server"
)

// begin finds out what a connection is and serves it. It closes it, now or in
// a goroutine that has taken it over.
func (d *Door) begin(c *conn) {
	patience, serverFirst := c.in.limits.Silence, c.in.o.ServerFirst
	if serverFirst {
		patience = max(c.in.limits.Greeting, 0)
	}
	m := d.newMatch(c)
	buf := getBuffer()
	n, err := 0, error(nil)
	if !serverFirst || patience > 0 {
		c.SetReadDeadline(in(patience))
		n, err = c.Read(*buf)
	}
	// Who says nothing and ends its direction may still wait for a greeting.
	silent := errors.Is(err, os.ErrDeadlineExceeded) || err == io.EOF && serverFirst
	if n == 0 && err != nil && !silent {
		putBuffer(buf)
		c.Close()
		return
	}
	c.SetReadDeadline(noDeadline)
	switch k := m.next((*buf)[:n]); k {
	case kindRaw, kindUnsettled:
		d.raw(c, m, buf, n)
	default:
		first := append([]byte(nil), (*buf)[:n]...)
		putBuffer(buf)
		d.serveKind(k, c, first)
	}
}

func (d *Door) newMatch(c *conn) match {
	_, inside := c.Conn.(*tls.Conn)
	return match{http: !c.in.o.RawOnly, tls: c.in.o.TLS != nil && !inside}
}

// serveKind serves a connection that is not raw. first is what was read of it.
func (d *Door) serveKind(k kind, c *conn, first []byte) {
	switch k {
	case kindPolicy:
		d.servePolicy(c, first)
	case kindHTTP:
		c.prefix = append(first, c.prefix...)
		if !d.webConns.put(c) {
			c.Close()
		}
	case kindTLS:
		c.prefix = append(first, c.prefix...)
		d.serveTLS(c)
	}
}

func (d *Door) servePolicy(c *conn, first []byte) {
	defer c.Close()
	c.SetDeadline(in(c.in.limits.Exchange))
	server.Exchange(c, first, d.Answer, func() { d.counters.policies.Add(1) })
}

func (d *Door) serveTLS(c *conn) {
	outer := &conn{Conn: c.Conn, prefix: c.prefix, remote: c.remote, local: c.local}
	outer.release = func() {}
	t := tls.Server(outer, c.in.o.TLS)
	c.SetDeadline(in(c.in.limits.Exchange))
	if err := t.Handshake(); err != nil {
		c.Close()
		return
	}
	c.SetDeadline(noDeadline)
	d.counters.tls.Add(1)
	c.Conn, c.prefix = t, nil
	d.begin(c)
}

// raw serves a connection that is raw, or so far cannot be told from one. It
// gives buf back.
func (d *Door) raw(c *conn, m match, buf *[]byte, n int) {
	u := &unsettled{conn: c, m: m, onRaw: func() { d.room.settle(c.guest) }}
	if m.settled == kindRaw {
		u.raw.Store(true)
		d.room.settle(c.guest)
	} else {
		u.seen = append(u.seen, (*buf)[:n]...)
	}
	d.counters.raw.Add(1)
	if c.in.dial == nil {
		u.conn.prefix = append([]byte(nil), (*buf)[:n]...)
		putBuffer(buf)
		d.handPlayer(u)
		return
	}
	if k, seen := d.forward(u, buf, n); k != kindUnsettled {
		d.counters.takenBack.Add(1)
		d.serveKind(k, c, seen)
	}
}

// handPlayer gives a raw connection to Accept. What was read of it has been
// matched already.
func (d *Door) handPlayer(u *unsettled) {
	p := &rawPlayer{unsettled: u}
	u.onTaken = func(k kind, seen []byte) {
		d.counters.takenBack.Add(1)
		p.gone.Store(true)
		go d.serveKind(k, u.conn, seen)
	}
	p.begun = u.conn.prefix
	u.conn.prefix = nil
	if !d.players.put(p) {
		u.conn.Close()
	}
}

// serveHTTP answers what came as "GET ".
func (d *Door) serveHTTP(w http.ResponseWriter, r *http.Request) {
	o := &d.inForce.Load().o
	switch {
	case !isUpgrade(r):
		d.counters.http.Add(1)
		if o.HTTP == nil {
			http.NotFound(w, r)
			return
		}
		o.HTTP.ServeHTTP(w, r)
	case o.Gateway != nil && strings.HasPrefix(r.URL.Path, targetPath):
		d.settleRequest(r)
		o.Gateway.ServeHTTP(w, r)
	default:
		d.gateway.ServeHTTP(w, r)
	}
}

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// settleRequest settles the connection that a request came on.
func (d *Door) settleRequest(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		d.room.settle(c.guest)
	}
}

// reach connects to the backend for a client.
func (d *Door) reach(c *conn) (net.Conn, error) {
	b, err := c.in.dial(context.Background(), c.remote, c.local)
	if err != nil {
		d.counters.noBackend.Add(1)
		d.notify(Event{Kind: EventNoBackend, Client: c.remote, Err: err})
	}
	return b, err
}
