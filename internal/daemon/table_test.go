package daemon

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A policy that departments have made too long for any reader keeps what was
// served for its address, touches no other, and is not forgotten.
func TestTooLongAPolicy(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var config strings.Builder
	for i := range 20 {
		fmt.Fprintf(&config, "[[owner]]\nname = \"o%d\"\naddresses = [\"192.0.2.1\"]\nports = \"*\"\ndomains = [\"*\"]\npolicies = [\"%d-*.xml\"]\n", i, i)
	}
	config.WriteString("[[owner]]\nname = \"other\"\naddresses = [\"192.0.2.2\"]\nports = \"*\"\ndomains = [\"*\"]\npolicies = [\"other.xml\"]\n")
	write("port843.toml", config.String())
	rule := func(domain string, port int) string {
		return fmt.Sprintf("<allow-access-from domain=%q to-ports=\"%d\"/>\n", domain, port)
	}
	file := func(rules string) string { return "<cross-domain-policy>\n" + rules + "</cross-domain-policy>\n" }
	write("0-small.xml", file(rule("small.example", 80)))
	write("other.xml", file(rule("a.other.example", 80)))

	s, _, err := Table(filepath.Join(dir, "port843.toml"), Front{})
	if err != nil {
		t.Fatal(err)
	}
	load := func() Loaded {
		t.Helper()
		l, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	shared, others := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	first := load()
	if len(first.Refused) != 0 {
		t.Fatalf("refused: %q", first.Refused)
	}

	label := strings.Repeat("a", 60)
	for i := range 20 {
		var b strings.Builder
		for n := range 235 {
			b.WriteString(rule(fmt.Sprintf("h%d.o%d.%s.%s.%s.example", n, i, label, label, label), 1000+2*n))
		}
		write(fmt.Sprintf("%d-large.xml", i), file(b.String()))
	}
	write("other.xml", file(rule("b.other.example", 80)+rule("c.other.example", 80)))
	for range 2 {
		l := load()
		if len(l.Refused) != 1 || !strings.Contains(l.Refused[0], "192.0.2.1: ") {
			t.Errorf("refused: %q", l.Refused)
		}
		if l.Policies.ByAddress[shared] != first.Policies.ByAddress[shared] {
			t.Error("the shared address does not keep what it had")
		}
		if got := string(l.Policies.ByAddress[others].Document()); !strings.Contains(got, "c.other.example") {
			t.Errorf("the other address serves %s", got)
		}
	}

	fresh, _, err := Table(filepath.Join(dir, "port843.toml"), Front{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := fresh.Load()
	if err != nil || len(l.Policies.ByAddress[shared].Policy().Rules) != 0 || len(l.Policies.ByAddress[others].Policy().Rules) != 2 {
		t.Errorf("at a first start: %v, %d and %d rules", err, len(l.Policies.ByAddress[shared].Policy().Rules), len(l.Policies.ByAddress[others].Policy().Rules))
	}
}
