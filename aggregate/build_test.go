package aggregate

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

const (
	addrA = "192.0.2.10"
	addrB = "192.0.2.11"
)

func owner(name, portText string, addrs []string, domains ...string) Owner {
	o := Owner{Name: name, Ports: ports(portText), Source: Source{File: "port843.toml", Pos: policy.Pos{Line: 1, Col: 1}}}
	for _, d := range domains {
		o.Domains = append(o.Domains, domain(d))
	}
	for _, a := range addrs {
		o.Addresses = append(o.Addresses, netip.MustParseAddr(a))
	}
	return o
}

// rules makes a fragment, one rule a line below the root.
func rules(file string, lines ...string) Fragment {
	return ReadFragment(file, []byte("<cross-domain-policy>\n"+strings.Join(lines, "\n")+"\n</cross-domain-policy>"))
}

func allow(d, p string) string {
	return fmt.Sprintf(`<allow-access-from domain="%s" to-ports="%s"/>`, d, p)
}

// lines are the rules of a table as "domain ports".
func lines(t *Table) []string {
	out := make([]string, len(t.Rules))
	for i, r := range t.Rules {
		out[i] = r.Domain.String() + " " + r.Ports.String()
		if r.Secure {
			out[i] += " secure"
		}
	}
	return out
}

func wantLines(t *testing.T, r *Result, addr string, want ...string) *Table {
	t.Helper()
	a, _ := netip.ParseAddr(addr)
	table := r.Lookup(a)
	if got := lines(table); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", AddressName(table.Address), got, want)
	}
	return table
}

func refusals(r *Result) (out []string) {
	for _, x := range r.Refusals {
		out = append(out, fmt.Sprintf("%s %s", x.Source, x.Code))
	}
	return out
}

func wantRefusals(t *testing.T, r *Result, want ...string) {
	t.Helper()
	if got := refusals(r); !slices.Equal(got, want) {
		t.Errorf("refused:\n%s\nwant:\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), r.Refusals)
	}
}

func TestMergedAndCanonical(t *testing.T) {
	r := Build(Options{}, []Version{{
		Owner: owner("a", "*", nil, "*"),
		Fragments: []Fragment{rules("a.xml",
			allow("www.Example.com", "9001"), allow("*.example.com", "9000,9001"), allow("www.example.com", "9002"),
			allow("b.example", "9000"), allow("b.example", "9001-9002"), allow("*", "80"), allow("b.example", "80"),
			`<allow-access-from domain="c.example" to-ports="80,81" secure="true"/>`, allow("https://c.example", "82"), allow("http://c.example", "83"))},
	}})
	table := wantLines(t, r, addrA, "* 80", "*.example.com 9000-9001", "www.example.com 9002", "b.example 9000-9002", "c.example 81-82 secure", "http://c.example 83")
	fates := map[string]string{}
	for i, in := range table.Inputs {
		fates[in.Source.String()] = table.Fates[i].Became.String()
	}
	want := map[string]string{"a.xml:2:1": "subsumed", "a.xml:3:1": "kept", "a.xml:4:1": "kept", "a.xml:5:1": "merged", "a.xml:6:1": "merged", "a.xml:7:1": "kept", "a.xml:8:1": "subsumed", "a.xml:9:1": "merged", "a.xml:10:1": "merged", "a.xml:11:1": "kept"}
	for at, w := range want {
		if fates[at] != w {
			t.Errorf("%s: %s, want %s", at, fates[at], w)
		}
	}
	if from := table.From(3); len(from) != 2 || from[0].Source.String() != "a.xml:5:1" {
		t.Errorf("b.example comes from %v", from)
	}
	if text := string(policy.Format(table.Policy())); !strings.Contains(text, `to-ports="9000,9001,9002"`) || !strings.Contains(text, `"master-only"`) {
		t.Errorf("not portable:\n%s", text)
	}
}

func TestRefusals(t *testing.T) {
	o := owner("physics", "9000-9099", []string{addrA}, "*.physics.example.edu", "https://lab.example.org")
	o.Hosts = []string{"physics.example.edu"}
	at := func(line int32) policy.Pos { return policy.Pos{Line: line, Col: 11} }
	r := Build(Options{ServedFrom: 10843}, []Version{{
		Owner: o,
		Services: []Service{
			{Name: "ok", Host: "physics.example.edu", Address: netip.MustParseAddr(addrA), Ports: ports("9000"), Allow: []policy.Domain{domain("physics.example.edu")}, Source: Source{"t.toml", at(10)}},
			{Name: "wrong", Host: "chemistry.example.edu", Address: netip.MustParseAddr(addrB), Ports: ports("80"), Allow: []policy.Domain{domain("a.physics.example.edu"), domain("b.physics.example.edu")},
				Source: Source{"t.toml", at(20)}, HostPos: at(21), AddressPos: at(22), PortsPos: at(23), AllowPos: []policy.Pos{at(24)}},
			{Name: "empty", Source: Source{"t.toml", at(30)}},
		},
		Fragments: []Fragment{
			rules("bounds.xml", allow("*", "9000"), allow("*.example.edu", "9000"), allow("physics.example.edu", "9100"), allow("lab.example.org", "9000"), allow("https://lab.example.org", "9001"), `<allow-access-from domain="http://physics.example.edu" to-ports="9000" secure="true"/>`),
			rules("parse.xml", allow("physics.example.edu", "9000, 9001"), `<allow-access-from domain="physics.example.edu" ports="9000"/>`),
			ReadFragment("torn.xml", []byte("<cross-domain-policy>\n<allow-access-from")),
			rules("meta.xml", `<site-control permitted-cross-domain-policies="none"/>`, allow("physics.example.edu", "9000")),
			UnreadFragment("gone.xml", fs.ErrPermission),
			rules("fine.xml", allow("*.physics.example.edu", "9002")),
		},
	}})
	wantRefusals(t, r,
		"bounds.xml:2:28 anyone", "bounds.xml:3:28 domain-not-owners", "bounds.xml:4:59 port-not-owners", "bounds.xml:5:28 domain-not-owners", "bounds.xml:7:28 matches-nothing",
		"gone.xml unreadable", "meta.xml:2:48 grants-taken-back", "parse.xml:2:59 bad-policy", "parse.xml:3:1 bad-policy",
		"t.toml:21:11 host-not-owners", "t.toml:22:11 address-not-owners", "t.toml:23:11 port-below-1024", "t.toml:23:11 port-not-owners",
		"t.toml:30:11 no-domains", "t.toml:30:11 no-ports", "torn.xml:1:1 bad-policy", "torn.xml:2:1 bad-policy", "torn.xml:2:1 bad-policy")
	wantLines(t, r, addrA, "*.physics.example.edu 9002", "physics.example.edu 9000")
	if s := r.Owners[0]; s.Standing != StandingPartial || s.Inputs != 2 || len(s.Held) != 2 {
		t.Errorf("%+v", s)
	}
	var problem *policy.Problem
	if !errors.As(r.Refusals[7], &problem) || problem.Code != policy.CodePortsPadding {
		t.Errorf("no policy.Problem in %v", r.Refusals[7])
	}
	if !errors.Is(r.Refusals[5], fs.ErrPermission) {
		t.Errorf("no fs.ErrPermission in %v", r.Refusals[5])
	}
}

// version is an owner with one file of one rule.
func version(o Owner, d, p string) Version {
	return Version{Owner: o, Fragments: []Fragment{rules(o.Name+".xml", allow(d, p))}}
}

func TestLastGoodStays(t *testing.T) {
	a := owner("a", "9000-9009", []string{addrA}, "*.a.example")
	other := owner("b", "9010-9019", []string{addrB}, "*.b.example")
	b := NewBuilder(Options{})
	b.Set(version(a, "x.a.example", "9000"))
	b.Set(version(other, "x.b.example", "9010"))
	first := b.Build()
	wantLines(t, first, addrA, "x.a.example 9000")

	bad := version(a, "x.a.example", "9001")
	bad.Fragments = append(bad.Fragments, rules("second.xml", allow("x.b.example", "9000")))
	b.Set(bad)
	second := b.Build()
	wantLines(t, second, addrA, "x.a.example 9000")
	wantRefusals(t, second, "second.xml:2:28 domain-not-owners")
	if s := second.Owners[0]; s.Standing != StandingLastGood || len(s.Held) != 1 || s.Held[0].Grant.Ports.String() != "9001" {
		t.Errorf("%+v", s)
	}
	if second.Lookup(netip.MustParseAddr(addrB)) != first.Lookup(netip.MustParseAddr(addrB)) {
		t.Error("the table of another owner was made anew")
	}

	b.Set(version(a, "x.a.example", "9001"))
	wantLines(t, b.Build(), addrA, "x.a.example 9001")
	b.Remove("a")
	third := b.Build()
	wantLines(t, third, addrA)
	if len(third.Tables) != 2 || len(third.Owners) != 1 {
		t.Errorf("%d tables, %d owners after one owner went", len(third.Tables), len(third.Owners))
	}
}

func TestNarrowedBoundsHoldAtOnce(t *testing.T) {
	a := owner("a", "9000-9009", nil, "*.a.example")
	b := NewBuilder(Options{})
	good := Version{Owner: a, Fragments: []Fragment{rules("1.xml", allow("x.a.example", "9000")), rules("2.xml", allow("x.a.example", "9009"))}}
	b.Set(good)
	good.Owner = owner("a", "9000-9004", nil, "*.a.example")
	b.Set(good)
	r := b.Build()
	wantLines(t, r, addrA, "x.a.example 9000")
	wantRefusals(t, r, "2.xml:2:51 port-not-owners")
	if r.Owners[0].Standing != StandingPartial {
		t.Errorf("standing %s", r.Owners[0].Standing)
	}
}

func TestSetOptions(t *testing.T) {
	a := owner("a", "80,9000", []string{addrA}, "*.a.example")
	b := NewBuilder(Options{})
	b.Set(version(a, "x.a.example", "80"))
	b.Set(version(owner("b", "*", nil, "*"), "b.example", "9010"))
	wantLines(t, b.Build(), addrA, "x.a.example 80", "b.example 9010")
	b.SetOptions(Options{ServedFrom: 10843, Meta: policy.MetaAll})
	r := b.Build()
	wantRefusals(t, r, "a.xml:2:51 port-below-1024")
	table := wantLines(t, r, addrA, "b.example 9010")
	if table.Meta != policy.MetaAll {
		t.Errorf("the meta-policy is %v", table.Meta)
	}
}

func TestHolesDoNotMakeItLong(t *testing.T) {
	var odd []string
	for port := 1001; port < 12000; port += 2 {
		odd = append(odd, fmt.Sprint(port))
	}
	v := Version{Owner: owner("a", "*", nil, "*"), Fragments: []Fragment{rules("odd.xml", allow("*", strings.Join(odd, ",")))}}
	var wide []string
	for i := range 300 {
		wide = append(wide, allow(fmt.Sprintf("h%d.example", i), "1000-12000"), allow(fmt.Sprintf("s%d.example", i), "2000-2004"))
	}
	other := Version{Owner: owner("b", "*", nil, "*"), Fragments: []Fragment{rules("wide.xml", wide...)}}
	r := Build(Options{}, []Version{v, other})
	table := r.Tables[0]
	if len(r.Refusals) != 0 || len(table.Rules) != 601 || table.Size > 2*DefaultMaxShare {
		t.Errorf("%d rules of %d bytes; refused: %v", len(table.Rules), table.Size, r.Refusals)
	}
	if got := lines(table)[1:3]; got[0] != "h0.example 1000-12000" || got[1] != "h1.example 1000-12000" {
		t.Errorf("%q", got)
	}
	if !slices.Contains(lines(table), "s0.example 2000,2002,2004") {
		t.Error("where single ports are as short, they stay")
	}
}

func TestTooMuch(t *testing.T) {
	v := Version{Owner: owner("a", "*", nil, "*"), Services: []Service{{Name: "s", Ports: ports("80"), Allow: []policy.Domain{domain("s.example")}}}}
	for _, name := range []string{"3.xml", "1.xml", "2.xml"} {
		v.Fragments = append(v.Fragments, rules(name, allow(name[:1]+".a.example", "9000"), allow(name[:1]+".b.example", "9000")))
	}
	each := len(allow("1.a.example", "9000") + "\n") // the service has four bytes less
	r := Build(Options{MaxShare: 4 * each}, []Version{v, version(owner("b", "*", nil, "*"), "b.example", "9010")})
	wantRefusals(t, r, "2.xml too-much")
	wantLines(t, r, addrA, "1.a.example 9000", "b.example 9010", "1.b.example 9000", "s.example 80")
	if n := len(r.Owners[0].Held); n != 4 {
		t.Errorf("%d held back, want the two of 2.xml and the two of 3.xml", n)
	}
	v.Fragments = v.Fragments[1:2]
	wantRefusals(t, Build(Options{MaxShare: 3*each - 4}, []Version{v}))
}

func TestRefusalsAreBounded(t *testing.T) {
	many := make([]string, 2*MaxRefusals)
	var odd []string
	for port := 1; port < 40000; port += 2 {
		odd = append(odd, fmt.Sprint(port))
	}
	for i := range many {
		many[i] = allow("x.example", strings.Join(odd[:len(odd)/len(many)], ",")) + "<x/>"
	}
	many[0] = allow("x.example", strings.Join(odd, ","))
	r := Build(Options{}, []Version{{Owner: owner("a", "2", nil, "*"), Fragments: []Fragment{rules("a.xml", many...), rules("b.xml", many...)}}})
	last := r.Refusals[len(r.Refusals)-1]
	if len(r.Refusals) != MaxRefusals+1 || last.Code != CodeMore || !strings.Contains(last.Msg, fmt.Sprint(3*MaxRefusals)) {
		t.Errorf("%d refusals, the last is %v", len(r.Refusals), last)
	}
	for _, x := range r.Refusals {
		if len(x.Error()) > 300 || len(x.Value) > 300 {
			t.Fatalf("a message of %d bytes", len(x.Error()))
		}
	}
	if len(r.Warnings) > MaxRefusals {
		t.Errorf("%d warnings", len(r.Warnings))
	}
}

func TestFirstStartServesTheRest(t *testing.T) {
	a := owner("a", "9000-9009", nil, "*.a.example")
	r := Build(Options{}, []Version{{Owner: a, Fragments: []Fragment{
		rules("bad.xml", allow("x.a.example", "9000"), allow("*", "9000")), rules("good.xml", allow("y.a.example", "9001"))}},
		version(owner("b", "*", nil, "*"), "b.example", "9010")})
	wantLines(t, r, addrA, "y.a.example 9001", "b.example 9010")
	wantRefusals(t, r, "bad.xml:3:28 anyone")
	if h := r.Owners[0].Held; len(h) != 1 || h[0].Source.String() != "bad.xml:2:1" {
		t.Errorf("held back: %v", h)
	}
}

func TestAddressesAndConflicts(t *testing.T) {
	everywhere := owner("it", "*", nil, "*")
	a := owner("a", "9000-9099", []string{addrA, addrB}, "*.a.example")
	c := owner("c", "9000-9099", []string{addrB}, "*.c.example")
	v := Version{Owner: a, Services: []Service{
		{Name: "both", Ports: ports("9000"), Allow: []policy.Domain{domain("*.a.example")}},
		{Name: "one", Ports: ports("9001"), Address: netip.MustParseAddr(addrB), Allow: []policy.Domain{domain("*.a.example")}},
	}}
	r := Build(Options{}, []Version{version(everywhere, "it.example", "22"), v, version(c, "www.c.example", "9000-9001")})
	wantLines(t, r, "198.51.100.1", "it.example 22")
	wantLines(t, r, addrA, "*.a.example 9000", "it.example 22")
	table := wantLines(t, r, "::ffff:"+addrB, "*.a.example 9000-9001", "www.c.example 9000-9001", "it.example 22")
	if len(table.Conflicts) != 1 || table.Conflicts[0].Ports.String() != "9000-9001" {
		t.Fatalf("conflicts: %v", table.Conflicts)
	}
	text := table.Conflicts[0].String()
	for _, want := range []string{addrB, "ports 9000-9001", "a, service both", "c, c.xml:2:1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if got, https := table.Reach(domain("www.a.example")); got.String() != "9000-9001" || !https.Equal(got) {
		t.Errorf("www.a.example reaches %s", got)
	}
	var shared []string
	for _, w := range r.Warnings {
		if w.Code == WarnShared {
			shared = append(shared, AddressName(w.Address))
		}
	}
	if !slices.Equal(shared, []string{addrA, addrB}) {
		t.Errorf("shared policies: %v", shared)
	}
}

func TestConflictsAreBounded(t *testing.T) {
	var vs []Version
	for i := range 3 * MaxSides {
		vs = append(vs, version(owner(fmt.Sprintf("o%02d", i), "*", nil, "*"), "x.example", fmt.Sprintf("%d-%d", 9000+i, 9100-i)))
	}
	table := Build(Options{}, vs).Tables[0]
	most := 0
	for _, c := range table.Conflicts {
		most = max(most, len(c.Sides)+c.More)
		if len(c.Sides) > MaxSides {
			t.Errorf("%d sides are named", len(c.Sides))
		}
	}
	if most != 3*MaxSides {
		t.Errorf("the widest conflict has %d owners", most)
	}
}

func TestWarnings(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, allow(fmt.Sprintf("host-%d.example.com", i), fmt.Sprint(9000+2*i)))
	}
	o := owner("a", "*", nil, "*")
	o2 := owner("b", "*", []string{addrA}, "*")
	r := Build(Options{Meta: policy.MetaAll}, []Version{
		{Owner: o, Fragments: []Fragment{rules("a.xml", append(many, allow("r.example", "1000-2000"),
			`<site-control permitted-cross-domain-policies="all"/>`,
			`<allow-http-request-headers-from domain="*" headers="*"/>`, `<nonsense/>`,
			`<allow-access-from-identity><signatory><certificate fingerprint="1" fingerprint-algorithm="sha-1"/></signatory></allow-access-from-identity>`)...)}},
		{Owner: o2, Fragments: []Fragment{rules("b.xml", func() (out []string) {
			for i := range 40 {
				out = append(out, allow(fmt.Sprintf("a-rather-long-name-%d.department.example.org", i), fmt.Sprint(9001+2*i)))
			}
			return out
		}()...)}},
	})
	var got []string
	for _, w := range r.Warnings {
		got = append(got, fmt.Sprintf("%s %s %s", w.Source, w.Code, AddressName(w.Address)))
		if w.String() == "" {
			t.Error("a warning says nothing")
		}
	}
	want := []string{"a.xml:33:48 meta-policy all addresses", "a.xml:34:1 ignored all addresses", "a.xml:35:1 ignored all addresses", "a.xml:36:40 ignored all addresses",
		" over-advised all addresses", " range all addresses", " shared-policy " + addrA, " over-safe " + addrA, " range " + addrA}
	slices.Sort(got[:4])
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Tables[0].Meta != policy.MetaAll {
		t.Error("the meta-policy is not the one that was asked for")
	}
}

func TestOrigins(t *testing.T) {
	v := func(p string) *Table {
		return Build(Options{}, []Version{version(owner("a", "*", nil, "*"), "*.a.example", p), version(owner("b", "*", nil, "*"), "b.example", "80")}).Tables[0]
	}
	from, to := v("9000"), v("9000-9001")
	c := Compare(from.Grants(), to.Grants())
	if len(c.Revoked) != 0 || len(c.Granted) != 1 || c.Granted[0].String() != "*.a.example may reach 9001" {
		t.Fatalf("%v", c)
	}
	if in := to.Origins(c.Granted[0]); len(in) != 1 || in[0].String() != "a, a.xml:2:1" {
		t.Errorf("origins: %v", in)
	}
	if in := to.Origins(policy.Term{Domain: policy.AnyDomain(), Ports: policy.AllPorts(), Except: true}); in != nil {
		t.Errorf("an exception comes from %v", in)
	}
}

func TestMatrix(t *testing.T) {
	v := Version{Owner: owner("a", "*", nil, "*"), Fragments: []Fragment{rules("a.xml",
		allow("*", "80"), allow("*.a.example", "9000"), `<allow-access-from domain="*.a.example" to-ports="9001" secure="true"/>`, allow("http://x.a.example", "9002"), allow("x.a.example", "9003"))}}
	table := Build(Options{}, []Version{v}).Tables[0]
	var services []Service
	for _, p := range []string{"80", "9000", "80,9001", "9000-9002", "7000", "9003"} {
		services = append(services, Service{Name: p, Ports: ports(p)})
	}
	m := table.Matrix(services)
	var got []string
	for i, d := range m.Domains {
		got = append(got, fmt.Sprint(d, " ", m.Cells[i]))
	}
	want := []string{"* [yes no some no no no]", "*.a.example [yes yes https some no no]", "x.a.example [yes yes https some no yes]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
