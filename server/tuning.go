package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Engine is the machinery under a listener. Both kinds keep every guarantee
// of this package; they differ in what an exchange costs.
type Engine uint8

const (
	// EngineAuto takes EngineNative where it is possible, EnginePortable
	// elsewhere.
	EngineAuto Engine = iota
	// EnginePortable is package net and a goroutine a connection, on every
	// system and for every [net.Listener].
	EnginePortable
	// EngineNative is Linux's own: system calls on bare descriptors, and 60
	// bytes for a connection that waits. It takes a [*net.TCPListener]; Start
	// refuses everything else.
	EngineNative
	engines
)

var engineNames = [engines]string{"auto", "portable", "native"}

func (e Engine) String() string { return engineNames[e] }

// ParseEngine returns the engine of that name: auto, portable or native.
func ParseEngine(name string) (Engine, error) {
	for e, n := range engineNames {
		if n == name {
			return Engine(e), nil
		}
	}
	return 0, fmt.Errorf("server: %q is not an engine: %s", name, strings.Join(engineNames[:], ", "))
}

// ErrNotNative is wrapped by Start's error where EngineNative was asked for and
// cannot be had.
var ErrNotNative = errors.New("server: the native engine needs Linux and a TCP listener")

// Switch turns something on or off, or leaves it to the package.
type Switch uint8

const (
	ByDefault Switch = iota
	On
	Off
)

func (s Switch) or(byDefault bool) bool { return s == On || s == ByDefault && byDefault }

func switched(on bool) Switch {
	if on {
		return On
	}
	return Off
}

// Tuning is what the native engine does for speed that has a price. The zero
// value is the advice for a server on the open internet. The portable engine
// has none of it.
type Tuning struct {
	// QuickClose closes a connection right behind its answer, where the
	// request came as clients send it: to its NUL, and nothing after that.
	// Off, the server half-closes and waits for the client's end, with one
	// more segment and four more system calls an exchange.
	//
	// Its price: a client that sends more after its NUL, which none does that
	// is known, may see a reset after the answer. On by default.
	QuickClose Switch

	// OneSegment holds an answer back until the end of the connection can
	// travel in the same segment (MSG_MORE). It saves about a quarter of the
	// CPU time of an exchange.
	//
	// Its price: there is nothing behind that segment by which its loss could
	// be noticed early, so the answer is sent again only after the kernel's
	// minimal timeout, 200 ms (since Linux 6.11 net.ipv4.tcp_rto_min_us). On
	// by default; turn it off where clients sit behind lossy links and a
	// fifth of a second matters.
	OneSegment Switch

	// LazyAck lets the acknowledgement of the request ride on the answer
	// (TCP_QUICKACK off on the listening socket): seven segments an exchange
	// instead of eight. A request that came incomplete is acknowledged at
	// once nevertheless, or else its sender would wait 40 ms before the rest.
	// No known price. On by default.
	LazyAck Switch

	// DeferAccept lets the kernel keep a connection to itself until its
	// request is there, one second long (TCP_DEFER_ACCEPT). It saves a third of
	// the CPU time of an exchange over a real network, and a silent client
	// costs no descriptor for that second.
	//
	// Its price: silent connections stand in the kernel's queue of half-open
	// ones. When a flood fills it, SYN cookies must take over: so it is on by
	// default only where net.ipv4.tcp_syncookies is not 0. A silent client is
	// seen, and its deadline begins, a second late.
	DeferAccept Switch

	// LowWater lets a connection whose request is incomplete sleep until as
	// many bytes have come as a complete one lacks (SO_RCVLOWAT), so that a
	// client that dribbles wakes nobody.
	//
	// Its price: one more system call for a request that comes in pieces; and
	// a beginning that turns foreign is noticed when that many bytes are
	// there, or at the deadline. On by default.
	LowWater Switch

	// Loops is how many cores may accept from one listening socket at a time.
	// All but one of them sleep until the queue stays full. The default is
	// half of GOMAXPROCS, and at least 1: the kernel needs the rest for the
	// same connections, and a second loop on two cores costs more than it
	// brings.
	Loops int
}

// switches are those of a Tuning by name.
func (t *Tuning) switches() map[string]*Switch {
	return map[string]*Switch{
		"quick-close": &t.QuickClose, "one-segment": &t.OneSegment, "lazy-ack": &t.LazyAck,
		"defer-accept": &t.DeferAccept, "low-water": &t.LowWater,
	}
}

// Set turns the switch of that name on: quick-close, one-segment, lazy-ack,
// defer-accept or low-water. With "no-" before the name it turns it off.
func (t *Tuning) Set(name string) error {
	bare, off := strings.CutPrefix(name, "no-")
	all := t.switches()
	s, ok := all[bare]
	if !ok {
		return fmt.Errorf("server: %q is not a switch: %s, or one with no- before it", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	*s = switched(!off)
	return nil
}

func (t Tuning) withDefaults(deferAccept bool) Tuning {
	t.QuickClose = switched(t.QuickClose.or(true))
	t.OneSegment = switched(t.OneSegment.or(true))
	t.LazyAck = switched(t.LazyAck.or(true))
	t.DeferAccept = switched(t.DeferAccept.or(deferAccept))
	t.LowWater = switched(t.LowWater.or(true))
	if t.Loops <= 0 {
		t.Loops = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	return t
}

// Listen listens on a TCP address as the native engine likes it best. It is
// [net.Listen] but for Multipath TCP, which package net turns on for listeners
// where the kernel has it: it costs every exchange, no client of a policy
// server speaks it, and its sockets pass by rules that were written for TCP
// (Landlock's bind rule) and know fewer options.
func Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, network, address)
}

// Engine returns the engine in force.
func (l *Listener) Engine() Engine {
	if l.native != nil {
		return EngineNative
	}
	return EnginePortable
}

// Tuning returns the switches in force, each On or Off: a switch that the
// kernel refused for this socket is Off. With the portable engine all are.
func (l *Listener) Tuning() Tuning {
	if l.native != nil {
		return l.native.tuning
	}
	return Tuning{QuickClose: Off, OneSegment: Off, LazyAck: Off, DeferAccept: Off, LowWater: Off, Loops: 1}
}

// File returns a duplicate of the listening socket's descriptor, to be handed
// to another process. Both are one socket: it goes on listening until the last
// descriptor is closed, its queue is shared, and so is every option that is
// set on it (those of [Tuning], and whether it blocks).
func (l *Listener) File() (*os.File, error) {
	if l.native != nil {
		return l.native.duplicate()
	}
	if f, ok := l.ln.(interface{ File() (*os.File, error) }); ok {
		return f.File()
	}
	return nil, errors.ErrUnsupported
}
