package policy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The small universe of the brute-force oracle: every pattern, requestor and
// port that the laws are tried on.
var (
	smallDomains = []string{
		"*", "http://*", "https://*", "*.a.test", "*.b.a.test", "https://*.a.test", "a.test", "b.a.test", "http://b.a.test",
		"c.b.a.test", "localhost", "a-b.test", "*.a-b.test", "192.0.2.1", "[2001:db8::1]",
	}
	smallRequestors = []Requestor{
		{"http", "a.test"}, {"https", "a.test"}, {"http", "b.a.test"}, {"https", "b.a.test"}, {"file", ""}, {"app", ""},
		{"http", "c.b.a.test"}, {"https", "x.c.b.a.test"}, {"ftp", "b.a.test"}, {"http", "xa.test"}, {"http", "test"}, {"http", "a-b.test"}, {"http", "q.a-b.test"},
		{"http", "localhost"}, {"http", "192.0.2.1"}, {"https", "192.0.2.1"}, {"http", "2001:db8::1"}, {"http", ".a.test"}, {"http", "a.test."},
	}
	smallPorts = []string{"*", "1-3", "2", "3,5", "4-5,7", "1023", "1024", "1022-1025", "65535"}
	askPorts   = []uint16{1, 2, 3, 4, 5, 6, 7, 8, 1021, 1022, 1023, 1024, 1025, 1026, 65534, 65535}
)

// smallPolicy makes a policy of the small universe from bytes: three a rule.
func smallPolicy(data []byte) *Policy {
	p := &Policy{}
	for ; len(data) >= 3 && len(p.Rules) < 8; data = data[3:] {
		d, err := ParseDomain(smallDomains[int(data[0])%len(smallDomains)])
		if err != nil {
			panic(err)
		}
		ports, err := ParsePorts(smallPorts[int(data[1])%len(smallPorts)])
		if err != nil {
			panic(err)
		}
		p.Rules = append(p.Rules, Rule{Domain: d, Ports: ports, Secure: Secure(data[2] % 3)})
	}
	return p
}

// sameAs compares grants with an oracle at every point of the small universe.
func sameAs(t *testing.T, what string, g Grants, oracle func(from Requestor, port uint16) bool) {
	t.Helper()
	for _, from := range smallRequestors {
		ports := g.Ports(from)
		for _, port := range askPorts {
			if got, want := ports.Contains(port), oracle(from, port); got != want {
				t.Fatalf("%s: %s to port %d is %v, want %v\n%v", what, from, port, got, want, g.Terms())
			}
		}
	}
}

func FuzzGrants(f *testing.F) {
	f.Add([]byte{0, 0, 0}, []byte{3, 1, 1}, uint16(843))
	f.Add([]byte{3, 1, 0, 4, 2, 0}, []byte{7, 3, 1, 1, 0, 0}, uint16(8080))
	f.Add([]byte{}, []byte{14, 8, 2, 13, 7, 1, 10, 4, 0}, uint16(1024))
	r := rand.New(rand.NewPCG(843, 0))
	for range 200 {
		a, b := make([]byte, r.IntN(25)), make([]byte, r.IntN(25))
		for i := range a {
			a[i] = byte(r.Uint32())
		}
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(a, b, uint16(r.Uint32()))
	}
	f.Fuzz(func(t *testing.T, x, y []byte, servedFrom uint16) {
		p, q := smallPolicy(x), smallPolicy(y)
		g, h := p.Grants(servedFrom), q.Grants(servedFrom)
		in := func(p *Policy) func(Requestor, uint16) bool {
			return func(from Requestor, port uint16) bool { return p.Allows(from, port, servedFrom).Allowed }
		}
		inP, inQ := in(p), in(q)
		sameAs(t, "grants", g, inP)
		sameAs(t, "union", g.Union(h), func(r Requestor, n uint16) bool { return inP(r, n) || inQ(r, n) })
		sameAs(t, "intersect", g.Intersect(h), func(r Requestor, n uint16) bool { return inP(r, n) && inQ(r, n) })
		sameAs(t, "subtract", g.Subtract(h), func(r Requestor, n uint16) bool { return inP(r, n) && !inQ(r, n) })

		if !g.Union(h).Equal(h.Union(g)) || !g.Union(g).Equal(g) || !g.Subtract(h).Union(g.Intersect(h)).Equal(g) {
			t.Fatalf("the algebra's laws do not hold for %v and %v", g.Terms(), h.Terms())
		}
		if g.Covers(h) != h.Subtract(g).IsEmpty() || !g.Union(h).Covers(h) {
			t.Fatalf("covers and subtract disagree for %v and %v", g.Terms(), h.Terms())
		}
		checkTerms(t, g)
		checkTerms(t, g.Subtract(h))
		if both := (&Policy{Rules: append(p.Rules[:len(p.Rules):len(p.Rules)], q.Rules...)}); !both.Grants(servedFrom).Equal(g.Union(h)) {
			t.Fatal("the grants of both rule lists are not the union of their grants")
		}
	})
}

// checkTerms reads the terms of g as they are meant to be read, and expects g.
func checkTerms(t *testing.T, g Grants) {
	t.Helper()
	terms := g.Terms()
	var again Grants
	for _, term := range terms {
		one := NewGrants([]Grant{{Domain: term.Domain, Ports: term.Ports}})
		if term.Except {
			again = again.Subtract(one)
		} else {
			again = again.Union(one)
		}
	}
	if !again.Equal(g) {
		t.Fatalf("the terms %v do not say what the grants say", terms)
	}
}

func FuzzPortSet(f *testing.F) {
	f.Add("1-10,20", "5-25")
	f.Add("*", "80,443")
	f.Add("65535,1", "1-65535")
	f.Fuzz(func(t *testing.T, x, y string) {
		a, err := ParsePorts(x)
		if err != nil {
			return
		}
		for _, form := range []string{a.String(), a.Enumerated()} {
			if again, err := ParsePorts(form); err != nil || !again.Equal(a) {
				t.Fatalf("%q written as %q reads as %v, %v", x, form, again, err)
			}
		}
		b, err := ParsePorts(y)
		if err != nil {
			return
		}
		union, both, without := a.Union(b), a.Intersect(b), a.Subtract(b)
		n := 0
		covers := true
		for i := 1; i <= 65535; i++ {
			p := uint16(i)
			inA, inB := a.Contains(p), b.Contains(p)
			if inA {
				n++
			}
			covers = covers && (!inB || inA)
			if union.Contains(p) != (inA || inB) || both.Contains(p) != (inA && inB) || without.Contains(p) != (inA && !inB) {
				t.Fatalf("%q and %q disagree with the oracle at port %d", x, y, p)
			}
		}
		if n != a.Len() || covers != a.Covers(b) {
			t.Fatalf("%q: Len %d, counted %d; covers %q %v, counted %v", x, a.Len(), n, y, a.Covers(b), covers)
		}
	})
}

func FuzzDomain(f *testing.F) {
	for _, s := range append(smallDomains, "*.com", "EXAMPLE.com", "::1", "http://[::1]", "x_y.test", "1.2.3.4.5") {
		f.Add(s, "www.example.com")
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		d, err := ParseDomain(pattern)
		if err != nil {
			return
		}
		again, err := ParseDomain(d.String())
		if err != nil || again != d {
			t.Fatalf("%q is written as %q, which reads as %v, %v", pattern, d, again, err)
		}
		from, err := ParseRequestor("http://" + host + "/a.swf")
		if err != nil {
			return
		}
		g := NewGrants([]Grant{{Domain: d, Ports: AllPorts()}})
		if got, want := !g.Ports(from).IsEmpty(), d.Matches(from); got != want {
			t.Fatalf("%s as an interval matches %s: %v, as a pattern: %v", d, from, got, want)
		}
		exact, err := ParseDomain(from.Host)
		if err != nil || exact.Kind() == DomainAny || exact.Kind() == DomainSuffix {
			return
		}
		covers := d.Covers(exact)
		if want := NewDomains(d).Covers(NewDomains(exact)); covers != want {
			t.Fatalf("%s covers %s: %v, as sets: %v", d, exact, covers, want)
		}
	})
}

func TestDomainCovers(t *testing.T) {
	n := 0
	for _, x := range smallDomains {
		for _, y := range smallDomains {
			d, _ := ParseDomain(x)
			e, _ := ParseDomain(y)
			n++
			if got, want := d.Covers(e), NewDomains(d).Covers(NewDomains(e)); got != want {
				t.Errorf("%s covers %s: %v, as sets: %v", d, e, got, want)
			}
		}
	}
	if n != len(smallDomains)*len(smallDomains) {
		t.Fatal("nothing was compared")
	}
}

func TestDomainsString(t *testing.T) {
	parse := func(s string) Domain {
		d, err := ParseDomain(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := NewDomains(parse("*.a.test"), parse("b.a.test"), parse("localhost")).Subtract(NewDomains(parse("c.a.test")))
	if got, want := d.String(), "localhost, *.a.test, !c.a.test"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := NewDomains(AnyDomain()).Subtract(NewDomains(parse("https://*.a.test"))).String(); got != "*, !https://*.a.test" {
		t.Errorf("got %q", got)
	}
	if !NewDomains().IsEmpty() || NewDomains(Domain{}).String() != "" {
		t.Error("the empty set is not empty")
	}
}

// parseSeeds are the inputs of the unit tables.
var parseSeeds = []string{
	adobeExample, "", "\xef\xbb\xbf<cross-domain-policy/>", "\xfe\xff\x00<", "<cross-domain-policy/><cross-domain-policy/>",
	wrap(`<site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*" to-ports="*" secure="true"/>`),
	wrap(`<allow-http-request-headers-from domain="*.example.com" headers="X-Foo*,SOAPAction"/>`),
	wrap(`<allow-access-from-identity><signatory><certificate fingerprint="01&quot;&lt;" fingerprint-algorithm="sha-1"/></signatory></allow-access-from-identity>`),
	wrap(`<allow-access-from domain="&#42;" to-ports="8&#x30;"/><!-- c --><?pi x?><![CDATA[x]]>`),
	`<!DOCTYPE a [<!ENTITY b "c">]><cross-domain-policy>&b;</cross-domain-policy>`,
	`<?xml version="1.0" encoding="iso-8859-1"?><cross-domain-policy/>`,
	"<cross-domain-policy><allow-access-from domain=\"a\nb\" to-ports='1'",
}

func FuzzFormat(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if ps := ProblemsOf(err); len(ps) > 2*MaxProblems {
			t.Fatalf("%d problems", len(ps))
		}
		out := Format(p)
		q, err := Parse(out)
		if err != nil {
			t.Fatalf("what was formatted has problems: %v\n%s", err, out)
		}
		if again := Format(q); !bytes.Equal(again, out) {
			t.Fatalf("formatting is not idempotent:\n%s\n%s", out, again)
		}
		if !p.Grants(MasterPort).Equal(q.Grants(MasterPort)) || !p.Grants(8080).Equal(q.Grants(8080)) {
			t.Fatalf("formatting changed what is granted:\n%s", out)
		}
		if !p.Void && (p.Meta != q.Meta || len(p.Identities) != len(q.Identities)) {
			t.Fatalf("formatting changed the meta-policy or the identities:\n%s", out)
		}
		for _, c := range out {
			if c >= 0x80 || c < ' ' && c != '\n' {
				t.Fatalf("the output is not plain ASCII: %q", out)
			}
		}
	})
}

// FuzzWellFormed holds the reader against encoding/xml: what that one refuses
// is void here. The other way round does not hold, since it is lax.
func FuzzWellFormed(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, problems := ParseDocument(data)
		if len(problems.void()) > 0 {
			return
		}
		data = bytes.TrimPrefix(bytes.TrimRight(data, "\x00"), []byte("\xef\xbb\xbf"))
		d := xml.NewDecoder(bytes.NewReader(data))
		d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) { return asciiOnly{r}, nil }
		var names []string
		for {
			tok, err := d.RawToken()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				if knownLax(data, err) {
					return
				}
				t.Fatalf("accepted here, refused by encoding/xml: %v\n%q", err, data)
			}
			if start, ok := tok.(xml.StartElement); ok {
				names = append(names, fmt.Sprint(qualified(start.Name), len(start.Attr)))
			}
		}
		var ours []string
		for i := range doc.Elements {
			ours = append(ours, fmt.Sprint(doc.Elements[i].Name, len(doc.Elements[i].Attrs)))
		}
		if strings.Join(ours, " ") != strings.Join(names, " ") {
			t.Fatalf("elements %v, encoding/xml has %v\n%q", ours, names, data)
		}
	})
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// asciiOnly stands for a decoder of a single-byte encoding.
type asciiOnly struct{ r io.Reader }

func (a asciiOnly) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	for i := range b[:n] {
		b[i] &= 0x7f
		if b[i] < ' ' && b[i] != '\t' && b[i] != '\n' && b[i] != '\r' {
			b[i] = '?'
		}
	}
	return n, err
}

// knownLax reports what this reader takes on purpose although encoding/xml
// does not: XML 1.1 by name, and names with any character above ASCII and any
// number of colons, which mean nothing here and are reported as unknown.
func knownLax(data []byte, err error) bool {
	return strings.Contains(err.Error(), "unsupported version") || strings.Contains(err.Error(), "invalid XML name") ||
		strings.Contains(err.Error(), "expected") && (bytes.IndexByte(data, ':') >= 0 || !utf8.Valid(data) || bytes.ContainsFunc(data, func(r rune) bool { return r >= 0x80 }))
}

// FuzzRequestMatch cuts bytes in two at any place: it must come to the same as
// a regular expression on the whole.
func FuzzRequestMatch(f *testing.F) {
	f.Add([]byte(Request), 5)
	f.Add([]byte("<policy-file-request \t/>\r\nmore"), 21)
	f.Add([]byte("<policy-file-request/ >"), 22)
	f.Add([]byte("<policy-file-request"+strings.Repeat(" ", 50)+"/>"), 40)
	whole := regexp.MustCompile(`^<policy-file-request[ \t\r\n]*/>`)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		cut = min(max(cut, 0), len(data))
		var m RequestMatch
		used, state := m.Next(data[:cut])
		if state == RequestPartial {
			var more int
			more, state = m.Next(data[cut:])
			used += more
		}
		want := whole.Find(data)
		if complete := want != nil && len(want) <= MaxRequest; complete != (state == RequestComplete) || complete && used != len(want) {
			t.Fatalf("%q cut at %d: state %d, used %d; the expression finds %q", data, cut, state, used, want)
		}
		if used > MaxRequest {
			t.Fatalf("%d bytes were taken", used)
		}
	})
}
