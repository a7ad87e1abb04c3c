package manual

import (
	"bytes"
	"fmt"
	"strings"
)

// roff collects the source of a page in the man macros.
type roff struct {
	b     bytes.Buffer
	begun bool // the section has text: what follows stands apart from it
}

// special are the characters that troff would read, or set as another glyph:
// an option must be searched for and copied as it is typed.
var special = strings.NewReplacer(
	`\`, `\e`,
	`-`, `\-`,
	`'`, `\(aq`,
	"`", `\(ga`,
	`^`, `\(ha`,
	`~`, `\(ti`,
	`"`, `\(dq`,
)

func quoted(s string) string { return special.Replace(s) }

func (r *roff) raw(format string, args ...any) { fmt.Fprintf(&r.b, format+"\n", args...) }

// line writes a line of text. A point at its beginning is no request.
func (r *roff) line(s string) {
	s = quoted(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	r.raw("%s", s)
}

func (r *roff) section(title string) {
	r.raw(".SH %s", title)
	r.begun = false
}

// item writes a term and a sentence on it.
func (r *roff) item(term, text string) {
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	r.raw(".TP\n.B %s", quoted(term))
	r.line(text)
}

// references writes pages such as "port843(1)" in one line.
func (r *roff) references(pages ...string) {
	for i, p := range pages {
		page, section, _ := strings.Cut(p, "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		r.raw(".BR %s (%s%s", quoted(page), section, comma)
	}
}

// text writes paragraphs: flowing text, and what is indented as it stands.
func (r *roff) text(s string) {
	for _, paragraph := range paragraphs(s) {
		if strings.HasPrefix(paragraph, " ") {
			r.example(paragraph)
			continue
		}
		if r.begun {
			r.raw(".PP")
		}
		r.begun = true
		for line := range strings.Lines(paragraph) {
			r.line(strings.TrimRight(line, "\n"))
		}
	}
}

// example writes lines as they stand, indented as a whole.
func (r *roff) example(s string) {
	if r.begun {
		r.raw(".sp")
	}
	r.begun = true
	r.raw(".RS 4\n.EX")
	indent := len(s) - len(strings.TrimLeft(s, " "))
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \n")
		r.line(line[min(indent, len(line)):])
	}
	r.raw(".EE\n.RE")
}

func (r *roff) bytes() []byte { return bytes.Clone(r.b.Bytes()) }

// paragraphs splits a text at its blank lines; flowing and indented lines that
// follow each other are two paragraphs.
func paragraphs(s string) []string {
	var out []string
	var now strings.Builder
	indented := false
	end := func() {
		if now.Len() > 0 {
			out = append(out, strings.TrimRight(now.String(), "\n"))
			now.Reset()
		}
	}
	for line := range strings.Lines(strings.TrimRight(s, "\n") + "\n") {
		if strings.TrimSpace(line) == "" {
			end()
			continue
		}
		if in := strings.HasPrefix(line, " "); in != indented {
			end()
			indented = in
		}
		now.WriteString(line)
	}
	end()
	return out
}
