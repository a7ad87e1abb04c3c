package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/port843/port843/policy"
)

// Options of a [Server]. The zero value is useful.
type Options struct {
	Limits Limits

	// Foreign, where it is not nil, is told of connections that began with
	// something else than a policy request: who, and what its first byte said.
	// It is called from the exchange's goroutine and must return promptly; it
	// is for a log, which should sample.
	Foreign func(client netip.AddrPort, opening policy.Opening)
}

// Server serves policies on any number of listeners. Make one with [New].
type Server struct {
	limits  Limits
	foreign func(netip.AddrPort, policy.Opening)
	room    *room

	mu        sync.Mutex
	listeners []*Listener
	closed    bool
	running   sync.WaitGroup // accept loops and exchanges
}

// New returns a server without listeners.
func New(o Options) *Server {
	limits := o.Limits.withDefaults()
	return &Server{limits: limits, foreign: o.Foreign, room: newRoom(limits)}
}

// Limits returns the limits in force, defaults filled in.
func (s *Server) Limits() Limits { return s.limits }

// ErrClosed is returned by Start on a server that was shut down.
var ErrClosed = errors.New("server: it was shut down")

// ErrNoPolicy is returned where a listener would have no default answer.
var ErrNoPolicy = errors.New("server: a listener needs a default policy")

// Listener is one listening socket of a [Server] with its policies.
type Listener struct {
	server   *Server
	ln       net.Listener
	policies atomic.Pointer[Policies]
	counters counters
}

// Start begins to serve on ln, which then belongs to the server, and returns
// when it does. The policies may be swapped later.
func (s *Server) Start(ln net.Listener, p Policies) (*Listener, error) {
	l := &Listener{server: s, ln: ln}
	if err := l.SetPolicies(p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.listeners = append(s.listeners, l)
	s.running.Go(l.acceptLoop)
	return l, nil
}

// Listeners returns the listeners in the order in which they were started.
func (s *Server) Listeners() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Listener(nil), s.listeners...)
}

// Addr returns the address that the listener listens on.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Policies returns the answers in force.
func (l *Listener) Policies() Policies { return *l.policies.Load() }

// SetPolicies swaps the answers: every exchange has either an old or a new
// one, whole.
func (l *Listener) SetPolicies(p Policies) error {
	if p.Default == nil {
		return ErrNoPolicy
	}
	l.policies.Store(&p)
	return nil
}

// Stats returns a snapshot of the listener's counters.
func (l *Listener) Stats() Stats { return l.counters.snapshot() }

// Shutdown stops accepting, lets the exchanges in flight finish, and returns
// when all have. When ctx ends first it closes them and returns ctx's error.
// Connections that wait in the kernel's queue of a socket that another process
// shares stay there, for that process.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for _, l := range s.listeners {
		l.ln.Close()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.room.closeAll()
		<-done
		return ctx.Err()
	}
}
