package frontdoor

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/port843/port843/policy"
)

// GatewayOptions are those of [NewGateway]; they mean what they mean in
// [Options].
type GatewayOptions struct {
	// Policy returns the policy in force; required.
	Policy func() *policy.Policy
	// Port is the port that the policy must grant; required.
	Port    uint16
	Origins []Origin
	Dial    DialFunc // required
	Limits  Limits   // Dial, Idle, Total and Ping; how many is the HTTP server's matter
	Notify  func(Event)
}

// Gateway is an http.Handler that turns each WebSocket into a TCP connection
// to one target. A [Door] has its own; make one with [NewGateway] to put it
// into an HTTP server of yours.
//
// Binary frames are the raw bytes, however they are cut; no subprotocol, no
// compression. A text frame ends the WebSocket with 1003, since bytes would
// have to be guessed. What the backend has sent when it ends is delivered, and
// the WebSocket closed with 1000.
//
// It answers 403 where the page's Origin is missing or not permitted, 502
// where the backend cannot be connected, both before the WebSocket is
// accepted, with the reason as text.
type Gateway struct {
	limits   atomic.Pointer[Limits]
	notify   func(Event)
	counters *counters
	settle   func(*http.Request) // told of a request that becomes a session
	route    route

	mu      sync.Mutex
	tunnels map[*tunnel]struct{}
	closed  bool
}

// route finds the target of a request from a page. The error is a *refusal
// where the page may not go there.
type route func(r *http.Request, header string) (DialFunc, error)

// refusal is why a page is not let in.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// NewGateway returns a gateway of its own.
func NewGateway(o GatewayOptions) (*Gateway, error) {
	var errs []error
	if o.Policy == nil || o.Policy() == nil {
		errs = append(errs, ErrNoPolicy)
	}
	if o.Port == 0 {
		errs = append(errs, ErrNoPort)
	}
	if o.Dial == nil {
		errs = append(errs, errors.New("frontdoor: a gateway needs to know how to dial its target"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return newGateway(o.Limits, o.Notify, tableRoute(o.Policy, o.Port, o.Origins, o.Dial)), nil
}

func newGateway(l Limits, notify func(Event), r route) *Gateway {
	if notify == nil {
		notify = func(Event) {}
	}
	g := &Gateway{notify: notify, counters: &counters{}, settle: func(*http.Request) {}, route: r}
	l = l.withDefaults()
	g.limits.Store(&l)
	return g
}

// Stats returns a snapshot of the counters that concern WebSockets.
func (g *Gateway) Stats() Stats { return g.counters.snapshot() }

// tableRoute leads to one target, for pages that the policy grants the port or
// the list names.
func tableRoute(inForce func() *policy.Policy, port uint16, origins []Origin, dial DialFunc) route {
	return func(_ *http.Request, header string) (DialFunc, error) {
		if header == "" {
			return nil, &refusal{"the request has no Origin: only pages in a browser are let in here"}
		}
		p, err := parsePage(header)
		if err != nil {
			return nil, &refusal{"the Origin is not one of a page"}
		}
		for _, o := range origins {
			if o.matches(p) {
				return dial, nil
			}
		}
		if !inForce().Allows(p.from, port, policy.MasterPort).Allowed {
			return nil, &refusal{fmt.Sprintf("the socket policy does not permit pages of this origin to reach port %d", port)}
		}
		return dial, nil
	}
}

// maxOrigin is as much of an Origin as an event holds.
const maxOrigin = 256

// ServeHTTP takes a WebSocket over and returns when it is accepted; the
// session goes on without the caller.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	client, local := addrsOf(r)
	if len(r.Header.Values("Origin")) > 1 {
		origin = ""
	}
	dial, err := g.route(r, origin)
	if err != nil {
		g.refuse(w, client, origin, err)
		return
	}
	if !isUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is a gateway for WebSockets", http.StatusUpgradeRequired)
		return
	}
	ctx := r.Context()
	backend, err := dial(ctx, client, local)
	if err != nil {
		g.refuse(w, client, origin, err)
		return
	}
	c, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		backend.Close()
		if c != nil {
			c.Close() // it was answered why
		}
		return
	}
	first, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		backend.Close()
		c.Close()
		return
	}
	g.settle(r)
	g.counters.webSockets.Add(1)
	g.run(newTunnel(c, bytes.Clone(first), backend, *g.limits.Load()))
}

// upgrader answers the handshake: no subprotocol and no extension, so nothing
// is compressed. The Origin has been judged.
var upgrader = ws.HTTPUpgrader{Timeout: farewell}

// refuse answers a request that gets no WebSocket.
func (g *Gateway) refuse(w http.ResponseWriter, client net.Addr, origin string, err error) {
	w.Header().Set("Cache-Control", "no-store")
	var no *refusal
	if errors.As(err, &no) {
		g.counters.origins.Add(1)
		g.notify(Event{Kind: EventOrigin, Client: client, Origin: origin[:min(len(origin), maxOrigin)], Err: err})
		http.Error(w, no.reason, http.StatusForbidden)
		return
	}
	g.counters.noBackend.Add(1)
	g.notify(Event{Kind: EventNoBackend, Client: client, Err: err})
	// Which address failed and how is the operator's matter, not the page's.
	http.Error(w, "the game's server cannot be reached", http.StatusBadGateway)
}

func (g *Gateway) run(t *tunnel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tunnels == nil {
		g.tunnels = map[*tunnel]struct{}{}
	}
	g.tunnels[t] = struct{}{}
	t.up, t.down = &g.counters.up, &g.counters.down
	t.start(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.tunnels, t)
	})
	if g.closed {
		go t.abort(ws.StatusGoingAway, "the gateway is closing")
	}
}

// Close ends every session, with the code 1001, and lets no more in. It is for
// a gateway of its own: a Door's Shutdown closes the sessions of its gateway.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.closed = true
	open := make([]*tunnel, 0, len(g.tunnels))
	for t := range g.tunnels {
		open = append(open, t)
	}
	g.mu.Unlock()
	var ended sync.WaitGroup
	for _, t := range open {
		ended.Go(func() {
			t.abort(ws.StatusGoingAway, "the gateway is closing")
			<-t.ended
		})
	}
	ended.Wait()
	return nil
}

// addrsOf returns the client's address and the one that it connected to.
func addrsOf(r *http.Request) (client, local net.Addr) {
	client = &net.TCPAddr{}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		client = net.TCPAddrFromAddrPort(a)
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return client, a
	}
	return client, &net.TCPAddr{}
}
