package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Grant is one statement "requestors of this domain may reach these ports".
// It is what a rule means, without its spelling.
type Grant struct {
	Domain Domain
	Secure bool // only requestors over HTTPS
	Ports  PortSet
}

// Grants is everything that a policy permits: for each requestor, of all that
// could be, the set of ports. Two policies that decide alike have equal Grants,
// however they are written. The zero value permits nothing; it is immutable
// and may be shared between goroutines.
//
// It answers what lists of rules cannot: whether one policy covers another,
// and what exactly differs. Domains form a tree, and by reversed labels every
// pattern is one interval of the names in order, so that set operations are
// one sweep over two ascending lists; the road not taken is a trie, which
// says the same with pointers.
type Grants struct {
	by [schemes][]span // http, https, other; ascending, disjoint, no port set empty
}

// The atoms of a requestor's scheme, as indices of Grants.by.
const (
	atHTTP = iota
	atHTTPS
	atOther
	schemes
)

// span is a port set that holds for the hosts whose keys are lo <= key < hi.
type span struct {
	lo, hi string
	ports  PortSet
}

// The key of a name is its labels from the last to the first, each followed by
// labelEnd, which is below every character of a label: so all names under
// example.com are one interval. Addresses have keys of their own below every
// name, and the empty host (file:, app:) has the empty key.
const (
	labelEnd = "\x02"
	pastEnd  = "\x03" // behind every key with labelEnd in its place
	addrKey  = "\x01"
	endKey   = "\xff" // behind every key
)

func nameKey(host string) string {
	var b strings.Builder
	b.Grow(len(host) + 1)
	for {
		i := strings.LastIndexByte(host, '.')
		b.WriteString(host[i+1:])
		b.WriteString(labelEnd)
		if i < 0 {
			return b.String()
		}
		host = host[:i]
	}
}

// keyName is the reverse of nameKey.
func keyName(key string) string {
	labels := strings.Split(strings.TrimSuffix(key, labelEnd), labelEnd)
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// Interval returns the keys of the hosts that the pattern matches, lo <= key
// < hi, whatever its scheme. A key is the labels of a name from the last to
// the first, so that every pattern is one interval, and of two patterns one
// lies within the other or they are apart: in the order of lo, then of hi
// downwards, each comes before those within it. Keys mean nothing beyond their
// order. The zero Domain has the empty interval.
func (d Domain) Interval() (lo, hi string) {
	switch d.kind {
	case DomainAny:
		return "", endKey
	case DomainSuffix:
		k := nameKey(d.host)
		return k, k[:len(k)-1] + pastEnd
	case DomainExact:
		k := nameKey(d.host)
		return k, k + "\x00"
	case DomainIP:
		k := addrKey + d.host
		return k, k + "\x00"
	}
	return "", ""
}

func hostKey(host string) string {
	if host == "" {
		return ""
	}
	if _, ok := parseIPHost(host); ok {
		return addrKey + host
	}
	return nameKey(host)
}

// Grants returns what the policy permits for sockets when it is served from
// that port: without the ports below 1024 where servedFrom is 1024 or above.
func (p *Policy) Grants(servedFrom uint16) Grants {
	if p.Void || p.SocketMeta() == MetaNone {
		return Grants{}
	}
	grants := make([]Grant, 0, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Dead || r.NoPorts {
			continue
		}
		ports := r.Ports
		if servedFrom >= 1024 {
			ports = ports.Subtract(privileged)
		}
		grants = append(grants, Grant{r.Domain, r.Secure == SecureTrue, ports})
	}
	return NewGrants(grants)
}

var privileged = PortRanges(PortRange{1, 1023})

// NewGrants returns the union of the list, in any order.
func NewGrants(list []Grant) Grants {
	var g Grants
	for at := range g.by {
		spans := make([]span, 0, len(list))
		for _, x := range list {
			if x.holdsAt(at) && !x.Ports.IsEmpty() && x.Domain.kind != DomainNone {
				lo, hi := x.Domain.Interval()
				spans = append(spans, span{lo, hi, x.Ports})
			}
		}
		g.by[at] = flatten(spans)
	}
	return g
}

func (x Grant) holdsAt(at int) bool {
	if x.Secure && at != atHTTPS {
		return false
	}
	switch x.Domain.scheme {
	case SchemeHTTP:
		return at == atHTTP
	case SchemeHTTPS:
		return at == atHTTPS
	case SchemeOther:
		return at == atOther
	}
	return true
}

// flatten makes nested spans disjoint: each point has the union of the sets
// that cover it. Patterns nest or are disjoint, never overlap by half, so a
// stack of the open ones is enough.
func flatten(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(strings.Compare(a.lo, b.lo), strings.Compare(b.hi, a.hi))
	})
	var out []span
	var open []span // ports: united with those around it
	at := ""
	emit := func(to string) {
		if len(open) > 0 {
			out = appendSpan(out, span{at, to, open[len(open)-1].ports})
		}
		at = to
	}
	closeUpTo := func(key string) {
		for len(open) > 0 && open[len(open)-1].hi <= key {
			emit(open[len(open)-1].hi)
			open = open[:len(open)-1]
		}
	}
	for _, s := range spans {
		closeUpTo(s.lo)
		emit(s.lo)
		if n := len(open); n > 0 {
			s.ports = open[n-1].ports.Union(s.ports)
			if open[n-1].hi == s.hi && open[n-1].lo == s.lo {
				open[n-1].ports = s.ports
				continue
			}
		}
		open = append(open, s)
	}
	closeUpTo(endKey)
	return out
}

// appendSpan appends a span unless it is empty, and joins it with its
// neighbour where both say the same: so that the form is unique.
func appendSpan(out []span, s span) []span {
	if s.lo >= s.hi || s.ports.IsEmpty() {
		return out
	}
	if n := len(out); n > 0 && out[n-1].hi == s.lo && out[n-1].ports.Equal(s.ports) {
		out[n-1].hi = s.hi
		return out
	}
	return append(out, s)
}

// combine applies op to the port sets of a and b at every point. op of two
// empty sets must be empty.
func combine(a, b Grants, op func(x, y PortSet) PortSet) Grants {
	var g Grants
	for at := range g.by {
		g.by[at] = sweep(a.by[at], b.by[at], op)
	}
	return g
}

func sweep(a, b []span, op func(x, y PortSet) PortSet) []span {
	var out []span
	at := ""
	for len(a) > 0 || len(b) > 0 {
		next := endKey
		x, next := portsAt(a, at, next)
		y, next := portsAt(b, at, next)
		out = appendSpan(out, span{at, next, op(x, y)})
		at = next
		for len(a) > 0 && a[0].hi <= at {
			a = a[1:]
		}
		for len(b) > 0 && b[0].hi <= at {
			b = b[1:]
		}
	}
	return out
}

// portsAt returns the set that holds at the key, and where it next changes, or
// next where that comes first.
func portsAt(spans []span, at, next string) (PortSet, string) {
	switch {
	case len(spans) == 0:
		return PortSet{}, next
	case at < spans[0].lo:
		return PortSet{}, min(next, spans[0].lo)
	}
	return spans[0].ports, min(next, spans[0].hi)
}

// Union returns what g or h permits.
func (g Grants) Union(h Grants) Grants { return combine(g, h, PortSet.Union) }

// Intersect returns what both g and h permit.
func (g Grants) Intersect(h Grants) Grants { return combine(g, h, PortSet.Intersect) }

// Subtract returns what g permits and h does not.
func (g Grants) Subtract(h Grants) Grants { return combine(g, h, PortSet.Subtract) }

// Covers reports whether g permits everything that h permits.
func (g Grants) Covers(h Grants) bool { return h.Subtract(g).IsEmpty() }

// IsEmpty reports whether nothing is permitted.
func (g Grants) IsEmpty() bool {
	return len(g.by[atHTTP])+len(g.by[atHTTPS])+len(g.by[atOther]) == 0
}

// Equal reports whether g and h permit the same.
func (g Grants) Equal(h Grants) bool {
	for at := range g.by {
		if !slices.EqualFunc(g.by[at], h.by[at], func(x, y span) bool {
			return x.lo == y.lo && x.hi == y.hi && x.ports.Equal(y.ports)
		}) {
			return false
		}
	}
	return true
}

// Ports returns the ports that the requestor may reach.
func (g Grants) Ports(from Requestor) PortSet {
	at := atOther
	switch from.scheme() {
	case SchemeHTTP:
		at = atHTTP
	case SchemeHTTPS:
		at = atHTTPS
	}
	return lookup(g.by[at], hostKey(from.Host))
}

// lookup returns the set that holds at the key.
func lookup(spans []span, key string) PortSet {
	i, found := slices.BinarySearchFunc(spans, key, func(s span, k string) int { return strings.Compare(s.lo, k) })
	if !found {
		i--
	}
	if i < 0 || spans[i].hi <= key {
		return PortSet{}
	}
	return spans[i].ports
}
