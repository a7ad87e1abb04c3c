// Package badserver has socket policy servers that make one classic mistake
// each, and one that makes none, for tests of whatever talks to such servers:
// conformance suites, players, audits, monitors.
//
//	s, err := badserver.Start(badserver.Good(), "127.0.0.1:0")
//	defer s.Close()
//	// talk to s.Addr()
//
// [Mistakes] lists them all; each says what it does and who was seen to do it.
// They are real servers on real sockets, and some of them can be hung, filled
// or killed by one client: that is what they are for. Never run one outside a
// test.
package badserver

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Policy is the document that every server answers with.
const Policy = `<?xml version="1.0"?>` + "\n" + `<cross-domain-policy>` + "\n" +
	`  <site-control permitted-cross-domain-policies="master-only"/>` + "\n" +
	`  <allow-access-from domain="game.example.com" to-ports="8080"/>` + "\n" +
	`</cross-domain-policy>`

// Mistake is one way to serve wrongly. Values come from [Mistakes] and [Good].
type Mistake struct {
	Name string // kebab-case, unique
	Does string // what the server does wrong
	Seen string // where it was seen, or why it is made

	handle   func(*peer) // serves one connection; the caller closes it
	deadline time.Duration
	serial   bool               // one connection at a time
	failed   func(*Server) bool // what it does when accept fails; true: go on
}

// Server is a running server. Its methods may be called at any time by anyone.
type Server struct {
	mistake Mistake
	ln      net.Listener
	done    chan struct{} // closed when it no longer accepts
	hung    chan struct{} // closed by Close, for an accept loop that hangs

	mu     sync.Mutex
	closed bool
	peers  map[*peer]struct{}
}

// Start serves on address, such as "127.0.0.1:0" or "[::1]:0".
func Start(m Mistake, address string) (*Server, error) {
	if m.handle == nil {
		return nil, errors.New("badserver: a mistake comes from Mistakes or Good")
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{mistake: m, ln: ln, done: make(chan struct{}), hung: make(chan struct{}), peers: map[*peer]struct{}{}}
	go s.serve()
	return s, nil
}

// Addr is the address that the server listens on, "host:port".
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Done is closed when the server no longer accepts: by Close, or because it
// died of its mistake.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close ends the server and all its connections, and waits for its accept loop.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		close(s.hung)
	}
	s.closed = true
	for p := range s.peers {
		p.Close()
	}
	s.mu.Unlock()
	s.ln.Close()
	<-s.done
}

// die is what a server does that is killed by a client.
func (s *Server) die() { s.ln.Close() }

func (s *Server) serve() {
	defer close(s.done)
	for {
		conn, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if !s.mistake.failed(s) {
				return
			}
			continue
		}
		p := &peer{TCPConn: conn.(*net.TCPConn), server: s, until: time.Now().Add(s.mistake.deadline)}
		if !s.enter(p) {
			return
		}
		if s.mistake.serial {
			s.attend(p)
		} else {
			go s.attend(p)
		}
	}
}

// enter takes p in, unless the server was closed meanwhile.
func (s *Server) enter(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		p.Close()
		return false
	}
	s.peers[p] = struct{}{}
	return true
}

func (s *Server) attend(p *peer) {
	s.mistake.handle(p)
	p.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, p)
}

// waitAndGoOn is what a good accept loop does out of descriptors.
func waitAndGoOn(*Server) bool {
	time.Sleep(50 * time.Millisecond)
	return true
}
