package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/port843/port843/policy"
)

// Options of a [Door].
type Options struct {
	// Policy says who may reach what; required. The in-band answer is made of
	// it ([InBand]), and pages are judged by it: the same as port 843 serves.
	Policy *policy.Policy

	// Port is the port as clients see it, which the policy must grant;
	// required, since the listener's own may be another behind a redirect.
	Port uint16

	// Backends are the addresses of the game as host:port, in the order in
	// which they are tried. Without them, and without Dial, connections are
	// handed out by [Door.Accept].
	Backends []string

	// Dial, where it is not nil, is used in place of Backends.
	Dial DialFunc

	// SendProxy puts a PROXY header of that version, 1 or 2, before each
	// connection to Backends, so that the game sees the client's address.
	SendProxy int

	// ProxyFrom are the peers that must begin each connection with a PROXY
	// header, such as a load balancer; what it says counts as the client. Of
	// others a header is never taken: whoever may send one can be anybody.
	ProxyFrom []netip.Prefix

	// ServerFirst says that the protocol begins with the server's greeting.
	ServerFirst bool

	// Origins are pages that are let in through the gateway beside those that
	// the policy grants. See [ParseOrigin].
	Origins []Origin

	// TLS, where it is not nil, is what a TLS hello is answered with.
	TLS *tls.Config

	// RawOnly switches HTTP off, and the gateway with it: for protocols whose
	// own messages begin with "GET ".
	RawOnly bool

	// HTTP, where it is not nil, answers requests that are no WebSocket, such
	// as for /crossdomain.xml. The default answers 404.
	HTTP http.Handler

	// Gateway, where it is not nil, answers WebSockets for paths below /to/ in
	// place of the door's own: one that reaches what a policy elsewhere permits
	// ([NewPolicyGateway]).
	Gateway http.Handler

	Limits Limits

	// Notify, where it is not nil, is told of what an administrator may want
	// to see. It is called from the connection's goroutine, must return
	// promptly, and should sample before it logs.
	Notify func(Event)
}

// DialFunc connects to a backend on behalf of a client; local is the address
// that the client connected to.
type DialFunc func(ctx context.Context, client, local net.Addr) (net.Conn, error)

// Limits of a [Door]. The zero value of each field stands for its default; a
// negative time stands for none.
type Limits struct {
	// Silence is how long a client may say nothing before it gets its backend
	// all the same. The default is DefaultSilence.
	Silence time.Duration
	// Greeting is how long a policy request or a WebSocket has to show itself
	// where the server speaks first. The default is DefaultGreeting.
	Greeting time.Duration
	// Exchange bounds policy exchanges, TLS handshakes, PROXY and HTTP
	// headers. The default is DefaultExchange.
	Exchange time.Duration
	// Dial bounds the connecting to one backend. The default is DefaultDial.
	Dial time.Duration
	// Idle ends a session in which nothing was sent either way for so long
	// (for up to twice that). The default is DefaultIdle.
	Idle time.Duration
	// Total ends a session however busy it is. The default is none.
	Total time.Duration
	// Ping is how often a quiet WebSocket is asked whether it still lives; it
	// has as long to answer. The default is DefaultPing.
	Ping time.Duration
	// MaxConnections is how many connections may be open at a time. The
	// default is DefaultMaxConnections.
	MaxConnections int
	// MaxPerAddress is how many of them may be of one client: an IPv4 address,
	// or the /64 of an IPv6 one. The default is DefaultMaxPerAddress.
	MaxPerAddress int
}

const (
	// DefaultSilence is what HAProxy's and nginx's recipes wait; it only
	// concerns a server-first protocol of which nobody said so.
	DefaultSilence = 3 * time.Second

	// DefaultGreeting is what a person does not notice, once a session, and
	// ten times what a browser on a busy machine takes to send its request.
	DefaultGreeting = 100 * time.Millisecond

	// DefaultExchange is above the 3 s after which Flash Player gives up.
	DefaultExchange = 5 * time.Second

	// DefaultDial leaves a second backend time before Flash Player's
	// Socket.timeout of 20 s.
	DefaultDial = 3 * time.Second

	// DefaultIdle is long enough for a player who left the game open over
	// lunch; dead peers are found by TCP keep-alive and pings long before.
	DefaultIdle = time.Hour

	// DefaultPing is below the minute after which common proxies cut a quiet
	// connection.
	DefaultPing = 30 * time.Second

	// DefaultMaxConnections is for descriptors: a session has two.
	DefaultMaxConnections = 100_000

	// DefaultMaxPerAddress fits a school behind one address.
	DefaultMaxPerAddress = 1024
)

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (l Limits) withDefaults() Limits {
	l.Silence = orDefault(l.Silence, DefaultSilence)
	l.Greeting = orDefault(l.Greeting, DefaultGreeting)
	l.Exchange = orDefault(l.Exchange, DefaultExchange)
	l.Dial = orDefault(l.Dial, DefaultDial)
	l.Idle = orDefault(l.Idle, DefaultIdle)
	l.Ping = orDefault(l.Ping, DefaultPing)
	l.MaxConnections = orDefault(l.MaxConnections, DefaultMaxConnections)
	l.MaxPerAddress = orDefault(l.MaxPerAddress, DefaultMaxPerAddress)
	return l
}

// in returns the moment that is d from now, or none where d is negative.
func in(d time.Duration) time.Time {
	if d < 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// Mistakes in options.
var (
	ErrNoPolicy = errors.New("frontdoor: a door needs a policy")
	ErrNoPort   = errors.New("frontdoor: a door needs the port that clients see")
	ErrClosed   = net.ErrClosed
)

// check returns every mistake at once.
func (o *Options) check() error {
	var errs []error
	if o.Policy == nil {
		errs = append(errs, ErrNoPolicy)
	}
	if o.Port == 0 {
		errs = append(errs, ErrNoPort)
	}
	for _, b := range o.Backends {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" || port == "0" {
			errs = append(errs, fmt.Errorf("frontdoor: backend %q is not host:port", b))
		}
	}
	if o.SendProxy < 0 || o.SendProxy > 2 {
		errs = append(errs, fmt.Errorf("frontdoor: there is no PROXY protocol version %d", o.SendProxy))
	}
	if o.SendProxy > 0 && len(o.Backends) == 0 {
		errs = append(errs, errors.New("frontdoor: a PROXY header is sent to Backends only"))
	}
	if o.Dial != nil && len(o.Backends) > 0 {
		errs = append(errs, errors.New("frontdoor: Dial and Backends exclude each other"))
	}
	if o.Limits.MaxConnections < 0 || o.Limits.MaxPerAddress < 0 {
		errs = append(errs, errors.New("frontdoor: a limit of connections is at least 1"))
	}
	return errors.Join(errs...)
}

// InBand returns what a policy says on a service's own port: the rules that
// grant the port, and no site-control. A policy that permits nothing as a
// whole has none.
func InBand(p *policy.Policy, port uint16) *policy.Policy {
	out := &policy.Policy{}
	if p.Void || p.SocketMeta() == policy.MetaNone {
		return out
	}
	for i := range p.Rules {
		if r := p.Rules[i]; !r.Dead && !r.NoPorts && r.Ports.Contains(port) {
			out.Rules = append(out.Rules, r)
		}
	}
	return out
}
