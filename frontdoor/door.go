package frontdoor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/port843/port843/server"
)

// Door is one port with what may be reached behind it. Make one with [New].
type Door struct {
	inForce  atomic.Pointer[inForce]
	changing sync.Mutex // held while another inForce is made
	room     *room
	counters counters
	gateway  *Gateway
	relay    *relay // of raw sessions

	web      *http.Server
	webConns *queue // to web
	players  *queue // to Accept

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	started   bool
	closed    bool
	running   sync.WaitGroup // accept loops and open connections
}

// New returns a door that serves nothing yet. The error holds every mistake in
// the options.
func New(o Options) (*Door, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d := &Door{relay: newRelay(), listeners: map[net.Listener]struct{}{}, webConns: newQueue(), players: newQueue()}
	l := o.Limits.withDefaults()
	d.room = newRoom(l.MaxConnections, l.MaxPerAddress)
	d.gateway = newGateway(l, d.notify, func(r *http.Request, origin string) (DialFunc, error) {
		return d.inForce.Load().route(r, origin)
	})
	d.gateway.counters, d.gateway.settle = &d.counters, d.settleRequest
	if err := d.Update(o); err != nil {
		return nil, err
	}
	d.web = &http.Server{
		Handler:           http.HandlerFunc(d.serveHTTP),
		ReadHeaderTimeout: max(l.Exchange, 0),
		IdleTimeout:       webIdle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	return d, nil
}

// webIdle and maxHeader bound what a browser, or somebody who says to be one,
// may keep open and send: cookies of a large site fit.
const (
	webIdle   = time.Minute
	maxHeader = 16 << 10
)

type connKey struct{}

// Answer returns the in-band answer in force.
func (d *Door) Answer() *server.Answer { return d.inForce.Load().answer }

// Limits returns the limits in force, defaults filled in.
func (d *Door) Limits() Limits { return d.inForce.Load().limits }

// Stats returns a snapshot of the door's counters.
func (d *Door) Stats() Stats {
	s := d.counters.snapshot()
	if b := d.inForce.Load().backends; b != nil {
		s.Backends = b.states()
	}
	return s
}

// Serve accepts connections on ln, which then belongs to the door, until
// Shutdown, and returns ErrClosed then. It may be called for several listeners.
func (d *Door) Serve(ln net.Listener) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		ln.Close()
		return ErrClosed
	}
	d.listeners[ln] = struct{}{}
	if !d.started {
		d.started = true
		go d.web.Serve(d.webConns)
	}
	d.running.Add(1)
	d.mu.Unlock()
	defer d.running.Done()
	for {
		c, err := ln.Accept()
		if err == nil {
			d.running.Add(1)
			go d.handle(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return ErrClosed
		}
		d.counters.acceptErrors.Add(1)
		exhausted := errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		if !exhausted || !d.room.makeRoom() {
			time.Sleep(acceptPause)
		}
	}
}

// acceptPause is how long the loop waits after an error of accept: long enough
// not to spin, short enough for nobody to notice.
const acceptPause = 10 * time.Millisecond

// Accept returns the next player, raw or through a WebSocket, where the door
// has neither Backends nor Dial. RemoteAddr is the client's. What is written
// to a WebSocket goes out as binary frames, one a Write; CloseWrite is not to
// be had there. After Shutdown the error is ErrClosed.
func (d *Door) Accept() (net.Conn, error) { return d.players.Accept() }

// Close ends everything at once, and with Accept and Addr makes a door a
// net.Listener.
func (d *Door) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d.Shutdown(ctx)
	return nil
}

// Addr returns the address of a listener that is served; nil before.
func (d *Door) Addr() net.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ln := range d.listeners {
		return ln.Addr()
	}
	return nil
}

// Shutdown stops accepting, lets the sessions go on until they end by
// themselves, and returns when all have. When ctx ends first, it closes them
// and returns ctx's error.
func (d *Door) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	for ln := range d.listeners {
		ln.Close()
	}
	d.mu.Unlock()
	d.web.SetKeepAlivesEnabled(false) // connections that wait for another request end
	done := make(chan struct{})
	go func() {
		d.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		d.partFromPages()
		d.room.closeAll()
		d.players.Close()
		<-done
		err = ctx.Err()
	}
	d.players.Close()
	d.relay.close()
	d.web.Close()
	d.webConns.Close()
	d.changing.Lock() // an Update that is under way has its backends closed too
	defer d.changing.Unlock()
	if b := d.inForce.Load().backends; b != nil {
		b.close()
	}
	return err
}

// parting is how long pages have to answer that their WebSocket is closed.
const parting = time.Second

// partFromPages closes the WebSockets with the code that says why.
func (d *Door) partFromPages() {
	done := make(chan struct{})
	go func() {
		d.gateway.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(parting):
	}
}

func (d *Door) notify(e Event) {
	if notify := d.inForce.Load().o.Notify; notify != nil {
		notify(e)
	}
}

// handle takes a connection that was accepted, which running counts already.
func (d *Door) handle(nc net.Conn) {
	d.counters.accepted.Add(1)
	d.counters.open.Add(1)
	c := &conn{Conn: nc, in: d.inForce.Load(), remote: nc.RemoteAddr(), local: nc.LocalAddr()}
	c.release = func() {
		if c.guest != nil {
			d.room.leave(c.guest)
		}
		d.counters.open.Add(-1)
		d.running.Done()
	}
	if d.trusted(c.remote) {
		if err := c.readProxyHeader(c.in.limits.Exchange); err != nil {
			d.notify(Event{Kind: EventProxy, Client: nc.RemoteAddr(), Err: err})
			c.Close()
			return
		}
	}
	g, displaced := d.room.enter(nc, clientKey(c.remote))
	d.counters.displaced.Add(uint64(displaced))
	if g == nil {
		d.counters.refused.Add(1)
		d.notify(Event{Kind: EventRefused, Client: c.remote})
		reset(c)
		return
	}
	c.guest = g
	d.begin(c)
}

// hand gives the game a stream to a WebSocket: the other end of a pipe.
func (d *Door) hand(_ context.Context, client, local net.Addr) (net.Conn, error) {
	ours, games := newPipe(local, client)
	if !d.players.put(games) {
		return nil, ErrClosed
	}
	return ours, nil
}
