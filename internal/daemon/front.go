package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/server"
)

// Front is a service's own port: policy requests, WebSockets and the service
// itself behind one address.
type Front struct {
	Address  string   // as CleanAddress returns it
	Backends []string // host:port; a name is looked up once, at the start
	Source   Source   // whose policies say who is let in

	Origins     []frontdoor.Origin // let in beside those of the policy
	ServerFirst bool
	SendProxy   int            // version of the PROXY header to the backends; 0: none
	ProxyFrom   []netip.Prefix // who must send one to us
	PublicPort  uint16         // the port as clients see it; 0: the one that is listened on
	// Certificate and Key are PEM files for TLS; empty: none. They are read at
	// the start, with the rights of whoever started it, and at each reload.
	Certificate, Key string

	HTTP http.Handler // for requests that are no WebSocket; nil: 404
	// ReachAnywhere turns the gateway into one for every host whose own policy
	// permits it; see frontdoor.NewPolicyGateway for what that means.
	ReachAnywhere *frontdoor.PolicyGatewayOptions
}

// front is a Front in service.
type front struct {
	Front
	keeper *keeper
	ln     net.Listener
	door   *frontdoor.Door
	cert   *certificate
}

// certificate is a pair of files that may be read again.
type certificate struct {
	cert, key string
	inForce   atomic.Pointer[tls.Certificate]
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.inForce.Store(&pair)
	}
	return err
}

// loadFront reads what the front needs while everything can still be read.
func loadFront(f Front, k *keeper) (*front, error) {
	out := &front{Front: f, keeper: k}
	out.Backends = nil
	for _, b := range f.Backends {
		a, err := net.ResolveTCPAddr("tcp", b)
		if err != nil || a.Port == 0 {
			return nil, fmt.Errorf("the backend %s of %s: %w", b, f.Address, orNoAddress(err))
		}
		if a.IP == nil {
			a.IP = net.IPv4(127, 0, 0, 1) // ":9000" is this machine
		}
		out.Backends = append(out.Backends, a.String())
	}
	if f.Certificate != "" {
		out.cert = &certificate{cert: f.Certificate, key: f.Key}
		if err := out.cert.load(); err != nil {
			return nil, fmt.Errorf("the certificate of %s: %w", f.Address, err)
		}
	}
	return out, nil
}

var errNoAddress = errors.New("not a host and a port")

func orNoAddress(err error) error {
	if err == nil {
		return errNoAddress
	}
	return err
}

// port returns the port as clients see it.
func (f *front) port() uint16 {
	if f.PublicPort != 0 {
		return f.PublicPort
	}
	address := f.Address
	if f.ln != nil {
		address = f.ln.Addr().String()
	}
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.ParseUint(port, 10, 16) // CleanAddress has looked at it
	return uint16(n)
}

// answer returns the source's answer for the front's own address.
func (f *front) answer(p server.Policies) *server.Answer {
	host, _, _ := net.SplitHostPort(f.Address)
	if ip, err := netip.ParseAddr(host); err == nil {
		return p.For(net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	}
	return p.Default
}

// SetPolicies makes a front one of the listeners of its source.
func (f *front) SetPolicies(p server.Policies) error { return f.door.SetPolicy(f.answer(p).Policy()) }

// start makes the door and lets it serve in a goroutine of running.
func (f *front) start(s *sampler, limits server.Limits, running *sync.WaitGroup) error {
	o := frontdoor.Options{
		Policy: f.answer(f.keeper.policies()).Policy(), Port: f.port(), Backends: f.Backends,
		SendProxy: f.SendProxy, ProxyFrom: f.ProxyFrom, ServerFirst: f.ServerFirst, Origins: f.Origins, HTTP: f.HTTP,
		Limits: frontdoor.Limits{MaxConnections: limits.MaxConnections, MaxPerAddress: limits.MaxPerAddress},
		Notify: func(e frontdoor.Event) { s.front(f.Address, e) },
	}
	if f.cert != nil {
		o.TLS = &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.cert.inForce.Load(), nil },
			NextProtos:     []string{"http/1.1"}, // WebSockets, and not HTTP/2
		}
	}
	if f.ReachAnywhere != nil {
		g, err := frontdoor.NewPolicyGateway(*f.ReachAnywhere)
		if err != nil {
			return err
		}
		o.Gateway = g
	}
	door, err := frontdoor.New(o)
	if err != nil {
		return err
	}
	f.door = door
	f.keeper.attach(f, f.port())
	running.Go(func() { door.Serve(f.ln) })
	return nil
}

// front is told of what a door's administrator may want to see.
func (s *sampler) front(address string, e frontdoor.Event) {
	args := []any{"address", address}
	if e.Client != nil {
		args = append(args, "client", e.Client.String())
	}
	if e.Backend != "" {
		args = append(args, "backend", e.Backend)
	}
	if e.Kind == frontdoor.EventOrigin {
		args = append(args, "origin", escape.Text(e.Origin, 256))
	}
	if e.Err != nil {
		args = append(args, "error", e.Err.Error())
	}
	level := slog.LevelWarn
	if e.Kind == frontdoor.EventBackendUp {
		level = slog.LevelInfo
	}
	s.note(frontKey{address, e.Backend, e.Kind}, level, "front: "+e.Kind.String(), args...)
}

type frontKey struct {
	address, backend string
	kind             frontdoor.EventKind
}

// startFronts serves every front.
func (d *daemon) startFronts(s *sampler) error {
	for _, f := range d.fronts {
		if err := f.start(s, d.o.Limits, &d.doors); err != nil {
			return err
		}
		a := f.door.Answer()
		d.log.Info("front: serving", "address", f.ln.Addr().String(), "port", f.port(), "backends", f.Backends, "source", f.keeper.source.String(), "digest", shortDigest(a), "bytes", a.Size(), "rules", len(a.Policy().Rules))
	}
	return nil
}

// leaveFronts stops accepting and lets the sessions go on until ctx ends.
func (d *daemon) leaveFronts(ctx context.Context) {
	var leaving sync.WaitGroup
	for _, f := range d.fronts {
		leaving.Go(func() { f.door.Shutdown(ctx) })
	}
	leaving.Wait()
	d.doors.Wait()
}

// reloadCertificates reads them anew; where one cannot be read, the last one
// stays.
func (d *daemon) reloadCertificates() {
	for _, f := range d.fronts {
		if f.cert == nil {
			continue
		}
		if err := f.cert.load(); err != nil {
			d.log.Error("the certificate cannot be read: the last good one stays in service", "address", f.Address, "error", err)
		}
	}
}

// certificateFolders are what has to stay readable for that.
func (d *daemon) certificateFolders() []string {
	var out []string
	for _, f := range d.fronts {
		if f.cert != nil {
			out = append(out, foldersOf(f.cert.cert, f.cert.key)...)
		}
	}
	return out
}

// backendPorts returns every port that the fronts connect to, and whether
// something, a front or /probe, may connect to any.
func (d *daemon) backendPorts() (ports []uint16, all bool) {
	all = d.o.Admin != "" && d.o.Probe != nil
	for _, f := range d.fronts {
		all = all || f.ReachAnywhere != nil
		for _, b := range f.Backends {
			if a, err := netip.ParseAddrPort(b); err == nil {
				ports = append(ports, a.Port())
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), all
}

// brief is the context of a farewell that does not wait for sessions.
func brief() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// StatusFront is one front.
type StatusFront struct {
	Address    string                   `json:"address"`
	Port       uint16                   `json:"port"`
	Digest     string                   `json:"digest"` // of the in-band policy
	Open       int64                    `json:"open"`
	Accepted   uint64                   `json:"accepted"`
	Policies   uint64                   `json:"policies"`
	Raw        uint64                   `json:"raw"`
	WebSockets uint64                   `json:"websockets"`
	Origins    uint64                   `json:"origins_refused"`
	NoBackend  uint64                   `json:"no_backend"`
	Backends   []frontdoor.BackendState `json:"backends,omitempty"`

	stats frontdoor.Stats
}

// frontStatus takes a snapshot of every front that serves.
func (d *daemon) frontStatus() []StatusFront {
	var out []StatusFront
	for _, f := range d.fronts {
		st := f.door.Stats()
		out = append(out, StatusFront{
			Address: f.ln.Addr().String(), Port: f.port(), Digest: f.door.Answer().Digest(), Open: st.Open, Accepted: st.Accepted,
			Policies: st.Policies, Raw: st.Raw, WebSockets: st.WebSockets, Origins: st.Origins, NoBackend: st.NoBackend,
			Backends: st.Backends, stats: st,
		})
	}
	return out
}
