package nearest

import (
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	words := []string{"domain", "to-ports", "secure", "allow-access-from"}
	for name, want := range map[string]string{
		"domian": "domain", "to-port": "to-ports", "secured": "secure", "allow": "allow-access-from", "secur": "secure",
		"x": "", "": "", "headers": "", "domain": "domain", strings.Repeat("a", 1000): "",
	} {
		if got := Word(name, words); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
	if got := Word("ab", []string{"a"}); got != "" {
		t.Errorf("a word that nothing is left of: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
