package frontdoor

import (
	"crypto/tls"
	"net"
	"sync"
)

// conn is a connection of a door: its stream, TCP or TLS, with the bytes that
// were read of it and are to be read again.
type conn struct {
	net.Conn          // *net.TCPConn, *tls.Conn, or what the listener gives
	in       *inForce // what the connection began with
	prefix   []byte
	remote   net.Addr // the client, as a PROXY header said it where there was one
	local    net.Addr // what the client connected to

	guest   *guest
	release func() // called once, by Close
	once    sync.Once
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.prefix)
	if c.prefix = c.prefix[n:]; len(c.prefix) == 0 {
		c.prefix = nil
	}
	return n, nil
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }
func (c *conn) LocalAddr() net.Addr  { return c.local }

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}

func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite ends one direction; where the stream cannot, it ends both.
func closeWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

// reset makes closing a reset, so that the peer reads an error and no end.
func reset(c net.Conn) {
	inner := c
	for {
		switch t := inner.(type) {
		case *conn:
			inner = t.Conn
			continue
		case *tls.Conn:
			inner = t.NetConn()
			continue
		case interface{ SetLinger(int) error }:
			t.SetLinger(0)
			inner.Close() // before TLS says good-bye on it
		}
		c.Close()
		return
	}
}

// bare returns the stream itself where nothing is left to be read before it,
// so that the kernel can copy it.
func bare(c net.Conn) net.Conn {
	if u, ok := c.(*unsettled); ok {
		c = u.conn
	}
	if o, ok := c.(*conn); ok && len(o.prefix) == 0 {
		return o.Conn
	}
	return c
}
