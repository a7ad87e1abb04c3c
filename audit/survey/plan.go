package survey

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"sort"

	"github.com/port843/port843/audit"
)

// MaxTargets bounds a plan: all of IPv4, once.
const MaxTargets = 1 << 32

// span is the addresses from lo to hi, both included, of one family.
type span struct{ lo, hi netip.Addr }

// size is the number of addresses, or MaxTargets+1 where it is more.
func (s span) size() uint64 {
	a, b := s.lo.As16(), s.hi.As16()
	ah, al := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	bh, bl := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	low, borrow := bits.Sub64(bl, al, 0)
	high, _ := bits.Sub64(bh, ah, borrow)
	if high != 0 || low >= MaxTargets {
		return MaxTargets + 1
	}
	return low + 1
}

// at is the i-th address.
func (s span) at(i uint64) netip.Addr {
	a := s.lo.As16()
	low, carry := bits.Add64(binary.BigEndian.Uint64(a[8:]), i, 0)
	high := binary.BigEndian.Uint64(a[:8]) + carry
	binary.BigEndian.PutUint64(a[8:], low)
	binary.BigEndian.PutUint64(a[:8], high)
	addr := netip.AddrFrom16(a)
	if s.lo.Is4() {
		return addr.Unmap()
	}
	return addr
}

// Plan is a set of targets. Fill it with Add, AddTarget and Exclude, then
// Seal it; after that it is read only and may be shared.
type Plan struct {
	Seed uint64 // of the order; the same on every machine that runs a shard

	// Resolve looks a name up; nil is the system's resolver.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)

	spans    map[uint16][]span
	excluded []span
	names    map[netip.Addr]string
	ranges   []span // what was given as a range, for the question of authority

	blocks []block
	count  uint64
	order  permutation
}

// block is one span of one port, in a sealed plan.
type block struct {
	before uint64 // how many targets stand before it
	port   uint16
	span   span
}

// NewPlan returns an empty plan.
func NewPlan() *Plan {
	return &Plan{spans: map[uint16][]span{}, names: map[netip.Addr]string{}}
}

// Add adds what a text names, on the ports it names itself or else on ports.
//
// Permitted:
//
//	example.com
//	example.com:943
//	192.0.2.7
//	192.0.2.7:943
//	192.0.2.0/24
//	192.0.2.0/24:943
//	192.0.2.10-192.0.2.20
//	192.0.2.10-20
//	2001:db8::1
//	[2001:db8::1]:943
//	2001:db8::/120
//	xmlsocket://example.com:843
//
// Prohibited:
//
//	(empty)
//	192.0.2.0/33
//	192.0.2.20-10
//	example.com:0
//	http://example.com/
//	2001:db8::/64 (more than MaxTargets)
func (p *Plan) Add(ctx context.Context, text string, ports []uint16) error {
	spans, name, port, err := p.read(ctx, text)
	if err != nil {
		return err
	}
	if port != 0 {
		ports = []uint16{port}
	}
	for _, s := range spans {
		if s.size() > MaxTargets {
			return fmt.Errorf("%s: more than %d addresses", text, uint64(MaxTargets))
		}
		for _, port := range ports {
			p.spans[port] = append(p.spans[port], s)
		}
		if name != "" {
			p.names[s.lo] = name
		} else if s.lo != s.hi {
			p.ranges = append(p.ranges, s)
		}
	}
	return nil
}

// AddTarget adds one address and port.
func (p *Plan) AddTarget(a netip.AddrPort) {
	addr := a.Addr().Unmap()
	p.spans[a.Port()] = append(p.spans[a.Port()], span{addr, addr})
}

// Exclude takes addresses out, on every port, whatever else is added before or
// after. It takes what Add takes, without a port.
func (p *Plan) Exclude(ctx context.Context, text string) error {
	spans, _, port, err := p.read(ctx, text)
	if err != nil {
		return err
	}
	if port != 0 {
		return fmt.Errorf("%s: an exclusion holds for every port; leave the port out", text)
	}
	p.excluded = append(p.excluded, spans...)
	return nil
}

func (p *Plan) resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	if p.Resolve != nil {
		return p.Resolve(ctx, name)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// Seal puts the targets in order. It refuses an empty plan, and one with more
// than MaxTargets.
func (p *Plan) Seal() error {
	excluded := merge(p.excluded)
	ports := make([]uint16, 0, len(p.spans))
	for port := range p.spans {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	p.blocks, p.count = nil, 0
	for _, port := range ports {
		for _, s := range subtract(merge(p.spans[port]), excluded) {
			p.blocks = append(p.blocks, block{p.count, port, s})
			p.count += s.size()
			if p.count > MaxTargets {
				return fmt.Errorf("more than %d targets", uint64(MaxTargets))
			}
		}
	}
	if p.count == 0 {
		return fmt.Errorf("no target is left")
	}
	p.order = newPermutation(p.count, p.Seed)
	return nil
}

// Count is the number of targets of a sealed plan.
func (p *Plan) Count() uint64 { return p.count }

// Target returns the target at a position of the order, from 0 to Count-1.
func (p *Plan) Target(position uint64) audit.Target {
	index := p.order.at(position)
	i := sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].before > index }) - 1
	b := p.blocks[i]
	addr := b.span.at(index - b.before)
	return audit.Target{Addr: netip.AddrPortFrom(addr, b.port), Name: p.names[addr]}
}

// Fingerprint identifies the targets and their order: two plans with the same
// one ask the same in the same order.
func (p *Plan) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintln(h, "port843 plan 1", p.Seed)
	for _, b := range p.blocks {
		fmt.Fprintln(h, b.port, b.span.lo, b.span.hi)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Scale says how much authority a plan takes.
type Scale struct {
	Addresses uint64 // of its widest port
	Public    uint64 // of these, those on the public Internet
	Range     bool   // a range with a public address in it was named
}

// Limits beyond which somebody must say that they may. A /16 is the largest
// network that one person commonly looks after; sixteen public hosts are a list
// that somebody wrote by hand.
const (
	LargeScale  = 1 << 16
	PublicScale = 16
)

// Grave reports whether the scale takes somebody's word.
func (s Scale) Grave() bool {
	return s.Addresses > LargeScale || s.Public > PublicScale || s.Range
}

// Scale returns how much authority a sealed plan takes.
func (p *Plan) Scale() Scale {
	var all []span
	for _, b := range p.blocks {
		all = append(all, b.span)
	}
	var s Scale
	for _, each := range merge(all) {
		s.Addresses += each.size()
	}
	public := subtract(merge(all), privateSpans)
	for _, each := range public {
		s.Public += each.size()
	}
	for _, r := range p.ranges {
		s.Range = s.Range || len(subtract([]span{r}, privateSpans)) > 0 && len(public) > 0
	}
	return s
}

// privateSpans are the addresses that are no public Internet: RFC 6890's
// private, shared, loopback, link-local, benchmarking and documentation ranges.
var privateSpans = func() []span {
	var spans []span
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"::1/128", "2001:db8::/32", "fc00::/7", "fe80::/10",
	} {
		spans = append(spans, prefixSpan(netip.MustParsePrefix(text)))
	}
	return merge(spans)
}()

func prefixSpan(p netip.Prefix) span {
	p = p.Masked()
	lo := p.Addr()
	b := lo.AsSlice()
	for i := p.Bits(); i < lo.BitLen(); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	hi, _ := netip.AddrFromSlice(b)
	return span{lo, hi}
}

// merge returns the union as ascending, disjoint spans.
func merge(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.lo.Compare(b.lo), a.hi.Compare(b.hi)) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].lo.BitLen() == s.lo.BitLen() && (s.lo.Compare(out[n-1].hi) <= 0 || out[n-1].hi.Next() == s.lo) {
			if s.hi.Compare(out[n-1].hi) > 0 {
				out[n-1].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// subtract returns what is in a and not in b; both are merged.
func subtract(a, b []span) []span {
	var out []span
	for _, s := range a {
		i := sort.Search(len(b), func(i int) bool { return b[i].hi.Compare(s.lo) >= 0 })
		for ; i < len(b) && b[i].lo.Compare(s.hi) <= 0 && s.lo.IsValid(); i++ {
			if s.lo.Compare(b[i].lo) < 0 {
				out = append(out, span{s.lo, b[i].lo.Prev()})
			}
			s.lo = b[i].hi.Next()
			if s.lo.Compare(s.hi) > 0 {
				s.lo = netip.Addr{}
			}
		}
		if s.lo.IsValid() {
			out = append(out, s)
		}
	}
	return out
}
