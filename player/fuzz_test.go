package player

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/policy"
)

// blob is a Fetcher at whose every place the same bytes lie.
type blob struct {
	Table
	o Observation
}

func (b *blob) Fetch(_ context.Context, q Query) *Observation {
	o := b.o
	if !q.Location.IsSocket() {
		o.Status, o.ContentType, o.Final = 200, string(o.Data), q.Location
		o.MetaHeader, o.HasMeta = string(o.Data), true
	}
	return &o
}

// FuzzDecide: whatever lies there, every client decides, its trace is printable
// and bounded, only a rule or an exemption permits, and Flash Player decides as
// package policy does.
func FuzzDecide(f *testing.F) {
	for _, seed := range []string{"", "x", permitSeed, permitSeed + "x", access("4502"), rules(rule("*.com", "1-")), rules(meta("none")), "<cross-domain-policy><a b=\"\x1b\"/>"} {
		f.Add([]byte(seed), uint16(9000), "http://www.example.com/a.swf", uint8(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, port uint16, swf string, cut uint8) {
		from, err := policy.ParseRequestor(swf)
		if err != nil || port == 0 {
			t.Skip()
		}
		data = data[:min(len(data), MaxRead)]
		n := min(int(cut), len(data))
		seen := &blob{o: Observation{Outcome: Classify(data, EndNUL), Data: data, Reads: []int{n, len(data) - n}, NUL: true, Connected: 1, Done: time.Millisecond}}
		web, _ := ParseTarget("https://h/a/b")
		for _, p := range Profiles() {
			for _, target := range []Target{SocketTarget("h", port), web} {
				q := Question{From: from, Target: target, Client: p, Load: []Location{SocketLocation("h", 1), {"https", "h", 443, "/a/p.xml"}}}
				v := Decide(t.Context(), seen, q)
				if v.Answer == Permitted && v.Reason != ReasonExempt && (v.Reason != ReasonRule || v.By == nil || !v.By.Counts) {
					t.Errorf("%s: permitted by %s", p.Name, v.Reason)
				}
				if p.Name == "flash" && target.IsSocket() {
					pol, _ := policy.Parse(data)
					if want := seen.o.Outcome == OutcomePolicy && pol.Allows(from, port, policy.MasterPort).Allowed; (v.Answer == Permitted) != want {
						t.Errorf("%s by %s, and package policy allows: %t", v.Answer, v.Reason, want)
					}
				}
				lines := LogLines(v, swf)
				for _, s := range v.Steps {
					lines = append(lines, s.Text)
				}
				for _, n := range v.Notes {
					lines = append(lines, n.Text)
				}
				for _, a := range Advise(v) {
					lines = append(lines, a.What, a.Where, a.Effect)
				}
				for _, line := range append(lines, v.Because) {
					if len(line) > 4096 || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) {
						t.Fatalf("%s: not fit to be shown: %q", p.Name, line)
					}
				}
				Who(t.Context(), seen, q)
			}
		}
	})
}

const permitSeed = `<cross-domain-policy><site-control permitted-cross-domain-policies="all"/><allow-access-from domain="*" to-ports="9000"/></cross-domain-policy>`

// FuzzClassify: any bytes have an outcome, and a policy needs its root.
func FuzzClassify(f *testing.F) {
	for _, seed := range []string{"", permitSeed, "<cross-domain-policy", "<cross-domain-policyx/>", "HTTP/1.1 200 OK", "\x16\x03\x01", "<html>", "<access-policy/>"} {
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, ending uint8) {
		o := Classify(data, Ending(ending%5))
		if o.String() == "" || (&Observation{Outcome: o, Data: data}).String() == "" {
			t.Errorf("outcome %d has no name", o)
		}
		if isPolicy := o == OutcomePolicy || o == OutcomeNoNUL; isPolicy && rootOf(data) == none {
			t.Errorf("%q is no policy, and is called %s", data, o)
		}
	})
}

// FuzzParseAccess: any bytes are read, and only ports of Silverlight's granted.
func FuzzParseAccess(f *testing.F) {
	for _, seed := range []string{"", access("4502-4534"), access("1"), "<access-policy><policy><allow-from><domain/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := ParseAccess(data)
		for _, r := range p.Rules {
			if !accessPorts.Covers(r.Ports) {
				t.Errorf("grants %s", r.Ports)
			}
		}
	})
}
