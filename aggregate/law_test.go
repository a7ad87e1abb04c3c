package aggregate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/port843/port843/policy"
)

// The small universe: every pattern, port set and requestor of it is asked.
var (
	uPatterns = []string{"*", "*.a.test", "a.test", "x.a.test", "*.x.a.test", "y.x.a.test", "b.test", "*.b.test", "192.0.2.1", "[2001:db8::1]", "https://*", "http://*.a.test", "https://x.a.test", "http://*", "http://x.a.test", "https://*.x.a.test"}
	uPorts    = []string{"*", "80", "80,443", "9000", "9000-9003", "9001-9040", "9002,9040", "1-65534", "1023-1024", "443,9000-9100"}
	uHosts    = []string{"", "a.test", "x.a.test", "y.x.a.test", "z.y.x.a.test", "w.a.test", "b.test", "v.b.test", "other.test", "bada.test", "192.0.2.1", "2001:db8::1", "192.0.2.2"}
	uSchemes  = []string{"http", "https", "file"}
	uTargets  = []uint16{1, 79, 80, 81, 443, 1023, 1024, 8999, 9000, 9001, 9002, 9003, 9004, 9039, 9040, 9041, 9100, 9101, 65534, 65535}
	uAddrs    = []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1")}
)

func domain(s string) policy.Domain {
	d, err := policy.ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return d
}

func ports(s string) policy.PortSet {
	p, err := policy.ParsePorts(s)
	if err != nil {
		panic(err)
	}
	return p
}

// grants asks the definition: the rule of a policy with that one grant.
func grants(g policy.Grant, from policy.Requestor, port, servedFrom uint16) bool {
	r := policy.Rule{Domain: g.Domain, Ports: g.Ports}
	if g.Secure {
		r.Secure = policy.SecureTrue
	}
	return r.SocketMiss(from, port, servedFrom) == policy.MissNothing
}

func everyQuestion(ask func(from policy.Requestor, port uint16)) {
	for _, scheme := range uSchemes {
		for _, host := range uHosts {
			for _, port := range uTargets {
				ask(policy.Requestor{Scheme: scheme, Host: host}, port)
			}
		}
	}
}

// dice makes versions out of bytes; without more bytes it makes the first of each.
type dice struct{ b []byte }

func (d *dice) roll(n int) int {
	if len(d.b) == 0 {
		return 0
	}
	x := int(d.b[0]) % n
	d.b = d.b[1:]
	return x
}

func (d *dice) domains(wide bool) []policy.Domain {
	out := []policy.Domain{domain(uPatterns[d.roll(len(uPatterns))])}
	for range d.roll(3) {
		out = append(out, domain(uPatterns[d.roll(len(uPatterns))]))
	}
	if wide {
		out = append(out, policy.AnyDomain())
	}
	return out
}

func (d *dice) versions() (Options, []Version) {
	o := Options{ServedFrom: []uint16{0, 843, 1023, 1024, 10843}[d.roll(5)], MaxShare: []int{0, 0, 0, 200}[d.roll(4)]}
	var vs []Version
	for i := range 1 + d.roll(4) {
		wide := d.roll(4) != 3
		v := Version{Owner: Owner{Name: fmt.Sprintf("o%d", i), Ports: ports(uPorts[d.roll(len(uPorts))]), Domains: d.domains(wide)}}
		if wide {
			v.Owner.Ports = policy.AllPorts()
		}
		for a := range d.roll(len(uAddrs)) {
			v.Owner.Addresses = append(v.Owner.Addresses, uAddrs[1+(a+d.roll(3))%3])
		}
		slices.SortFunc(v.Owner.Addresses, netip.Addr.Compare)
		v.Owner.Addresses = slices.Compact(v.Owner.Addresses)
		for s := range d.roll(4) {
			v.Services = append(v.Services, Service{
				Name: fmt.Sprintf("s%d", s), Address: uAddrs[d.roll(len(uAddrs))], Ports: ports(uPorts[d.roll(len(uPorts))]),
				Allow: d.domains(false), Secure: d.roll(4) == 0, Source: Source{File: "t.toml", Pos: policy.Pos{Line: int32(10*i + s + 1), Col: 1}},
			})
		}
		for f := range d.roll(3) {
			p := policy.Policy{}
			for range d.roll(4) {
				r := policy.Rule{Domain: domain(uPatterns[d.roll(len(uPatterns))]), Ports: ports(uPorts[d.roll(len(uPorts))])}
				if d.roll(4) == 0 {
					r.Secure = policy.SecureTrue
				}
				p.Rules = append(p.Rules, r)
			}
			v.Fragments = append(v.Fragments, ReadFragment(fmt.Sprintf("o%d/%d.xml", i, f), policy.Format(&p)))
		}
		vs = append(vs, v)
	}
	return o, vs
}

func servedFrom(o Options) uint16 {
	if o.ServedFrom == 0 {
		return policy.MasterPort
	}
	return o.ServedFrom
}

// checkTable holds one table against its inputs, one question at a time.
func checkTable(t *testing.T, table *Table, served uint16) {
	t.Helper()
	p := table.Policy()
	everyQuestion(func(from policy.Requestor, port uint16) {
		want := false
		for _, in := range table.Inputs {
			want = want || grants(in.Grant, from, port, served)
		}
		if got := p.Allows(from, port, served).Allowed; got != want {
			t.Fatalf("%s, port %d: the table says %v, its inputs %v\n%s", from, port, got, want, policy.Format(p))
		}
		all, overHTTPS := policy.PortSet{}, policy.PortSet{}
		if d, err := policy.ParseDomain(from.Host); err == nil && from.Scheme == "https" && d.Kind() != policy.DomainAny {
			if all, overHTTPS = table.Reach(d); overHTTPS.Contains(port) != want && served < 1024 {
				t.Fatalf("%s, port %d: Reach says %v, %v, the inputs %v", from, port, all, overHTTPS, want)
			}
		}
	})
	text := policy.Format(p)
	if len(text)+1 != table.Size {
		t.Fatalf("size %d, but the policy has %d bytes", table.Size, len(text)+1)
	}
	for i := range table.Rules {
		without := *p
		without.Rules = slices.Delete(slices.Clone(p.Rules), i, i+1)
		if without.Grants(policy.MasterPort).Equal(table.Grants()) {
			t.Fatalf("rule %d is shadowed:\n%s", i, text)
		}
		if len(table.From(i)) == 0 {
			t.Fatalf("rule %d comes from nowhere", i)
		}
	}
	checkFates(t, table)
}

func checkFates(t *testing.T, table *Table) {
	t.Helper()
	for i, in := range table.Inputs {
		f := table.Fates[i]
		switch f.Became {
		case Subsumed:
			by := make([]policy.Grant, 0, 2)
			for _, j := range table.By(i) {
				by = append(by, table.Rules[j].Grant())
			}
			if !policy.NewGrants(by).Covers(policy.NewGrants([]policy.Grant{in.Grant})) {
				t.Fatalf("%v is subsumed, but %v do not cover it", in.Grant, by)
			}
		default:
			if !slices.Contains(table.From(int(f.Rule)), in) {
				t.Fatalf("%v is %s in rule %d, which does not know of it", in, f.Became, f.Rule)
			}
			if f.Became == Kept && !policy.NewGrants([]policy.Grant{in.Grant}).Equal(policy.NewGrants([]policy.Grant{table.Rules[f.Rule].Grant()})) {
				t.Fatalf("%v is kept, but rule %d says another thing", in.Grant, f.Rule)
			}
		}
	}
}

// checkBounds asks of every input in force whether its owner may say that.
func checkBounds(t *testing.T, r *Result, vs []Version, served uint16) {
	t.Helper()
	owners := map[string]*Owner{}
	for i := range vs {
		owners[vs[i].Owner.Name] = &vs[i].Owner
	}
	for _, table := range r.Tables {
		for _, in := range table.Inputs {
			o := owners[in.Owner]
			everyQuestion(func(from policy.Requestor, port uint16) {
				if !grants(in.Grant, from, port, policy.MasterPort) {
					return
				}
				may := o.Ports.Contains(port) && slices.ContainsFunc(o.Domains, func(d policy.Domain) bool { return d.Matches(from) })
				if !may || port < 1024 && served >= 1024 {
					t.Fatalf("%s lets %s in to port %d, which it may not", in, from, port)
				}
			})
			if table.Address.IsValid() && in.Address.IsValid() && len(o.Addresses) > 0 && !slices.Contains(o.Addresses, table.Address) {
				t.Fatalf("%s is in force at %s", in, table.Address)
			}
		}
	}
}

// describe is everything that may not depend on the order of the inputs.
func describe(r *Result) string {
	var b bytes.Buffer
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%s\n%s%v\n%v\n%v\n", AddressName(t.Address), policy.Format(t.Policy()), t.Fates, t.Conflicts, t.Owners)
		for i, in := range t.Inputs {
			fmt.Fprintln(&b, in, in.Grant.Domain, in.Grant.Secure, in.Grant.Ports, t.By(i))
		}
	}
	for _, x := range r.Refusals {
		fmt.Fprintln(&b, x)
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(&b, w)
	}
	for _, o := range r.Owners {
		fmt.Fprintln(&b, o.Name, o.Standing, o.Inputs, len(o.Held))
	}
	return b.String()
}

// again builds a table's own rules, as one owner's who may do anything.
func again(t *Table) []byte {
	data := policy.Format(t.Policy())
	v := Version{Owner: Owner{Name: "all", Ports: policy.AllPorts(), Domains: []policy.Domain{policy.AnyDomain()}}, Fragments: []Fragment{ReadFragment("all.xml", data)}}
	return policy.Format(Build(Options{}, []Version{v}).Tables[0].Policy())
}

func checkLaws(t *testing.T, data []byte) {
	t.Helper()
	o, vs := (&dice{data}).versions()
	r := Build(o, vs)
	for _, table := range r.Tables {
		checkTable(t, table, servedFrom(o))
		if got, want := again(table), policy.Format(table.Policy()); !bytes.Equal(got, want) {
			t.Fatalf("built again:\n%s\nwas:\n%s", got, want)
		}
		checkConflicts(t, table)
	}
	checkBounds(t, r, vs, servedFrom(o))
	checkShuffled(t, o, vs, describe(r))
	checkIncremental(t, o, vs)
}

func checkShuffled(t *testing.T, o Options, vs []Version, want string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	other := slices.Clone(vs)
	for i := range other {
		other[i].Services = slices.Clone(other[i].Services)
		other[i].Fragments = slices.Clone(other[i].Fragments)
		rng.Shuffle(len(other[i].Services), func(a, b int) { s := other[i].Services; s[a], s[b] = s[b], s[a] })
		rng.Shuffle(len(other[i].Fragments), func(a, b int) { f := other[i].Fragments; f[a], f[b] = f[b], f[a] })
	}
	rng.Shuffle(len(other), func(a, b int) { other[a], other[b] = other[b], other[a] })
	if got := describe(Build(o, other)); got != want {
		t.Fatalf("in another order:\n%s\nwas:\n%s", got, want)
	}
}

// checkIncremental sets, removes and sets again: the result is that of one build.
func checkIncremental(t *testing.T, o Options, vs []Version) {
	t.Helper()
	clean := Build(o, vs)
	b := NewBuilder(o)
	for i, v := range vs {
		if len(clean.Owners[i].Refusals) == 0 {
			b.Set(Version{Owner: Owner{Name: v.Owner.Name, Ports: policy.AllPorts(), Domains: []policy.Domain{policy.AnyDomain()}}})
		}
		b.Build()
		b.Remove(vs[(i+1)%len(vs)].Owner.Name)
	}
	for _, v := range vs {
		b.Remove(v.Owner.Name)
		b.Set(v)
		b.Build()
	}
	if got, want := describe(b.Build()), describe(clean); got != want {
		t.Fatalf("step by step:\n%s\nat once:\n%s", got, want)
	}
}

// checkConflicts asks of each port which owners open it.
func checkConflicts(t *testing.T, table *Table) {
	t.Helper()
	for _, port := range uTargets {
		openers := map[string]bool{}
		for _, in := range table.Inputs {
			if in.Grant.Ports.Contains(port) {
				openers[in.Owner] = true
			}
		}
		sides := 0
		for _, c := range table.Conflicts {
			if c.Ports.Contains(port) {
				sides += len(c.Sides) + c.More
				for _, s := range c.Sides {
					if !openers[s.Owner] || s.Input.Owner != s.Owner || s.Input.Grant.Ports.Intersect(c.Ports).IsEmpty() {
						t.Fatalf("port %d: %s is no side of it", port, s.Owner)
					}
				}
			}
		}
		if len(openers) > 1 && sides != len(openers) || len(openers) < 2 && sides != 0 {
			t.Fatalf("port %d is opened by %v, the conflicts name %d sides", port, openers, sides)
		}
	}
}

func TestLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(843, 1))
	refused, conflicts := 0, 0
	for range 150 {
		data := make([]byte, rng.IntN(160))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		checkLaws(t, data)
		r := Build((&dice{data}).versions())
		refused += len(r.Refusals)
		conflicts += len(r.Conflicts())
	}
	if refused < 50 || conflicts < 25 {
		t.Errorf("only %d refusals and %d conflicts: the universe is too tame", refused, conflicts)
	}
}

func FuzzBuild(f *testing.F) {
	rng := rand.New(rand.NewPCG(843, 2))
	for n := range 12 {
		data := make([]byte, 12*n)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkLaws(t, data[:min(len(data), 400)]) })
}

// Two lists of grants differ in meaning exactly where they decide differently.
func FuzzDiff(f *testing.F) {
	f.Add([]byte{}, []byte{1})
	f.Add([]byte{0, 0, 0, 3, 1, 1, 1, 1}, []byte{0, 0, 0, 3, 1, 2, 1, 2})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, y := diceGrants(a), diceGrants(b)
		change := Compare(policy.NewGrants(x), policy.NewGrants(y))
		alike := true
		everyQuestion(func(from policy.Requestor, port uint16) {
			was, is := anyGrants(x, from, port), anyGrants(y, from, port)
			alike = alike && was == is
			if got := said(change.Granted, from, port); got != (is && !was) {
				t.Fatalf("%s, port %d: granted %v, was %v, is %v\n%v", from, port, got, was, is, change.Granted)
			}
			if got := said(change.Revoked, from, port); got != (was && !is) {
				t.Fatalf("%s, port %d: revoked %v, was %v, is %v\n%v", from, port, got, was, is, change.Revoked)
			}
		})
		if change.IsEmpty() && !alike {
			t.Fatal("no difference is named, and they decide differently")
		}
		if same := Compare(policy.NewGrants(x), policy.NewGrants(slices.Concat(x, x))); !same.IsEmpty() {
			t.Fatalf("a list and itself twice: %v", same)
		}
	})
}

func diceGrants(b []byte) (out []policy.Grant) {
	d := &dice{b}
	for len(d.b) > 0 {
		out = append(out, policy.Grant{Domain: domain(uPatterns[d.roll(len(uPatterns))]), Ports: ports(uPorts[d.roll(len(uPorts))]), Secure: d.roll(4) == 1})
	}
	return out
}

func anyGrants(list []policy.Grant, from policy.Requestor, port uint16) bool {
	return slices.ContainsFunc(list, func(g policy.Grant) bool { return grants(g, from, port, policy.MasterPort) })
}

// said reads terms as they are meant: in order, a later one speaks of a part.
func said(terms []policy.Term, from policy.Requestor, port uint16) bool {
	yes := false
	for _, t := range terms {
		d := t.Domain
		matches := d.Matches(from)
		if d.Scheme() == policy.SchemeOther {
			matches = from.Scheme == "file" && d.WithScheme(policy.SchemeAny).Matches(from)
		}
		if matches && t.Ports.Contains(port) {
			yes = !t.Except
		}
	}
	return yes
}
