package escape

import "testing"

func TestText(t *testing.T) {
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"plain", 10, "plain"},
		{"", 10, ""},
		{`say "hi"`, 20, `say "hi"`},
		{"\x1b[2J\r\nforged", 40, `\x1b[2J\r\nforged`},
		{`a\nb`, 10, `a\\nb`},
		{"\u202eevil", 20, `\u202eevil`},
		{"\xff\x00", 10, `\xff\x00`},
		{"abcdef", 4, "abcd...(2 more bytes)"},
	} {
		if got := Text(c.in, c.max); got != c.want {
			t.Errorf("Text(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
		if got := Text([]byte(c.in), c.max); got != c.want {
			t.Errorf("Text([]byte(%q), %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}
