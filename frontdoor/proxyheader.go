package frontdoor

import (
	"bufio"
	"fmt"
	"net"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
)

// trusted reports whether a peer must begin with a PROXY header. The protocol
// forbids to guess: of a peer that sends it, a connection without it is
// refused, since its own clients could send one.
func (d *Door) trusted(peer net.Addr) bool {
	ip := addrPort(peer).Addr().Unmap().WithZone("")
	for _, p := range d.inForce.Load().o.ProxyFrom {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// proxyBuffer holds the longest header without its options: 107 bytes of
// version 1 (the protocol's own count), 232 of version 2.
const proxyBuffer = 256

// readProxyHeader reads the header off a connection and takes the addresses
// in it for the connection's own.
func (c *conn) readProxyHeader(patience time.Duration) error {
	c.SetReadDeadline(in(patience))
	r := bufio.NewReaderSize(c.Conn, proxyBuffer)
	h, err := proxyproto.Read(r)
	if err != nil {
		return fmt.Errorf("frontdoor: the PROXY header: %w", err)
	}
	c.SetReadDeadline(noDeadline)
	if src, dst, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		c.remote, c.local = src, dst
	}
	if n := r.Buffered(); n > 0 {
		b, err := r.Peek(n)
		if err != nil {
			return err
		}
		c.prefix = append([]byte(nil), b...)
	}
	return nil
}
