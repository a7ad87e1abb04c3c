// Package escape makes text from strangers fit to be shown.
//
// Bytes off the wire, policies, banners and headers may carry terminal escape
// sequences, line breaks that forge log lines, or direction overrides. [Text]
// returns printable ASCII in which each other byte or rune is written as Go
// writes it in a quoted string, cut to a bound. HTML, JSON and CSV have their
// own rules and their own encoders; this is for terminals and logs.
package escape

import (
	"strconv"
	"strings"
)

// Text returns s as printable ASCII without quotes around it. A backslash is
// doubled, so that what is shown can be told from what was sent. Where s has
// more than max bytes, the rest is replaced by "..." and its length.
func Text[S ~string | ~[]byte](s S, max int) string {
	rest := 0
	if len(s) > max {
		rest = len(s) - max
		s = s[:max]
	}
	q := strconv.QuoteToASCII(string(s))
	out := strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	if rest > 0 {
		out += "...(" + strconv.Itoa(rest) + " more bytes)"
	}
	return out
}
