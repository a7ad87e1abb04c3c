package aggregate

import (
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/port843/port843/policy"
)

// Table is the policy of one address, and where it comes from. It is read only.
type Table struct {
	Address   netip.Addr // the zero value: every address without a table of its own
	Meta      policy.MetaPolicy
	Rules     []Rule // from the general to the special
	Inputs    []*Input
	Fates     []Fate // parallel to Inputs
	Conflicts []*Conflict
	Warnings  []*Warning
	Owners    []string // whose inputs are in it, sorted
	Size      int      // bytes of the policy as it is sent, its NUL included
}

// Rule is one rule of a table.
type Rule struct {
	Domain policy.Domain
	Secure bool // only requestors over HTTPS
	Ports  policy.PortSet

	from   []int32 // indices of the inputs that it is made of
	lo, hi string
}

// Grant is what the rule permits.
func (r *Rule) Grant() policy.Grant {
	return policy.Grant{Domain: r.Domain, Secure: r.Secure, Ports: r.Ports}
}

// policyRule is the rule as a policy has it.
func (r *Rule) policyRule() policy.Rule {
	out := policy.Rule{Domain: r.Domain, Ports: r.Ports}
	if r.Secure {
		out.Secure = policy.SecureTrue
	}
	return out
}

// Became says what became of an input in a table.
type Became uint8

const (
	Kept     Became = iota // a rule says exactly this
	Merged                 // a part of a rule, with others or with less
	Subsumed               // wider rules say it already
)

var becameNames = [...]string{"kept", "merged", "subsumed"}

func (b Became) String() string { return becameNames[b] }

// Fate is what became of one input in one table.
type Fate struct {
	Became Became
	Rule   int32 // index of the rule that it is kept in or merged into; -1 where it is subsumed
}

// From returns the inputs that the rule i is made of, in their order.
func (t *Table) From(i int) []*Input {
	out := make([]*Input, len(t.Rules[i].from))
	for j, k := range t.Rules[i].from {
		out[j] = t.Inputs[k]
	}
	return out
}

// By returns the indices of the rules that subsume the input i.
func (t *Table) By(i int) []int {
	in := t.Inputs[i]
	if t.Fates[i].Became != Subsumed {
		return nil
	}
	return t.around(in.Grant, in.lo)
}

// around returns the rules that grant a part of g to all that g is for. lo is
// g's key.
func (t *Table) around(g policy.Grant, lo string) []int {
	var out []int
	within := func(key string) {
		i := sort.Search(len(t.Rules), func(i int) bool { return t.Rules[i].lo >= key })
		for ; i < len(t.Rules) && t.Rules[i].lo == key; i++ {
			r := &t.Rules[i]
			if r.Domain.WithScheme(policy.SchemeAny).Covers(g.Domain.WithScheme(policy.SchemeAny)) &&
				requestors(g)&^requestors(r.Grant()) == 0 && !r.Ports.Intersect(g.Ports).IsEmpty() {
				out = append(out, i)
			}
		}
	}
	within("")
	if g.Domain.Kind() == policy.DomainAny {
		return out
	}
	for i := range lo {
		if lo[i] == labelEnd && i < len(lo)-1 {
			within(lo[:i+1])
		}
	}
	within(lo)
	return out
}

// labelEnd ends each label in the key of a name, see [policy.Domain.Interval].
const labelEnd = '\x02'

// Reach returns the ports that all requestors of a pattern may reach by the
// table: over any scheme, and over HTTPS.
func (t *Table) Reach(d policy.Domain) (ports, overHTTPS policy.PortSet) {
	d = d.WithScheme(policy.SchemeAny)
	lo, _ := d.Interval()
	for _, i := range t.around(policy.Grant{Domain: d, Secure: true, Ports: policy.AllPorts()}, lo) {
		r := &t.Rules[i]
		overHTTPS = overHTTPS.Union(r.Ports)
		if requestors(r.Grant()) == viaAny {
			ports = ports.Union(r.Ports)
		}
	}
	return ports, overHTTPS
}

// Policy returns the policy of the table, made anew at each call.
func (t *Table) Policy() *policy.Policy {
	p := &policy.Policy{Meta: t.Meta, Rules: make([]policy.Rule, len(t.Rules))}
	for i := range t.Rules {
		p.Rules[i] = t.Rules[i].policyRule()
	}
	return p
}

// Grants returns what the table permits.
func (t *Table) Grants() policy.Grants {
	grants := make([]policy.Grant, len(t.Rules))
	for i := range t.Rules {
		grants[i] = t.Rules[i].Grant()
	}
	return policy.NewGrants(grants)
}

// newTable makes the table of an address of its inputs, and reorders them.
func newTable(a netip.Addr, inputs []*Input, o Options) *Table {
	slices.SortFunc(inputs, compareInputs)
	n := 0 // rules at most
	for i := range inputs {
		if i == 0 || !samePattern(inputs[i-1], inputs[i]) || classOf(inputs[i-1].Grant) != classOf(inputs[i].Grant) {
			n++
		}
	}
	s := sweep{
		t:    &Table{Address: a, Meta: o.Meta, Inputs: inputs, Fates: make([]Fate, len(inputs)), Rules: make([]Rule, 0, n)},
		from: make([]int32, 0, len(inputs)),
	}
	for from := 0; from < len(inputs); {
		to := from + 1
		for to < len(inputs) && samePattern(inputs[to], inputs[from]) {
			to++
		}
		s.pattern(from, to)
		from = to
	}
	t := s.t
	for _, in := range inputs {
		if n := len(t.Owners); n == 0 || t.Owners[n-1] != in.Owner {
			t.Owners = append(t.Owners, in.Owner)
		}
	}
	slices.Sort(t.Owners)
	t.Owners = slices.Compact(t.Owners)
	t.Conflicts = conflicts(t)
	t.measure(s.length)
	return t
}

func samePattern(a, b *Input) bool { return a.lo == b.lo && a.hi == b.hi }

// compareInputs orders by pattern, those of a pattern before those within it,
// then by who says it: so that the order of arrival makes no difference.
func compareInputs(a, b *Input) int {
	if c := strings.Compare(a.lo, b.lo); c != 0 {
		return c
	}
	if c := strings.Compare(b.hi, a.hi); c != 0 {
		return c
	}
	if c := int(requestors(b.Grant)) - int(requestors(a.Grant)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Owner, b.Owner); c != 0 {
		return c
	}
	if c := compareSource(a.Source, b.Source); c != 0 {
		return c
	}
	if c := strings.Compare(a.Service, b.Service); c != 0 {
		return c
	}
	// A service may name one pattern in two spellings: x and https://x mean the
	// same where it wants HTTPS anyway.
	if c := int(a.Grant.Domain.Scheme()) - int(b.Grant.Domain.Scheme()); c != 0 || a.Grant.Ports.Equal(b.Grant.Ports) {
		return c
	}
	return strings.Compare(a.Grant.Ports.String(), b.Grant.Ports.String())
}

// class is who of a pattern's hosts: the three that a rule can name.
type class uint8

const (
	classAny class = iota
	classHTTPS
	classHTTP
	classes
)

func classOf(g policy.Grant) class {
	switch requestors(g) {
	case viaAny:
		return classAny
	case viaHTTP:
		return classHTTP
	}
	return classHTTPS
}

// reach is what is granted at a place to each class, by the patterns there and
// around it.
type reach [classes]policy.PortSet

type frame struct {
	hi    string
	reach reach
}

// sweep goes through the patterns in order, with those around the present one
// on a stack, and subtracts from each what those around it grant.
type sweep struct {
	t      *Table
	open   []frame
	length int     // of the rules, as policy.Format writes them
	from   []int32 // the room of all Rule.from
}

// pattern makes the rules of the inputs from to to-1, which name one pattern.
func (s *sweep) pattern(from, to int) {
	first := s.t.Inputs[from]
	for len(s.open) > 0 && s.open[len(s.open)-1].hi <= first.lo {
		s.open = s.open[:len(s.open)-1]
	}
	var around reach
	if n := len(s.open); n > 0 {
		around = s.open[n-1].reach
	}
	var own reach
	for _, in := range s.t.Inputs[from:to] {
		c := classOf(in.Grant)
		own[c] = own[c].Union(in.Grant.Ports)
	}
	here := around
	for c := range classes {
		here[c] = here[c].Union(own[classAny]).Union(own[c])
	}
	for c := range classes {
		known := around[c]
		if c != classAny {
			known = known.Union(own[classAny])
		}
		rest := own[c].Subtract(known)
		rule := int32(-1)
		if !rest.IsEmpty() {
			rule = s.emit(first, c, rest, here[c])
		}
		s.fates(from, to, c, rule, rest)
	}
	if k := first.Grant.Domain.Kind(); k == policy.DomainSuffix || k == policy.DomainAny {
		s.open = append(s.open, frame{first.hi, here})
	}
}

// emit adds the rule that grants rest where known holds already.
func (s *sweep) emit(first *Input, c class, rest, known policy.PortSet) int32 {
	r := Rule{Domain: first.Grant.Domain.WithScheme(policy.SchemeAny), Ports: rest, lo: first.lo, hi: first.hi}
	switch c {
	case classHTTPS:
		r.Secure = true
	case classHTTP:
		r.Domain = r.Domain.WithScheme(policy.SchemeHTTP)
	}
	r.Ports = spelled(rest, known)
	s.t.Rules = append(s.t.Rules, r)
	s.length += ruleLength(&r)
	return int32(len(s.t.Rules) - 1)
}

// enumeration is how much longer ports may be for being single ones, in bytes:
// what policy.SmallRange of them take.
const enumeration = 6 * policy.SmallRange

// spelled returns the ports to write for rest where known holds already. Known
// ports may be said again where that is shorter, such as "*" for all but one,
// or a range for one with holes. So a rule is never much longer than what it is
// made of: an owner cannot make a policy too long by punching holes in the
// ranges of others. What is chosen depends on what both grant, not on how the
// inputs were written, so that building again gives the same.
func spelled(rest, known policy.PortSet) policy.PortSet {
	switch {
	case rest.Portable() && rest.EnumeratedLen() <= enumeration:
		return rest
	case known.IsAll():
		return known
	}
	filled := fill(rest, known)
	room := 0
	if rest.Portable() && !filled.Portable() {
		room = enumeration
	}
	if filled.EnumeratedLen()+room < rest.EnumeratedLen() {
		return filled
	}
	return rest
}

// fill closes the holes of rest that are known throughout.
func fill(rest, known policy.PortSet) policy.PortSet {
	var out []policy.PortRange
	for r := range rest.All() {
		if n := len(out); n > 0 && known.Covers(policy.PortRanges(policy.PortRange{Lo: out[n-1].Hi + 1, Hi: r.Lo - 1})) {
			out[n-1].Hi = r.Hi
			continue
		}
		out = append(out, r)
	}
	return policy.PortRanges(out...)
}

// fates says what became of the inputs of one class.
func (s *sweep) fates(from, to int, c class, rule int32, rest policy.PortSet) {
	into := len(s.from)
	for i := from; i < to; i++ {
		in := s.t.Inputs[i]
		switch {
		case classOf(in.Grant) != c:
		case rule < 0 || !rest.Covers(in.Grant.Ports) && in.Grant.Ports.Intersect(rest).IsEmpty():
			s.t.Fates[i] = Fate{Subsumed, -1}
		default:
			s.t.Fates[i] = Fate{Merged, rule}
			s.from = append(s.from, int32(i))
		}
	}
	if rule < 0 {
		return
	}
	r := &s.t.Rules[rule]
	r.from = s.from[into:len(s.from):len(s.from)]
	if len(r.from) == 1 && s.t.Inputs[r.from[0]].Grant.Ports.Equal(r.Ports) {
		s.t.Fates[r.from[0]].Became = Kept
	}
}

// ruleLength is how many bytes policy.Format writes for the rule. It is asked a
// million times, so it counts without writing; the laws hold it against Format.
func ruleLength(r *Rule) int {
	n := len("<allow-access-from domain=\"\" to-ports=\"\"/>\n") + len(r.Domain.Host()) + r.Ports.EnumeratedLen()
	switch r.Domain.Kind() {
	case policy.DomainAny:
		n += len("*")
	case policy.DomainSuffix:
		n += len("*.")
	case policy.DomainIP:
		if strings.Contains(r.Domain.Host(), ":") {
			n += len("[]")
		}
	}
	switch r.Domain.Scheme() {
	case policy.SchemeHTTP:
		n += len("http://")
	case policy.SchemeHTTPS:
		n += len("https://")
	}
	if r.Secure {
		n += len(" secure=\"true\"")
	}
	return n
}
