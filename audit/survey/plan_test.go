package survey

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

func testPlan(t *testing.T, ports []uint16, texts ...string) *Plan {
	t.Helper()
	p := NewPlan()
	p.Resolve = func(_ context.Context, name string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.9.9.9"), netip.MustParseAddr("::1")}, nil
	}
	for _, text := range texts {
		if rest, ok := strings.CutPrefix(text, "!"); ok {
			if err := p.Exclude(t.Context(), rest); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := p.Add(t.Context(), text, ports); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func all(t *testing.T, p *Plan) map[string]int {
	t.Helper()
	if err := p.Seal(); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for i := range p.Count() {
		got[p.Target(i).Addr.String()]++
	}
	return got
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		texts string
		want  string
	}{
		{"example.com", "127.9.9.9:843 [::1]:843"},
		{"example.com:943", "127.9.9.9:943 [::1]:943"},
		{"127.0.0.7", "127.0.0.7:843"},
		{"127.0.0.7:943", "127.0.0.7:943"},
		{"127.0.0.0/30", "127.0.0.0:843 127.0.0.1:843 127.0.0.2:843 127.0.0.3:843"},
		{"127.0.0.1/31:943", "127.0.0.0:943 127.0.0.1:943"},
		{"127.0.0.255-127.0.1.1", "127.0.0.255:843 127.0.1.0:843 127.0.1.1:843"},
		{"127.0.0.10-11", "127.0.0.10:843 127.0.0.11:843"},
		{"::1", "[::1]:843"},
		{"[::1]:943", "[::1]:943"},
		{"2001:db8::fe/127", "[2001:db8::fe]:843 [2001:db8::ff]:843"},
		{"xmlsocket://127.0.0.1:8430", "127.0.0.1:8430"},
		{"::ffff:127.0.0.1", "127.0.0.1:843"},
		{"127.0.0.0/30 127.0.0.2/31 127.0.0.3", "127.0.0.0:843 127.0.0.1:843 127.0.0.2:843 127.0.0.3:843"},
		{"127.0.0.0/29 !127.0.0.2-127.0.0.6 !127.0.0.0", "127.0.0.1:843 127.0.0.7:843"},
		{"!127.0.0.1 127.0.0.1 127.0.0.2", "127.0.0.2:843"},
		{"0.0.0.0/30 255.255.255.254/31 !0.0.0.0/31 !255.255.255.255", "0.0.0.2:843 0.0.0.3:843 255.255.255.254:843"},
	} {
		got := all(t, testPlan(t, []uint16{843}, strings.Fields(c.texts)...))
		want := strings.Fields(c.want)
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", c.texts, got, want)
		}
		for _, w := range want {
			if got[w] != 1 {
				t.Errorf("%s: %s comes %d times", c.texts, w, got[w])
			}
		}
	}
}

func TestProhibitedTargets(t *testing.T) {
	for _, text := range []string{
		"", " ", "192.0.2.0/33", "192.0.2.20-10", "192.0.2.20-192.0.2.10", "example.com:0", "example.com:70000", "example.com:",
		"http://example.com/", "2001:db8::/64", "[::1", "fe80::1%eth0", "a b", "-x", "192.0.2.1-::1", "2001:db8::1-5", "\x1b[2J",
	} {
		p := NewPlan()
		p.Resolve = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		if err := p.Add(t.Context(), text, []uint16{843}); err == nil {
			t.Errorf("%q is taken", text)
		} else if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q: the error is raw", text)
		}
	}
	if err := NewPlan().Exclude(t.Context(), "127.0.0.1:843"); err == nil {
		t.Error("an exclusion with a port is taken")
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		texts string
		grave bool
	}{
		{"10.0.0.0/16", false},
		{"10.0.0.0/16 10.1.0.0", true},
		{"127.0.0.0/8", true},
		{"127.0.0.0/8 !127.0.0.0/9 !127.128.0.0/10 !127.192.0.0/11 !127.224.0.0/12 !127.240.0.0/13", true},
		{"8.8.8.8", false},
		{"8.8.8.8/31", true},
		{"192.0.2.0/24", false},
		{"2001:db8::/112", false},
		{"2600::/120", true},
		{"fc00::1-fc00::ff", false},
	} {
		p := testPlan(t, []uint16{843, 943}, strings.Fields(c.texts)...)
		if err := p.Seal(); err != nil {
			t.Fatal(err)
		}
		if got := p.Scale(); got.Grave() != c.grave {
			t.Errorf("%s: %+v is grave: %v, want %v", c.texts, got, got.Grave(), c.grave)
		}
	}
}

// TestPermutation: every number once, for sizes around the powers of two.
func TestPermutation(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1000, 4096, 4097, 100000} {
		for _, seed := range []uint64{0, 1, 1 << 60} {
			p := newPermutation(n, seed)
			seen := make([]bool, n)
			for i := range n {
				at := p.at(i)
				if at >= n || seen[at] {
					t.Fatalf("n %d, seed %d: %d comes twice or is too large", n, seed, at)
				}
				seen[at] = true
			}
		}
	}
	a, b := newPermutation(100000, 1), newPermutation(100000, 2)
	same := 0
	for i := range uint64(1000) {
		if a.at(i) == b.at(i) {
			same++
		}
	}
	if same > 10 {
		t.Errorf("two seeds agree in %d of 1000 places", same)
	}
}

func TestShardsAreTheWhole(t *testing.T) {
	p := testPlan(t, []uint16{843, 943}, "127.0.0.0/22", "127.9.0.3:1", "!127.0.1.0/25")
	if err := p.Seal(); err != nil {
		t.Fatal(err)
	}
	for _, shards := range []int{1, 2, 3, 4, 7} {
		seen := make([]int, p.Count())
		sum := uint64(0)
		for shard := 1; shard <= shards; shard++ {
			r := &Run{Plan: p, Shard: shard, Shards: shards}
			l := &loop{Run: r, next: uint64(shard - 1)}
			n := uint64(0)
			for j, ok := l.position(); ok; j, ok = l.position() {
				seen[j.position]++
				n++
			}
			if n != r.Share() {
				t.Errorf("shard %d/%d has %d targets, Share says %d", shard, shards, n, r.Share())
			}
			sum += n
		}
		if sum != p.Count() {
			t.Errorf("%d shards have %d targets, the plan %d", shards, sum, p.Count())
		}
		for i, n := range seen {
			if n != 1 {
				t.Fatalf("%d shards: position %d is in %d of them", shards, i, n)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	make := func(seed uint64, texts ...string) string {
		p := testPlan(t, []uint16{843}, texts...)
		p.Seed = seed
		if err := p.Seal(); err != nil {
			t.Fatal(err)
		}
		return p.Fingerprint()
	}
	a := make(1, "127.0.0.0/24", "127.0.1.0/24")
	if b := make(1, "127.0.1.0/24", "127.0.0.0-127.0.0.255", "127.0.0.7"); a != b {
		t.Error("the same targets have two fingerprints")
	}
	if b := make(2, "127.0.0.0/23"); a == b {
		t.Error("two orders have one fingerprint")
	}
	if b := make(1, "127.0.0.0/23", "!127.0.0.1"); a == b {
		t.Error("two sets have one fingerprint")
	}
}
