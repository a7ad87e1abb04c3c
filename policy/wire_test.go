package policy

import (
	"bytes"
	"strings"
	"testing"
)

func TestRequestMatch(t *testing.T) {
	const core = "<policy-file-request/>"
	for _, c := range []struct {
		in    string
		used  int
		state RequestState
	}{
		{"", 0, RequestPartial},
		{"<", 1, RequestPartial},
		{core, 22, RequestComplete},
		{Request, 22, RequestComplete},
		{"<policy-file-request />\x00", 23, RequestComplete},
		{"<policy-file-request \t\r\n />\r\n", 27, RequestComplete},
		{"<policy-file-request/ >", 21, RequestForeign},
		{"<policy-file-request", 20, RequestPartial},
		{"<policy-file-requests/>", 20, RequestForeign},
		{" <policy-file-request/>", 0, RequestForeign},
		{"<Policy-file-request/>", 1, RequestForeign},
		{"\x00", 0, RequestForeign},
		{core + core, 22, RequestComplete},
		{"<policy-file-request" + strings.Repeat(" ", 42) + "/>", 64, RequestComplete},
		{"<policy-file-request" + strings.Repeat(" ", 43) + "/>", 64, RequestForeign},
		{"<policy-file-request" + strings.Repeat(" ", 1000), 64, RequestForeign},
	} {
		var whole RequestMatch
		used, state := whole.Next([]byte(c.in))
		if used != c.used || state != c.state {
			t.Errorf("%q: used %d, state %d; want %d, %d", c.in, used, state, c.used, c.state)
		}
		// Cut into single bytes, it must come to the same.
		var cut RequestMatch
		got, state := 0, RequestPartial
		for i := 0; i < len(c.in) && state == RequestPartial; i++ {
			var n int
			missing := cut.Missing()
			n, state = cut.Next([]byte{c.in[i]})
			got += n
			if state == RequestComplete && missing != 1 || state == RequestPartial && missing < 2 {
				t.Errorf("%q: %d missing before byte %d, after which the state is %d", c.in, missing, i, state)
			}
		}
		if got != c.used || state != c.state {
			t.Errorf("%q in single bytes: used %d, state %d; want %d, %d", c.in, got, state, c.used, c.state)
		}
	}
}

func TestResponse(t *testing.T) {
	doc := []byte("<cross-domain-policy/>")
	if got := Response(doc); !bytes.Equal(got, []byte("<cross-domain-policy/>\x00")) {
		t.Errorf("Response = %q", got)
	}
	if got := Response(append(doc, 0, 0)); bytes.Count(got, []byte{0}) != 1 {
		t.Errorf("Response of a document with NULs = %q", got)
	}
	r := Response(doc)
	r[0] = 'X'
	if doc[0] != '<' {
		t.Error("Response shares memory with its argument")
	}
}

func TestOpeningOf(t *testing.T) {
	for _, c := range []struct {
		first byte
		want  Opening
	}{{'<', OpeningPolicy}, {'G', OpeningHTTP}, {'P', OpeningHTTP}, {0x16, OpeningTLS}, {0, OpeningOther}, {'g', OpeningOther}, {'S', OpeningOther}} {
		if got := OpeningOf(c.first); got != c.want {
			t.Errorf("OpeningOf(%q) = %s, want %s", c.first, got, c.want)
		}
	}
}
