// Package dial opens one TCP connection and says exactly what came of it.
//
// [Connect] tells a refusal (RST) from a rejection by a firewall (ICMP, with
// type and code), from a route that is missing, from silence, and from a
// failure of this machine, which is no answer of the other one at all. On
// Linux the ICMP message is read from the socket's error queue (IP_RECVERR), for which no
// rights are needed; elsewhere only the system's error code is known.
//
// It has no state; all functions may be used concurrently.
package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Outcome is what came of an attempt to connect.
type Outcome uint8

const (
	Established Outcome = iota // the connection is there
	Refused                    // a reset: nothing listens, or a firewall says so
	Rejected                   // a firewall answered with ICMP
	Unreachable                // no route, no such host on its network, or the way was too long
	Dropped                    // nothing came in time
	Local                      // this machine could not try: descriptors, ports, rights
	Cancelled                  // the context ended first
	Reset                      // it was there, and reset before it could be used
)

var outcomeNames = [...]string{"established", "refused", "rejected", "unreachable", "dropped", "local", "cancelled", "reset"}

func (o Outcome) String() string { return outcomeNames[o] }

// MarshalText writes the outcome by its name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an outcome by its name.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, name := range outcomeNames {
		if string(b) == name {
			*o = Outcome(i)
			return nil
		}
	}
	return errors.New("unknown outcome of a connection")
}

// ICMP is the message that ended an attempt. Type and Code are those of ICMP
// or, for an IPv6 address, of ICMPv6.
type ICMP struct {
	Type int        `json:"type"`
	Code int        `json:"code"`
	From netip.Addr `json:"from"` // who sent it; may be the target itself or this machine
}

// Result is what Connect saw. Conn is set if and only if Outcome is
// Established, and is then the caller's to close.
type Result struct {
	Outcome Outcome
	Conn    net.Conn
	ICMP    *ICMP // where one came and the system told
	Err     error // the system's error; nil when established
	Took    time.Duration
}

// Connect opens a connection to addr, for at most timeout. A timeout of zero
// or less gives Dropped at once.
func Connect(ctx context.Context, addr netip.AddrPort, timeout time.Duration) Result {
	start := time.Now()
	w := newWatcher(addr.Addr())
	d := net.Dialer{Deadline: start.Add(timeout), KeepAlive: -1, ControlContext: w.control}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	r := Result{Conn: conn, Err: err, Took: time.Since(start)}
	if err != nil {
		r.Conn = nil
		r.ICMP = w.icmp()
		r.Outcome = outcome(ctx, err, r.ICMP, addr.Addr())
	}
	w.close()
	return r
}

func outcome(ctx context.Context, err error, icmp *ICMP, target netip.Addr) Outcome {
	var timeout net.Error
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return Cancelled
	case icmp != nil:
		return icmp.outcome(target)
	case is(err, refusedErrors):
		return Refused
	case is(err, unreachableErrors):
		return Unreachable
	case is(err, resetErrors):
		// The handshake was over: a reset before that is a refusal.
		return Reset
	case errors.As(err, &timeout) && timeout.Timeout(), is(err, timeoutErrors):
		return Dropped
	}
	return Local
}

func is(err error, any []error) bool {
	return slices.ContainsFunc(any, func(e error) bool { return errors.Is(err, e) })
}

// outcome tells a firewall's word from a router's. "Host unreachable" is a
// router's word for a machine that does not answer its address queries; when
// the target itself says it, or says "network unreachable", a firewall there
// does (iptables' and nftables' reject can).
func (m *ICMP) outcome(target netip.Addr) Outcome {
	own := m.From.Unmap() == target.Unmap()
	if target.Unmap().Is4() {
		const unreachable = 3
		switch {
		case m.Type != unreachable:
			return Unreachable
		case own:
			return Rejected
		}
		switch m.Code { // RFC 1122, RFC 1812
		case 2, 3, 9, 10, 13:
			return Rejected
		}
		return Unreachable
	}
	const unreachable = 1
	switch {
	case m.Type != unreachable:
		return Unreachable
	case own:
		return Rejected
	}
	switch m.Code { // RFC 4443
	case 1, 4, 5, 6:
		return Rejected
	}
	return Unreachable
}
