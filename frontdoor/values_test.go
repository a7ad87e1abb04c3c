package frontdoor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

func TestParseOrigin(t *testing.T) {
	for _, s := range []string{
		"https://games.example.com", "https://*.example.com", "http://localhost:8000", "http://[::1]:8000", "*", "HTTPS://Games.Example.com",
	} {
		if _, err := ParseOrigin(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "games.example.com", "https://games.example.com/play", "https://*.com", "ftp://example.com", "null",
		"https://", "https://a:0", "https://a:70000", "https://u@a.example", "https://a.example?x",
	} {
		if o, err := ParseOrigin(s); err == nil {
			t.Errorf("%q is taken for %+v", s, o)
		}
	}
	if (Origin{}).matches(page{}) {
		t.Error("the zero Origin matches a page")
	}
}

// TestMatchHoweverCut tells each beginning alike, whole and cut at every place.
func TestMatchHoweverCut(t *testing.T) {
	for _, c := range []struct {
		bytes string
		want  kind
	}{
		{policy.Request, kindPolicy},
		{"<policy-file-request \t/>", kindPolicy},
		{"<policy-file-request" + strings.Repeat(" ", policy.MaxRequest), kindRaw},
		{"<policy-file-requestx/>", kindRaw},
		{"GET / HTTP/1.1\r\n", kindHTTP},
		{"GETX", kindRaw},
		{"get ", kindRaw},
		{"\x16\x03\x01\x02\x00\x01\x00", kindTLS},
		{"\x16\x03\x05\x02\x00\x01", kindRaw},
		{"\x16\x02", kindRaw},
		{"\x16\x03\x01\x02\x00\x02", kindRaw},
		{"<", kindUnsettled},
		{"", kindUnsettled},
		{"GET", kindUnsettled},
		{"PROXY TCP4 ", kindRaw},
		{"\x00", kindRaw},
	} {
		for cut := range len(c.bytes) + 1 {
			m := match{http: true, tls: true}
			m.next([]byte(c.bytes[:cut]))
			if got := m.next([]byte(c.bytes[cut:])); got != c.want {
				t.Errorf("%q cut at %d is %d, want %d", c.bytes, cut, got, c.want)
			}
		}
	}
}

// FuzzMatch holds the matcher against one that sees everything at once.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{policy.Request, "<policy-file-request />", "GET / HTTP/1.1", "\x16\x03\x01\x00\x05\x01", "<", "G", "hello", "\x16\x03"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		m := match{http: true, tls: true}
		got := kindUnsettled
		for rest := b; len(rest) > 0; {
			n := min(int(step)%7+1, len(rest))
			got = m.next(rest[:n])
			rest = rest[n:]
		}
		if want := oracle(b); got != want {
			t.Errorf("%q: %d, want %d", b, got, want)
		}
	})
}

// oracle tells a beginning by comparing it with every request there is.
func oracle(b []byte) kind {
	if len(b) == 0 {
		return kindUnsettled
	}
	unsettled := false
	for space := range policy.MaxRequest - 22 + 1 {
		stem := []byte("<policy-file-request")
		if n := len(stem) + space; len(b) >= n && bytes.HasPrefix(b, stem) && strings.Trim(string(b[len(stem):n]), " \t\r\n") == "" && bytes.HasPrefix(b[n:], []byte("/>")) {
			return kindPolicy
		}
		if len(b) <= len(stem) && bytes.HasPrefix(stem, b) {
			unsettled = true
		}
	}
	if len(b) >= 20 && len(b) <= policy.MaxRequest && bytes.HasPrefix(b, []byte("<policy-file-request")) {
		rest := strings.TrimLeft(string(b[20:]), " \t\r\n")
		if rest == "" || rest == "/" {
			unsettled = true
		}
	}
	if bytes.HasPrefix(b, []byte("GET ")) {
		return kindHTTP
	}
	if len(b) < 4 && bytes.HasPrefix([]byte("GET "), b) {
		unsettled = true
	}
	hello := true
	for i := range min(len(b), tlsStem) {
		hello = hello && (i > 0 || b[0] == 0x16) && (i != 1 || b[1] == 3) && (i != 2 || b[2] <= 4) && (i != 5 || b[5] == 1)
	}
	switch {
	case hello && len(b) >= tlsStem:
		return kindTLS
	case hello || unsettled:
		return kindUnsettled
	}
	return kindRaw
}
