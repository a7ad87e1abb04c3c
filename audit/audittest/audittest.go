// Package audittest is a crowd of impostors: servers that are, claim to be, or
// could be taken for a policy server on port 843, each a small one on loopback,
// with what an auditor should make of it.
//
//	for _, imp := range audittest.All() {
//		s, err := imp.Start("127.0.0.1:0")
//		…
//		o := prober.Probe(ctx, audit.Target{Addr: s.Addr})
//		// o.Class is imp.Want.Class
//	}
//
// [All] lists them. An impostor has no state; a [Server] is one of them at
// work, and serves any number of connections at once.
package audittest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/port843/port843/audit"
)

// Want is what an impostor is to be taken for.
type Want struct {
	Class   audit.Class
	Faults  []audit.Fault // in the order of audit's list
	Product string        // "" where it does not matter
	Inside  audit.Class   // of TLS
	Program uint32        // of RPC
	Web     string        // audit.HTTP's Crossdomain
}

// Impostor is one way to behave on a port.
type Impostor struct {
	Name string
	Doc  string           // what it does, and where that is met
	Talk func(c net.Conn) // serves one connection; the connection is closed, and drained, behind it
	Want Want
}

// Server is an impostor that listens.
type Server struct {
	Addr netip.AddrPort

	listener net.Listener
	done     chan struct{}
	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted int
}

// Start makes the impostor listen on addr, such as "127.0.0.1:0". Close ends it.
func (i Impostor) Start(addr string) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, done: make(chan struct{}), open: map[net.Conn]bool{}}
	s.Addr = l.Addr().(*net.TCPAddr).AddrPort()
	s.Addr = netip.AddrPortFrom(s.Addr.Addr().Unmap(), s.Addr.Port())
	go s.serve(i.Talk)
	return s, nil
}

// Close ends the server and all its connections.
func (s *Server) Close() {
	s.listener.Close()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close()
	}
}

// Accepted returns how many connections there were so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) serve(talk func(net.Conn)) {
	defer close(s.done)
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.open[c] = true
		s.accepted++
		s.mu.Unlock()
		go func() {
			talk(c)
			c.Close()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		}()
	}
}

// The pieces that impostors are made of.

// good is a policy without faults.
const good = `<?xml version="1.0"?>` + "\n" +
	`<cross-domain-policy><site-control permitted-cross-domain-policies="master-only"/>` +
	`<allow-access-from domain="*.example.com" to-ports="9000"/></cross-domain-policy>`

// finish ends a conversation as a careful server does: half-close, read what
// is left, close.
func finish(c net.Conn) {
	if t, ok := c.(interface{ CloseWrite() error }); ok {
		t.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	io.Copy(io.Discard, io.LimitReader(c, 1<<16))
}

// hold keeps the connection open until the other side ends it.
func hold(c net.Conn) { io.Copy(io.Discard, c) }

// reset ends the connection with an RST.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

// request reads up to and with the NUL of a policy request, and reports
// whether it was one.
func request(c net.Conn) bool {
	b := make([]byte, 0, 64)
	one := make([]byte, 1)
	for len(b) < 64 {
		if _, err := c.Read(one); err != nil {
			return false
		}
		b = append(b, one[0])
		if one[0] == 0 {
			return string(b) == "<policy-file-request/>\x00"
		}
	}
	return false
}

// some reads the first piece of whatever comes.
func some(c net.Conn) []byte {
	b := make([]byte, 4096)
	n, _ := c.Read(b)
	return b[:n]
}

// line reads up to a line break; nil where none comes.
func line(c net.Conn) []byte {
	var b []byte
	one := make([]byte, 1)
	for len(b) < 8192 {
		if _, err := c.Read(one); err != nil {
			return nil
		}
		if b = append(b, one[0]); one[0] == '\n' {
			return bytes.TrimRight(b, "\r\n")
		}
	}
	return nil
}

// say sends a text.
func say(c net.Conn, text string) { io.WriteString(c, text) }

// answering makes a server that answers a policy request, and nothing else,
// with the text, and closes.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		if request(c) {
			say(c, text)
		}
		finish(c)
	}
}

// banner makes a server that greets with the text and then listens in silence.
func banner(text string) func(net.Conn) {
	return func(c net.Conn) { say(c, text); hold(c) }
}

// pieces sends the text in pieces of n bytes, a pause between two of them.
func pieces(c net.Conn, text string, n int, pause time.Duration) bool {
	for len(text) > 0 {
		n := min(n, len(text))
		if _, err := io.WriteString(c, text[:n]); err != nil {
			return false
		}
		text = text[n:]
		time.Sleep(pause)
	}
	return true
}
