package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/server"
)

// Front is a service's own port: policy requests, WebSockets and the service
// itself behind one address.
type Front struct {
	Address  string   // as CleanAddress returns it
	Backends []string // host:port; a name is looked up at the start and at each reload
	// Source is whose policies say who is let in. A front that a source says
	// itself, in Loaded.Fronts, leaves it nil.
	Source Source

	Origins     []frontdoor.Origin // let in beside those of the policy
	ServerFirst bool
	SendProxy   int            // version of the PROXY header to the backends; 0: none
	ProxyFrom   []netip.Prefix // who must send one to us
	PublicPort  uint16         // the port as clients see it; 0: the one that is listened on
	// Certificates are for TLS; none: TLS is not spoken. They are read at the
	// start, with the rights of whoever started it, and when they change.
	Certificates []config.KeyPair

	Sites *frontdoor.Sites // whose /crossdomain.xml it serves; nil: none
	Files string           // the folder that it serves over HTTP; empty: none

	// Limits that are zero are the server's own, or the front door's defaults.
	Limits frontdoor.Limits

	// AnyTarget connects WebSockets for /to/HOST/PORT to every host whose own
	// policy permits it; see frontdoor.NewPolicyGateway for what that means.
	// AnyTargetAlso are ranges that may be reached though they are not public.
	AnyTarget     bool
	AnyTargetAlso []netip.Prefix
}

// front is a Front in service. What it does changes with reloads; its address
// and its source stay.
type front struct {
	address string
	keeper  *keeper
	ln      net.Listener
	door    *frontdoor.Door

	refused refusedOrigins

	mu  sync.Mutex
	now frontState
}

// frontState is a Front with what was made ready for it.
type frontState struct {
	Front
	backends []string // looked up
	certs    *certificates
	files    *frontdoor.Files
	anywhere *frontdoor.Gateway
}

func (f *front) state() frontState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *front) certificates() *certificates { return f.state().certs }

func (f *front) certificatePaths() []string {
	if c := f.certificates(); c != nil {
		return c.paths()
	}
	return nil
}

// prepare makes everything ready that a front needs. What did not change since
// was is kept: a key that only root may read is not read again in vain.
func prepare(f Front, was frontState) (frontState, error) {
	st := frontState{Front: f, certs: was.certs, files: was.files, anywhere: was.anywhere}
	for _, b := range f.Backends {
		a, err := net.ResolveTCPAddr("tcp", b)
		if err != nil || a.Port == 0 {
			return st, fmt.Errorf("the backend %s of %s: %w", b, f.Address, orNoAddress(err))
		}
		if a.IP == nil {
			a.IP = net.IPv4(127, 0, 0, 1) // ":9000" is this machine
		}
		st.backends = append(st.backends, a.String())
	}
	var err error
	if len(f.Certificates) == 0 {
		st.certs = nil
	} else if was.certs == nil || !slices.Equal(f.Certificates, was.Certificates) {
		if st.certs, err = newCertificates(f.Certificates); err != nil {
			return st, fmt.Errorf("the certificate of %s: %w", f.Address, err)
		}
	}
	if f.Files == "" {
		st.files = nil
	} else if was.files == nil || f.Files != was.Files || !was.files.Is(f.Files) {
		// The one before is closed when the last who reads from it is done.
		if st.files, err = frontdoor.NewFiles(f.Files); err != nil {
			return st, fmt.Errorf("the files of %s: %w", f.Address, err)
		}
	}
	if !f.AnyTarget {
		st.anywhere = nil
	} else if was.anywhere == nil || !slices.Equal(f.AnyTargetAlso, was.AnyTargetAlso) || f.Limits != was.Limits {
		st.anywhere, err = frontdoor.NewPolicyGateway(frontdoor.PolicyGatewayOptions{Also: f.AnyTargetAlso, Limits: f.Limits})
	}
	return st, err
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
	if p := f.state().PublicPort; p != 0 {
		return p
	}
	address := f.address
	if f.ln != nil {
		address = f.ln.Addr().String()
	}
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.ParseUint(port, 10, 16) // CleanAddress has looked at it
	return uint16(n)
}

// answer returns the source's answer for the front's own address.
func (f *front) answer(p server.Policies) *server.Answer {
	host, _, _ := net.SplitHostPort(f.address)
	if ip, err := netip.ParseAddr(host); err == nil {
		return p.For(net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	}
	return p.Default
}

// SetPolicies makes a front one of the listeners of its source.
func (f *front) SetPolicies(p server.Policies) error { return f.door.SetPolicy(f.answer(p).Policy()) }

// options are those of the door in a state.
func (f *front) options(st frontState, p server.Policies, s *sampler, limits server.Limits) frontdoor.Options {
	o := frontdoor.Options{
		Policy: f.answer(p).Policy(), Port: f.port(), Backends: st.backends,
		SendProxy: st.SendProxy, ProxyFrom: st.ProxyFrom, ServerFirst: st.ServerFirst, Origins: st.Origins,
		Limits: st.Limits,
		Notify: func(e frontdoor.Event) { s.front(f.address, e); f.refused.note(e) },
	}
	if o.Limits.MaxConnections == 0 {
		o.Limits.MaxConnections = limits.MaxConnections
	}
	if o.Limits.MaxPerAddress == 0 {
		o.Limits.MaxPerAddress = limits.MaxPerAddress
	}
	if st.Sites != nil || st.files != nil {
		o.HTTP = &frontWeb{st.Sites, st.files}
	}
	if st.certs != nil {
		o.TLS = st.certs.tls
	}
	if st.anywhere != nil {
		o.Gateway = st.anywhere
	}
	return o
}

// frontWeb answers what is HTTP and no WebSocket. What SWFs of others may load
// is said by the sites, never by a file.
type frontWeb struct {
	sites *frontdoor.Sites
	files *frontdoor.Files
}

func (w *frontWeb) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if w.files == nil || w.sites != nil && r.URL.Path == "/crossdomain.xml" {
		w.sites.ServeHTTP(rw, r)
		return
	}
	w.files.ServeHTTP(rw, r)
}

// start makes the door and lets it serve in a goroutine of running.
func (f *front) start(p server.Policies, s *sampler, limits server.Limits, running *sync.WaitGroup) (err error) {
	if f.door, err = frontdoor.New(f.options(f.state(), p, s, limits)); err != nil {
		return err
	}
	f.keeper.attach(f, f.port())
	running.Go(func() { f.door.Serve(f.ln) })
	return nil
}

// become puts another state in force, for the connections that come from now
// on. It reports whether it is another.
func (f *front) become(st frontState, p server.Policies, s *sampler, limits server.Limits) (changed bool, err error) {
	was := f.state()
	if reflect.DeepEqual(was.Front, st.Front) && slices.Equal(was.backends, st.backends) && was.files == st.files {
		return false, nil
	}
	if err := f.door.Update(f.options(st, p, s, limits)); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = st
	return true, nil
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
