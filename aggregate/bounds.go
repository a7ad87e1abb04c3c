package aggregate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// The schemes of requestors, as bits. No pattern names those that came over
// neither HTTP nor HTTPS alone, so one mask a host says what a list of
// patterns covers.
type schemes uint8

const (
	viaHTTP schemes = 1 << iota
	viaHTTPS
	viaOther
	viaAny = viaHTTP | viaHTTPS | viaOther
)

// requestors returns whom a grant is for, beside its host.
func requestors(g policy.Grant) schemes {
	via := viaAny
	switch g.Domain.Scheme() {
	case policy.SchemeHTTP:
		via = viaHTTP
	case policy.SchemeHTTPS:
		via = viaHTTPS
	}
	if g.Secure {
		via &= viaHTTPS
	}
	return via
}

// bounds are an owner's, made ready to be asked a million times.
type bounds struct {
	owner   *Owner
	exact   map[string]schemes // hosts and addresses
	suffix  map[string]schemes
	any     schemes
	lowRule bool // ports below 1024 are refused
}

func newBounds(o *Owner, servedFrom uint16) *bounds {
	b := &bounds{owner: o, exact: map[string]schemes{}, suffix: map[string]schemes{}, lowRule: servedFrom >= 1024}
	for _, d := range o.Domains {
		via := requestors(policy.Grant{Domain: d})
		switch d.Kind() {
		case policy.DomainAny:
			b.any |= via
		case policy.DomainSuffix:
			b.suffix[d.Host()] |= via
		case policy.DomainExact, policy.DomainIP:
			b.exact[d.Host()] |= via
		}
	}
	return b
}

// letsIn reports whether the owner may let in everyone that the grant is for.
func (b *bounds) letsIn(g policy.Grant) bool {
	got, d := b.any, g.Domain
	switch d.Kind() {
	case policy.DomainExact, policy.DomainIP:
		got |= b.exact[d.Host()]
	case policy.DomainAny, policy.DomainNone:
		return requestors(g)&^got == 0
	}
	if d.Kind() != policy.DomainIP {
		for host := d.Host(); ; {
			got |= b.suffix[host]
			i := strings.IndexByte(host, '.')
			if i < 0 {
				break
			}
			host = host[i+1:]
		}
	}
	return requestors(g)&^got == 0
}

var below1024 = policy.PortRanges(policy.PortRange{Lo: 1, Hi: 1023})

// broken returns the bounds that a grant breaks, each at its place.
func (b *bounds) broken(g policy.Grant, domainAt, portsAt Source) []*Refusal {
	var out []*Refusal
	if requestors(g) == 0 {
		out = append(out, &Refusal{Code: CodeNothing, Source: domainAt, Value: g.Domain.String(), Msg: fmt.Sprintf("%s over HTTPS only matches nobody", g.Domain)})
	} else if !b.letsIn(g) {
		r := &Refusal{Code: CodeDomain, Source: domainAt, Value: g.Domain.String(), Msg: fmt.Sprintf("%s is not among the domains that it may let in: %s", g.Domain, list(b.owner.Domains))}
		if g.Domain.Kind() == policy.DomainAny {
			r.Code, r.Msg = CodeAnyone, fmt.Sprintf("it may not let in anyone, only %s", list(b.owner.Domains))
		}
		out = append(out, r)
	}
	if !b.owner.Ports.Covers(g.Ports) {
		not := g.Ports.Subtract(b.owner.Ports)
		out = append(out, &Refusal{Code: CodePorts, Source: portsAt, Value: shortPorts(not), Msg: fmt.Sprintf("%s among the ports that it may open, %s", portsVerb(not, "is not", "are not"), orNone(shortPorts(b.owner.Ports)))})
	}
	if low := g.Ports.Intersect(below1024); b.lowRule && !low.IsEmpty() {
		out = append(out, &Refusal{Code: CodePrivileged, Source: portsAt, Value: shortPorts(low), Msg: fmt.Sprintf("%s open: clients take ports below 1024 only from a policy on a port below 1024", portsVerb(low, "cannot be", "cannot be"))})
	}
	return out
}

// portsVerb is "port 80 is" or "ports 80,81 are".
func portsVerb(p policy.PortSet, one, many string) string {
	if p.Len() == 1 {
		return fmt.Sprintf("port %s %s", p, one)
	}
	return fmt.Sprintf("ports %s %s", shortPorts(p), many)
}

// shortPorts writes up to eight ranges: a file of a stranger may name thirty
// thousand, and every message that repeated them would be as long.
func shortPorts(p policy.PortSet) string {
	r := p.Ranges()
	if len(r) <= 8 {
		return p.String()
	}
	return fmt.Sprintf("%s and %d more ranges", policy.PortRanges(r[:8]...), len(r)-8)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// list writes up to eight patterns.
func list(domains []policy.Domain) string {
	names := make([]string, 0, 9)
	for i, d := range domains {
		if i == 8 {
			names = append(names, fmt.Sprintf("and %d more", len(domains)-i))
			break
		}
		names = append(names, d.String())
	}
	return orNone(strings.Join(names, ", "))
}

// checked is a version after its bounds were tried.
type checked struct {
	version  *Version
	inputs   []*Input // clean: of services and fragments without a refusal
	held     []*Input // clean themselves, of a fragment or service with one
	refusals []*Refusal
	warnings []*Warning
}

// check tries a version against its owner's bounds: services by name, then
// fragments by file, so that which of them are too much depends on nothing else.
func check(v *Version, o Options) *checked {
	c := &checker{b: newBounds(&v.Owner, o.ServedFrom), most: o.MaxShare, left: o.MaxShare, intervals: map[policy.Domain][2]string{}}
	c.version = v
	for _, s := range sortedBy(v.Services, func(s *Service) string { return s.Name }) {
		c.service(s)
	}
	for _, f := range sortedBy(v.Fragments, func(f *Fragment) string { return f.File }) {
		c.fragment(f)
	}
	if c.unsaid > 0 {
		c.refusals = append(c.refusals, &Refusal{Owner: v.Owner.Name, Code: CodeMore, Source: v.Owner.Source, Msg: fmt.Sprintf("and %d more mistakes", c.unsaid)})
	}
	return &c.checked
}

func sortedBy[T any](list []T, name func(*T) string) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	slices.SortStableFunc(out, func(a, b *T) int { return strings.Compare(name(a), name(b)) })
	return out
}

type checker struct {
	checked
	b         *bounds
	unsaid    int                         // refusals beyond MaxRefusals
	most      int                         // Options.MaxShare
	left      int                         // bytes of rules that the owner may still have
	intervals map[policy.Domain][2]string // owners name the same domains again and again
}

// addresses returns where the owner's inputs are in force: one zero address
// for every address of the machine.
func (c *checker) addresses(one netip.Addr) []netip.Addr {
	switch {
	case one.IsValid():
		return []netip.Addr{one}
	case len(c.b.owner.Addresses) == 0:
		return []netip.Addr{{}}
	}
	return c.b.owner.Addresses
}

// add takes the grants of one service or fragment, whole or not at all, and
// keeps the slice.
func (c *checker) add(grants []Input, address netip.Addr, at Source, bad []*Refusal) {
	into := &c.inputs
	if c.left < 0 {
		into = &c.held
	} else {
		for i := range grants {
			g := &grants[i].Grant
			c.left -= ruleLength(&Rule{Domain: g.Domain, Secure: g.Secure, Ports: g.Ports})
		}
		if c.left < 0 {
			bad = append(bad, &Refusal{Code: CodeTooMuch, Source: at, Msg: fmt.Sprintf("with this its rules are longer than %d bytes, the most of one owner", c.most)})
		}
	}
	if len(bad) > 0 {
		into = &c.held
		for _, r := range bad {
			r.Owner = c.b.owner.Name
		}
		room := min(len(bad), MaxRefusals-len(c.refusals))
		c.refusals = append(c.refusals, bad[:room]...)
		c.unsaid += len(bad) - room
	}
	addrs := c.addresses(address)
	for i := range grants {
		in := &grants[i]
		iv, ok := c.intervals[in.Grant.Domain]
		if !ok {
			iv[0], iv[1] = in.Grant.Domain.Interval()
			c.intervals[in.Grant.Domain] = iv
		}
		in.Owner, in.lo, in.hi, in.Address = c.b.owner.Name, iv[0], iv[1], addrs[0]
		*into = append(*into, in)
		for _, a := range addrs[1:] {
			also := *in
			also.Address = a
			*into = append(*into, &also)
		}
	}
}

func (c *checker) service(s *Service) {
	o := c.b.owner
	var bad []*Refusal
	refuse := func(code Code, pos policy.Pos, value, format string, args ...any) {
		bad = append(bad, &Refusal{Code: code, Source: s.Source.At(pos), Value: value, Msg: fmt.Sprintf(format, args...)})
	}
	if s.Host != "" && !slices.Contains(o.Hosts, s.Host) {
		refuse(CodeHost, s.HostPos, s.Host, "%s is not among its hosts, %s", s.Host, orNone(strings.Join(o.Hosts, ", ")))
	}
	if s.Address.IsValid() && len(o.Addresses) > 0 && !slices.Contains(o.Addresses, s.Address) {
		refuse(CodeAddress, s.AddressPos, s.Address.String(), "%s is not among its addresses", s.Address)
	}
	if s.Ports.IsEmpty() {
		refuse(CodeNoPorts, s.Source.Pos, "", "a service without a port")
	}
	if len(s.Allow) == 0 {
		refuse(CodeNoDomains, s.Source.Pos, "", "a service that allows nobody")
	}
	grants := make([]Input, 0, len(s.Allow))
	for i, d := range s.Allow {
		var pos policy.Pos
		if i < len(s.AllowPos) {
			pos = s.AllowPos[i]
		}
		in := Input{Service: s.Name, Grant: policy.Grant{Domain: d, Secure: s.Secure, Ports: s.Ports}, Source: s.Source.At(pos)}
		broken := c.b.broken(in.Grant, in.Source, s.Source.At(s.PortsPos))
		for _, r := range broken {
			// The ports are the service's, not the domain's: said once.
			if r.Code != CodePorts && r.Code != CodePrivileged || i == 0 {
				bad = append(bad, r)
			}
		}
		if len(broken) == 0 {
			grants = append(grants, in)
		}
	}
	for _, r := range bad {
		r.Service = s.Name
	}
	c.add(grants, s.Address, s.Source, bad)
}

func (c *checker) fragment(f *Fragment) {
	var bad []*Refusal
	for _, r := range f.bad {
		own := *r
		bad = append(bad, &own)
	}
	for _, w := range f.notes {
		if own := *w; len(c.warnings) < MaxRefusals {
			own.Owner = c.b.owner.Name
			c.warnings = append(c.warnings, &own)
		}
	}
	grants := make([]Input, 0, len(f.rules))
	for i := range f.rules {
		r := &f.rules[i]
		broken := c.b.broken(r.grant, Source{f.File, r.domainPos}, Source{f.File, r.portsPos})
		if bad = append(bad, broken...); len(broken) == 0 {
			grants = append(grants, Input{Grant: r.grant, Source: Source{f.File, r.pos}})
		}
	}
	c.add(grants, netip.Addr{}, Source{File: f.File}, bad)
}
