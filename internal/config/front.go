package config

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/port843/port843/frontdoor"
)

// Bounds of how long a session may be.
const (
	MinSession = time.Second          // below, nobody could play
	MaxSession = 365 * 24 * time.Hour // above, leave it out
)

// Front is what stands before a service on its own port. It is there where
// Backends are.
type Front struct {
	Backends    []string // host:port, in the order in which they are tried; empty: the service is not ours to forward
	ServerFirst bool     // its protocol begins with the server's greeting
	Origins     []frontdoor.Origin
	// Certificates are for TLS, each for the names that are in it; of a client
	// that names another, or none, the first is shown.
	Certificates []KeyPair
	Files        string         // the folder that is served over HTTP; empty: none
	ProxyFrom    []netip.Prefix // who must send a PROXY header
	SendProxy    int            // version of the PROXY header to the backends; 0: none
	// AnyTarget connects WebSockets for /to/HOST/PORT to that host, where its
	// own policy permits the page; see frontdoor.NewPolicyGateway for what that
	// means. AnyTargetAlso are ranges that may be reached although not public.
	AnyTarget     bool
	AnyTargetAlso []netip.Prefix
	// Limits that are zero are the front door's defaults.
	Idle, Total                   time.Duration
	MaxConnections, MaxPerAddress int
}

// KeyPair is the paths of a certificate and its key, both PEM.
type KeyPair struct{ Certificate, Key string }

type rawFront struct {
	backend, origins, cert, key, proxyFrom, targetsAlso []text
	speaks, files, targets, idle, total                 text
	sendProxy, maxConnections, maxPerAddress            number
}

func (s *section) front() rawFront {
	return rawFront{
		backend: s.texts("backend"), speaks: s.text("speaks"), origins: s.texts("origins"), cert: s.texts("cert"), key: s.texts("key"),
		files: s.text("files"), proxyFrom: s.texts("proxy_from"), sendProxy: s.number("send_proxy"),
		targets: s.text("targets"), targetsAlso: s.texts("targets_also"), idle: s.text("idle"), total: s.text("total"),
		maxConnections: s.number("max_connections"), maxPerAddress: s.number("max_per_address"),
	}
}

// front checks what stands before a service. Without a backend nothing does,
// and no key may say otherwise.
func (v *validator) front(r *rawFront, at item) Front {
	key := func(name string) string { return at.key + "." + name }
	if len(r.backend) == 0 {
		v.alone(r, key)
	}
	f := Front{
		Backends:  v.backends(r.backend, key("backend")),
		SendProxy: v.limit(r.sendProxy, key("send_proxy"), 2),
		Idle:      v.session(r.idle, key("idle")), Total: v.session(r.total, key("total")),
		MaxConnections: v.limit(r.maxConnections, key("max_connections"), MaxConnections),
		MaxPerAddress:  v.limit(r.maxPerAddress, key("max_per_address"), MaxConnections),
		ProxyFrom:      v.ranges(r.proxyFrom, key("proxy_from")), AnyTargetAlso: v.ranges(r.targetsAlso, key("targets_also")),
		ServerFirst: v.choice(r.speaks, key("speaks"), "client", "server") && r.speaks.s == "server",
		AnyTarget:   v.choice(r.targets, key("targets"), "table", "policy") && r.targets.s == "policy",
	}
	for _, t := range r.origins {
		o, err := frontdoor.ParseOrigin(t.s)
		if err != nil {
			v.add(t.pos, key("origins"), CodeOrigin, t.s, `a page's scheme and host, such as "https://games.example.com", "https://*.example.com" or "http://localhost:8000"; "*" is every page of the world`)
		}
		f.Origins = append(f.Origins, o)
	}
	if len(r.targetsAlso) > 0 && r.targets.s != "policy" {
		v.add(r.targetsAlso[0].pos, key("targets_also"), CodeAlone, "", `it goes with targets = "policy"`)
	}
	if r.files.set() {
		f.Files = resolve(v.c.Dir, r.files.s)
	}
	if len(r.cert) != len(r.key) {
		longer, name := r.cert, "cert"
		if len(r.key) > len(r.cert) {
			longer, name = r.key, "key"
		}
		v.add(longer[0].pos, key(name), CodePairs, "", "%d in cert and %d in key: they belong together, in the same order", len(r.cert), len(r.key))
		return f
	}
	for i := range r.cert {
		f.Certificates = append(f.Certificates, KeyPair{resolve(v.c.Dir, r.cert[i].s), resolve(v.c.Dir, r.key[i].s)})
	}
	return f
}

// alone reports the keys that say something of a front where there is none.
func (v *validator) alone(r *rawFront, key func(string) string) {
	for name, t := range map[string]text{"speaks": r.speaks, "files": r.files, "targets": r.targets, "idle": r.idle, "total": r.total} {
		if t.set() {
			v.add(t.pos, key(name), CodeAlone, "", "it goes with a backend")
		}
	}
	for name, n := range map[string]number{"send_proxy": r.sendProxy, "max_connections": r.maxConnections, "max_per_address": r.maxPerAddress} {
		if n.pos.IsValid() {
			v.add(n.pos, key(name), CodeAlone, "", "it goes with a backend")
		}
	}
	for name, list := range map[string][]text{"origins": r.origins, "cert": r.cert, "key": r.key, "proxy_from": r.proxyFrom, "targets_also": r.targetsAlso} {
		if len(list) > 0 {
			v.add(list[0].pos, key(name), CodeAlone, "", "it goes with a backend")
		}
	}
}

func (v *validator) backends(list []text, key string) (out []string) {
	for _, t := range list {
		host, port, err := net.SplitHostPort(t.s)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			v.add(t.pos, key, CodeAddress, t.s, `a host and a port, such as "127.0.0.1:19000"`)
		}
		out = append(out, t.s)
	}
	return out
}

// ranges reads addresses and ranges of them.
func (v *validator) ranges(list []text, key string) (out []netip.Prefix) {
	for _, t := range list {
		p, err := ParseRange(t.s)
		if err != nil {
			v.add(t.pos, key, CodeAddress, t.s, `an address or a range of them, such as "192.0.2.1" or "192.0.2.0/24"`)
		}
		out = append(out, p)
	}
	return out
}

// ParseRange reads a range of addresses, or one address, without the bits
// that say nothing.
func ParseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func (v *validator) session(t text, key string) time.Duration {
	if !t.set() {
		return 0
	}
	d, err := time.ParseDuration(t.s)
	if err != nil || d < MinSession || d > MaxSession {
		v.add(t.pos, key, CodeLimit, t.s, `a duration from %v to %v, such as "30m" or "12h"`, MinSession, MaxSession)
		return 0
	}
	return d
}

// place is where something listens: an address, or the zero value for every
// one, and a port.
type place struct {
	ip   netip.Addr
	port uint16
}

// ownPort holds a service with a backend to one port, on which nothing else
// listens: two programs' worth of listeners cannot share it.
func (v *validator) ownPort(s *Service, r *rawService, taken map[place]string) {
	if len(s.Backends) == 0 {
		return
	}
	ports := s.Ports.Ranges()
	if len(ports) == 0 {
		return // refused already
	}
	if s.Ports.Len() != 1 {
		v.add(r.ports.pos, r.at.key+".ports", CodeOnePort, r.ports.s, "a service with a backend has one port; write a service for each")
		return
	}
	here := place{s.Address, ports[0].Lo}
	for there, who := range taken {
		if there.port == here.port && (there.ip == here.ip || !there.ip.IsValid() || !here.ip.IsValid()) {
			v.add(r.ports.pos, r.at.key+".ports", CodeTwice, r.ports.s, "%s listens there already", who)
			return
		}
	}
	taken[here] = "service " + s.Name
}

// takenPlaces are those of the listeners.
func (v *validator) takenPlaces() map[place]string {
	out := map[place]string{}
	for _, l := range v.c.Serve.Listeners {
		p := place{port: l.Port}
		if !l.Any() {
			p.ip = l.IP.Unmap()
		}
		out[p] = "the listener " + l.Address
	}
	return out
}
