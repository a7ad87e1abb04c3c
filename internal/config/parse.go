package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/policy"
)

// Load reads and checks the file of that name. The error is [Mistakes], or of
// the file system.
func Load(path string) (*Config, error) {
	data, err := bounded.ReadFile(path, MaxSize)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse checks a file that is called path, to whose folder its paths are
// relative. The error is [Mistakes]; the Config is nil then.
func Parse(path string, data []byte) (*Config, error) {
	if len(data) > MaxSize {
		return nil, Mistakes{{File: path, Code: CodeTooLarge, Msg: fmt.Sprintf("larger than %d bytes", MaxSize)}}
	}
	root, bad := tree(path, data)
	if bad != nil {
		return nil, Mistakes{bad}
	}
	d := &decoder{file: path}
	r := d.decode(root)
	v := &validator{decoder: d, c: &Config{File: path, Dir: filepath.Dir(path)}, owners: map[string]int{}}
	v.config(&r)
	if len(d.mistakes) > 0 {
		return nil, d.mistakes.sorted()
	}
	return v.c, nil
}

// validator makes a Config out of a raw file.
type validator struct {
	*decoder
	c      *Config
	owners map[string]int // by name, index in c.Owners
}

func (v *validator) config(r *raw) {
	v.serve(&r.serve)
	v.listeners(r)
	hosts := map[string]string{}
	for i := range r.owners {
		v.owner(&r.owners[i], hosts)
	}
	services, taken := map[string]bool{}, v.takenPlaces()
	for i := range r.services {
		v.service(&r.services[i], services, taken)
	}
	sites := map[string]bool{}
	for i := range r.sites {
		v.site(&r.sites[i], sites)
	}
	if s := r.serve; s.policy.set() && len(r.owners) > 0 {
		v.add(s.policy.pos, "serve.policy", CodeTwoTables, "", "a policy file is served here or the owners' policies are built, not both; give the file to a [[listener]]")
	}
}

func (v *validator) source(pos policy.Pos) aggregate.Source {
	return aggregate.Source{File: v.file, Pos: pos}
}

func (v *validator) serve(r *rawServe) {
	s := &v.c.Serve
	s.User, s.Log = r.user.s, r.log.s
	if strings.ContainsAny(s.User, " \t\r\n:/") {
		v.add(r.user.pos, "serve.user", CodeName, s.User, "not the name of a user")
	}
	if path, ok := strings.CutPrefix(r.admin.s, "unix:"); ok && path != "" {
		s.Admin = "unix:" + resolve(v.c.Dir, path)
	} else if r.admin.set() {
		if _, ok := v.addrPort(r.admin, "serve.admin"); ok {
			s.Admin = r.admin.s
		}
	}
	for _, f := range []struct {
		from text
		to   *string
	}{{r.adminToken, &s.AdminTokenFile}, {r.adminCert, &s.AdminCert}, {r.adminKey, &s.AdminKey}, {r.adminCA, &s.AdminClientCA}} {
		if f.from.set() {
			*f.to = resolve(v.c.Dir, f.from.s)
		}
	}
	if r.policy.set() {
		s.Policy = resolve(v.c.Dir, r.policy.s)
	}
	v.choice(r.log, "serve.log", "text", "json")
	s.Meta = policy.MetaMasterOnly
	if v.choice(r.meta, "serve.meta_policy", "master-only", "all") && r.meta.s == "all" {
		s.Meta = policy.MetaAll
	}
	if r.deadline.set() {
		t, err := time.ParseDuration(r.deadline.s)
		if err != nil || t < MinDeadline || t > MaxDeadline {
			v.add(r.deadline.pos, "serve.deadline", CodeLimit, r.deadline.s, "a duration from %v to %v, such as \"5s\"", MinDeadline, MaxDeadline)
		}
		s.Deadline = t
	}
	v.fastPath(r)
	s.MaxConnections = v.limit(r.maxConnections, "serve.max_connections", MaxConnections)
	s.MaxPerAddress = v.limit(r.maxPerAddress, "serve.max_per_address", MaxConnections)
	s.PublicPort = uint16(v.limit(r.publicPort, "serve.public_port", 65535))
}

// fastPath checks the interfaces with a fast path.
func (v *validator) fastPath(r *rawServe) {
	for _, t := range r.fastPath {
		switch _, err := xdp.ParseInterface(t.s); {
		case t.s == "off" || t.s == "auto":
			if len(r.fastPath) > 1 {
				v.add(t.pos, "serve.fastpath", CodeChoice, t.s, "it stands alone, or interfaces are named")
			}
			if t.s == "auto" {
				v.c.Serve.FastPath = []string{t.s}
			}
		case err != nil:
			v.add(t.pos, "serve.fastpath", CodeName, t.s, "the name of an interface, or one with :generic behind it, or auto, or off")
		default:
			v.c.Serve.FastPath = append(v.c.Serve.FastPath, t.s)
		}
	}
}

// choice reports a word that is none of the words.
func (v *validator) choice(t text, key string, words ...string) bool {
	if !t.set() {
		return false
	}
	for _, w := range words {
		if t.s == w {
			return true
		}
	}
	v.add(t.pos, key, CodeChoice, t.s, "one of %s", strings.Join(words, ", "))
	return false
}

func (v *validator) limit(n number, key string, most int64) int {
	if n.pos.IsValid() && (n.n < 1 || n.n > most) {
		v.add(n.pos, key, CodeLimit, strconv.FormatInt(n.n, 10), "a number from 1 to %d; leave the key out for the default", most)
		return 0
	}
	return int(n.n)
}

func (v *validator) listeners(r *raw) {
	seen := map[string]bool{}
	add := func(at text, key, file string) {
		l, ok := v.addrPort(at, key)
		if !ok {
			return
		}
		if l.Policy = file; seen[l.Address] {
			v.add(at.pos, key, CodeTwice, at.s, "a second listener on that address")
		}
		seen[l.Address] = true
		v.c.Serve.Listeners = append(v.c.Serve.Listeners, l)
	}
	for _, t := range r.serve.listen {
		add(t, "serve.listen", "")
	}
	for _, l := range r.listeners {
		file := ""
		if l.policy.set() {
			file = resolve(v.c.Dir, l.policy.s)
		}
		if !l.address.set() {
			v.missing(l.at, "address")
			continue
		}
		add(l.address, l.at.key+".address", file)
	}
}

// missing reports a key that must be there, unless its value was refused already.
func (v *validator) missing(at item, name string) {
	key := at.key + "." + name
	for _, m := range v.mistakes {
		if m.Key == key {
			return
		}
	}
	v.add(at.pos, key, CodeMissing, "", "the key is missing")
}

// addrPort reads an address to listen on. Names are not taken: which address
// one stands for would depend on the resolver at the time.
func (v *validator) addrPort(t text, key string) (Listener, bool) {
	fail := func() (Listener, bool) {
		v.add(t.pos, key, CodeAddress, t.s, `an IP address and a port, such as "0.0.0.0:843", "[::]:843" or ":843"`)
		return Listener{}, false
	}
	host, port, err := net.SplitHostPort(t.s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 {
		return fail()
	}
	l := Listener{Address: t.s, Port: uint16(n), Source: v.source(t.pos)}
	if host != "" {
		if l.IP, err = netip.ParseAddr(host); err != nil {
			return fail()
		}
		l.Address = netip.AddrPortFrom(l.IP, l.Port).String()
	}
	return l, true
}

func (v *validator) owner(r *rawOwner, hosts map[string]string) {
	o := Owner{Owner: aggregate.Owner{Name: r.name.s, Source: v.source(r.at.pos)}}
	key := func(name string) string { return r.at.key + "." + name }
	if v.name(r.name, r.at) {
		if _, twice := v.owners[o.Name]; twice {
			v.add(r.name.pos, key("name"), CodeTwice, o.Name, "a second owner of that name")
		} else {
			v.owners[o.Name] = len(v.c.Owners)
		}
	}
	for _, t := range r.addresses {
		a, ok := v.addr(t, key("addresses"))
		if ok && contains(o.Addresses, a) {
			v.add(t.pos, key("addresses"), CodeTwice, t.s, "named twice")
		}
		if ok {
			o.Addresses = append(o.Addresses, a)
		}
	}
	for _, t := range r.hosts {
		h, ok := v.host(t, key("hosts"))
		if other, taken := hosts[h]; ok && taken {
			v.add(t.pos, key("hosts"), CodeSharing, t.s, "already a host of %s", other)
		}
		hosts[h] = escape.Text(o.Name, 64)
		o.Hosts = append(o.Hosts, h)
	}
	o.Ports = v.ports(r.ports, r.at)
	o.Domains, _ = v.domains(r.domains, r.at, "domains")
	for _, t := range r.policies {
		glob := resolve(v.c.Dir, t.s)
		if _, err := filepath.Match(glob, ""); err != nil {
			v.add(t.pos, key("policies"), CodePath, t.s, "not a path with wildcards: %v", err)
		}
		o.Policies = append(o.Policies, glob)
	}
	v.c.Owners = append(v.c.Owners, o)
}

func (v *validator) service(r *rawService, names map[string]bool, taken map[place]string) {
	s := Service{Owner: r.owner.s, Service: aggregate.Service{
		Name: r.name.s, Secure: r.secure, Source: v.source(r.at.pos),
		HostPos: r.host.pos, AddressPos: r.address.pos, PortsPos: r.ports.pos,
	}}
	key := func(name string) string { return r.at.key + "." + name }
	if v.name(r.name, r.at) {
		if names[s.Name] {
			v.add(r.name.pos, key("name"), CodeTwice, s.Name, "a second service of that name")
		}
		names[s.Name] = true
	}
	if !r.owner.set() {
		v.missing(r.at, "owner")
	} else if _, ok := v.owners[s.Owner]; !ok {
		v.add(r.owner.pos, key("owner"), CodeNoOwner, s.Owner, "no [[owner]] has that name")
	}
	if r.host.set() {
		s.Host, _ = v.host(r.host, key("host"))
	}
	if r.address.set() {
		s.Address, _ = v.addr(r.address, key("address"))
	}
	s.Ports = v.ports(r.ports, r.at)
	s.Allow, s.AllowPos = v.domains(r.allow, r.at, "allow")
	s.Front = v.front(&r.front, r.at)
	v.ownPort(&s, r, taken)
	v.c.Services = append(v.c.Services, s)
}

// name checks the name of an owner or a service: it is printed, and owners'
// names become parts of paths and of metrics.
func (v *validator) name(t text, at item) bool {
	if !t.set() {
		v.missing(at, "name")
		return false
	}
	ok := len(t.s) <= 64
	for _, c := range []byte(t.s) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if !ok || t.s[0] == '.' || t.s[0] == '-' {
		v.add(t.pos, at.key+".name", CodeName, t.s, "a name is up to 64 letters, digits, \"-\", \"_\" and \".\", and begins with a letter, digit or \"_\"")
		return false
	}
	return true
}

func (v *validator) addr(t text, key string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.s)
	if err != nil || a.IsUnspecified() || a.IsMulticast() {
		v.add(t.pos, key, CodeAddress, t.s, "an IP address of this machine, such as \"192.0.2.10\"")
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// host reads a virtual host: what a domain without a wildcard may be.
func (v *validator) host(t text, key string) (string, bool) {
	d, err := policy.ParseDomain(t.s)
	if err != nil || d.Kind() != policy.DomainExact || d.Scheme() != policy.SchemeAny {
		v.add(t.pos, key, CodeHost, t.s, "a host name without a wildcard, such as \"www.example.edu\"")
		return t.s, false
	}
	return d.Host(), true
}

func (v *validator) ports(t text, at item) policy.PortSet {
	if !t.set() {
		v.missing(at, "ports")
		return policy.PortSet{}
	}
	p, err := policy.ParsePorts(t.s)
	if err != nil {
		v.refused(t, at.key+".ports", err)
	}
	return p
}

func (v *validator) domains(list []text, at item, name string) (out []policy.Domain, pos []policy.Pos) {
	if len(list) == 0 {
		v.missing(at, name)
	}
	for _, t := range list {
		d, err := policy.ParseDomain(t.s)
		if err != nil {
			v.refused(t, at.key+"."+name, err)
			continue
		}
		out, pos = append(out, d), append(pos, t.pos)
	}
	return out, pos
}

// refused reports a value that package policy refused.
func (v *validator) refused(t text, key string, err error) {
	e := err.(*policy.ValueError)
	v.add(t.pos, key, Code(e.Code), t.s, "%s", e.Msg)
}

func contains(list []netip.Addr, a netip.Addr) bool {
	for _, b := range list {
		if a == b {
			return true
		}
	}
	return false
}

// printable makes a key of the file fit to be shown.
func printable(key string) string { return escape.Text(key, 40) }
