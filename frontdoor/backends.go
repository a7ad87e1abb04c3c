package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
)

// backends are the addresses of the game in the order in which they are tried.
//
// One that cannot be connected is left out from then on, and looked after
// until it can be connected again. Those that work are not looked after: the
// next connection shows, and a game's log stays free of visits. Where all are
// down, each is tried all the same, so that the first that comes back serves.
type backends struct {
	timeout time.Duration
	version byte // of the PROXY header; 0: none
	notify  func(Event)
	dialer  net.Dialer

	mu     sync.Mutex
	list   []*BackendState
	timer  *time.Timer // while one is down
	closed bool
	stop   context.CancelFunc
	ctx    context.Context
}

// checkEvery is how often a backend that is down is tried.
const checkEvery = time.Second

func newBackends(addresses []string, version int, timeout time.Duration, notify func(Event)) *backends {
	b := &backends{timeout: timeout, version: byte(version), notify: notify}
	b.dialer.SetMultipathTCP(false)
	b.ctx, b.stop = context.WithCancel(context.Background())
	for _, a := range addresses {
		b.list = append(b.list, &BackendState{Address: a, Up: true, Since: time.Now()})
	}
	return b
}

// order returns those that are up, and behind them those that are down.
func (b *backends) order() []*BackendState {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*BackendState, 0, len(b.list))
	for _, up := range []bool{true, false} {
		for _, x := range b.list {
			if x.Up == up {
				out = append(out, x)
			}
		}
	}
	return out
}

// dial connects to the first backend that takes it.
func (b *backends) dial(ctx context.Context, client, local net.Addr) (net.Conn, error) {
	var errs []error
	for _, x := range b.order() {
		c, err := b.connect(ctx, x)
		if err == nil && b.version > 0 {
			err = b.introduce(c, proxyproto.HeaderProxyFromAddrs(b.version, client, local))
		}
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// connect dials one backend and keeps account of it.
func (b *backends) connect(ctx context.Context, x *BackendState) (net.Conn, error) {
	if b.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	c, err := b.dialer.DialContext(ctx, "tcp", x.Address)
	b.mark(x, err)
	return c, err
}

func (b *backends) introduce(c net.Conn, h *proxyproto.Header) error {
	if _, err := h.WriteTo(c); err != nil {
		c.Close()
		return fmt.Errorf("the PROXY header: %w", err)
	}
	return nil
}

// mark says how connecting went, and begins to look after what is down.
func (b *backends) mark(x *BackendState, err error) {
	b.mu.Lock()
	x.Dials++
	if err != nil {
		x.Failed++
		x.Error = err.Error()
	}
	turned := x.Up != (err == nil)
	if turned {
		x.Up, x.Since = err == nil, time.Now()
		if x.Up {
			x.Error = ""
		}
	}
	if !x.Up && b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(checkEvery, b.check)
	}
	b.mu.Unlock()
	switch {
	case turned && err != nil:
		b.notify(Event{Kind: EventBackendDown, Backend: x.Address, Err: err})
	case turned:
		b.notify(Event{Kind: EventBackendUp, Backend: x.Address})
	}
}

// check tries each backend that is down, and goes on while one is.
func (b *backends) check() {
	b.mu.Lock()
	var down []*BackendState
	for _, x := range b.list {
		if !x.Up {
			down = append(down, x)
		}
	}
	b.mu.Unlock()
	for _, x := range down {
		c, err := b.connect(b.ctx, x)
		if err != nil {
			continue
		}
		if b.version > 0 {
			// Its transport is "unknown", which says that it is for no client.
			err = b.introduce(c, &proxyproto.Header{Version: b.version, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC})
		}
		if err == nil {
			c.Close()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = nil
	for _, x := range b.list {
		if !x.Up && !b.closed {
			b.timer = time.AfterFunc(checkEvery, b.check)
			return
		}
	}
}

func (b *backends) states() []BackendState {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]BackendState, len(b.list))
	for i, x := range b.list {
		out[i] = *x
	}
	return out
}

func (b *backends) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.stop()
}
