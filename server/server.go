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
	Engine Engine
	Tuning Tuning

	// Foreign, where it is not nil, is told of connections that began with
	// something else than a policy request: who, and what its first byte said.
	// It must return promptly; it is for a log, which should sample. The
	// portable engine calls it from the exchange's goroutine, so from several
	// at a time. The native one calls it from a goroutine of its own, and
	// leaves out what a slow one cannot take.
	Foreign func(client netip.AddrPort, opening policy.Opening)
}

// Server serves policies on any number of listeners. Make one with [New].
type Server struct {
	limits  Limits
	engine  Engine
	tuning  Tuning
	foreign func(netip.AddrPort, policy.Opening)
	room    *room
	native  *engine // from the first native listener on

	mu        sync.Mutex
	listeners []*Listener
	closed    bool
	running   sync.WaitGroup // accept loops and exchanges
}

// New returns a server without listeners.
func New(o Options) *Server {
	limits := o.Limits.withDefaults()
	return &Server{limits: limits, engine: o.Engine, tuning: o.Tuning, foreign: o.Foreign, room: newRoom(limits)}
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
	addr     net.Addr
	native   *native // nil with the portable engine
	policies atomic.Pointer[Policies]
	counters counters // but what native counts in its loops
}

// Start begins to serve on ln, which then belongs to the server, and returns
// when it does. The policies may be swapped later.
//
// A server may have any number of listeners: inherited ones, those that
// systemd activated, wildcard ones for both IP versions. The native engine
// closes ln and goes on with a duplicate of its descriptor; it sets the options
// of [Tuning] on the socket, clears SO_LINGER, and never calls shutdown(2) on
// it, for another process may listen on it too. On an error ln is still the
// caller's.
func (s *Server) Start(ln net.Listener, p Policies) (*Listener, error) {
	l := &Listener{server: s}
	if err := l.SetPolicies(p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	l.ln, l.addr = ln, ln.Addr()
	if err := s.begin(l, ln); err != nil {
		return nil, err
	}
	s.listeners = append(s.listeners, l)
	return l, nil
}

// begin starts the engine under a listener.
func (s *Server) begin(l *Listener, ln net.Listener) error {
	if s.engine != EnginePortable {
		if err := s.startNative(l, ln); err == nil || s.engine == EngineNative {
			return err
		}
	}
	s.running.Go(l.acceptLoop)
	return nil
}

// Listeners returns the listeners in the order in which they were started.
func (s *Server) Listeners() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Listener(nil), s.listeners...)
}

// Addr returns the address that the listener listens on.
func (l *Listener) Addr() net.Addr { return l.addr }

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
func (l *Listener) Stats() Stats {
	s := l.counters.snapshot()
	if l.native != nil {
		l.native.addStats(&s)
	}
	return s
}

// stop ends accepting.
func (l *Listener) stop() {
	if l.native != nil {
		l.native.stop()
		return
	}
	l.ln.Close()
}

// Shutdown stops accepting, lets the exchanges in flight finish, and returns
// when all have. When ctx ends first it closes them and returns ctx's error.
//
// The portable engine leaves the connections that wait in the kernel's queue
// where they are: for a process that shares the socket, or to be reset. The
// native one takes a last look at the queue and serves them first. Neither
// touches a shared socket otherwise; it keeps the options that were set on it.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for _, l := range s.listeners {
		l.stop()
	}
	native := s.native
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		native.end()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.room.closeAll()
		native.closeAll()
		<-done
		return ctx.Err()
	}
}
