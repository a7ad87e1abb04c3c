package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// scanner reads a document from left to right. It goes on after a mistake
// wherever the next tag can be found, so that all are reported at once.
type scanner struct {
	src      string
	off      int
	doc      *Document
	problems Problems
	stack    []int  // indices of the open elements
	attrs    []Attr // backing array of the elements' attributes
	anyBytes bool   // the declared encoding is one whose bytes are not UTF-8
	ended    bool   // too many problems, or beyond a bound: stop

	// The place of markOff, from which pos counts on.
	markOff, markLine, markStart, markCol int
}

func newScanner(data []byte) *scanner {
	s := &scanner{doc: &Document{Size: len(data)}, markLine: 1}
	if len(data) > MaxSize {
		s.fail(CodeTooLarge, 0, fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), MaxSize))
		return s
	}
	s.src = string(data)
	s.doc.Elements = make([]Element, 0, min(strings.Count(s.src, "<"), MaxElements))
	s.attrs = make([]Attr, 0, strings.Count(s.src, "="))
	return s
}

// pos returns the place of a byte offset. It is quick where offsets ascend,
// and right where they do not.
func (s *scanner) pos(off int) Pos {
	if off < s.markStart {
		s.markOff, s.markLine, s.markStart, s.markCol = 0, 1, 0, 0
	}
	for s.markOff < off {
		i := strings.IndexByte(s.src[s.markOff:off], '\n')
		if i < 0 {
			s.markCol += utf8.RuneCountInString(s.src[s.markOff:off])
			s.markOff = off
			break
		}
		s.markOff += i + 1
		s.markLine++
		s.markStart, s.markCol = s.markOff, 0
	}
	col := s.markCol
	if off < s.markOff {
		col = utf8.RuneCountInString(s.src[s.markStart:off])
	}
	return Pos{Line: int32(s.markLine), Col: int32(col + 1), Offset: int32(off)}
}

func (s *scanner) report(p *Problem) {
	if s.ended {
		return
	}
	if len(s.problems) == MaxProblems {
		p = &Problem{Code: CodeTooMany, Effect: p.Effect, Pos: p.Pos, Msg: "and more problems"}
		s.ended = true
	}
	s.problems = append(s.problems, p)
}

func (s *scanner) fail(code Code, off int, msg string) {
	s.report(&Problem{Code: code, Effect: EffectVoid, Pos: s.pos(off), Msg: msg})
}

// document reads the whole. The beginning of the file is looked at first,
// since a wrong encoding makes everything after it meaningless.
func (s *scanner) document() {
	if s.ended || len(s.problems) > 0 || !s.beginning() {
		return
	}
	for !s.ended && s.off < len(s.src) {
		if s.src[s.off] == '<' {
			s.markup()
		} else {
			s.text()
		}
	}
	if s.ended {
		return
	}
	for _, i := range slices.Backward(s.stack) {
		e := &s.doc.Elements[i]
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: e.Pos, Element: e.Name, Msg: "the element is never closed"})
	}
	if len(s.doc.Elements) == 0 && len(s.problems.void()) == 0 {
		s.fail(CodeEmpty, 0, "there is no element in the file")
	}
}

func (ps Problems) void() Problems {
	var out Problems
	for _, p := range ps {
		if p.Effect == EffectVoid {
			out = append(out, p)
		}
	}
	return out
}

// beginning names what may stand before the first tag, and reports whether it
// makes sense to read on.
func (s *scanner) beginning() bool {
	src := s.src
	switch {
	case strings.HasPrefix(src, "\xfe\xff"), strings.HasPrefix(src, "\xff\xfe"),
		strings.HasPrefix(src, "\x00<"), strings.HasPrefix(src, "<\x00"):
		s.fail(CodeUTF16, 0, "the file is UTF-16; write it in ASCII")
		return false
	case strings.HasPrefix(src, "\xef\xbb\xbf"):
		s.report(&Problem{Code: CodeBOM, Effect: EffectNoted, Pos: s.pos(0),
			Msg: "the file begins with a byte order mark, which some clients cannot read; save it without"})
		s.off = 3
	case strings.TrimLeft(src, " \t\r\n\x00") == "":
		s.fail(CodeEmpty, 0, "the file is empty")
		return false
	}
	if lead := len(src[s.off:]) - len(strings.TrimLeft(src[s.off:], " \t\r\n")); lead > 0 && isDeclaration(src[s.off+lead:]) {
		s.fail(CodeLeadingBytes, s.off, "white space stands before the XML declaration")
		s.off += lead
	}
	if at := strings.IndexByte(src[s.off:], '<'); at != 0 && strings.Trim(src[s.off:s.off+max(at, 0)], " \t\r\n") != "" {
		s.fail(CodeLeadingBytes, s.off, "bytes stand before the document")
		s.off += at
	}
	if s.off == len(src) || strings.IndexByte(src[s.off:], '<') < 0 {
		if len(s.problems.void()) == 0 {
			s.fail(CodeSyntax, s.off, "this is not XML: there is no tag")
		}
		return false
	}
	if isDeclaration(src[s.off:]) {
		s.declaration()
	}
	s.characters()
	return true
}

func isDeclaration(src string) bool {
	return strings.HasPrefix(src, "<?xml") && len(src) > 5 && (isSpace(src[5]) || src[5] == '?')
}

// declaration reads <?xml version="1.0" encoding="…" standalone="…"?>.
func (s *scanner) declaration() {
	start := s.off
	end := strings.Index(s.src[start:], "?>")
	if end < 0 {
		s.fail(CodeSyntax, start, "the XML declaration has no end")
		s.off = len(s.src)
		return
	}
	s.doc.Declaration = true
	s.off = start + len("<?xml")
	limit := start + end
	attrs := s.attributes(limit, "?xml")
	s.off = limit + len("?>")
	s.other(OtherDeclaration, start, s.off)
	want := []string{"version", "encoding", "standalone"}
	for i, a := range attrs {
		at := slices.Index(want, a.Name)
		switch {
		case at < 0, i == 0 && at != 0:
			s.fail(CodeSyntax, int(a.Pos.Offset), "the XML declaration has version, encoding and standalone, in this order")
			return
		case a.Name == "version" && a.Value != "1.0" && a.Value != "1.1":
			s.fail(CodeSyntax, int(a.ValuePos.Offset), "the version of XML is not 1.0")
		case a.Name == "encoding":
			s.encoding(a)
		case a.Name == "standalone" && a.Value != "yes" && a.Value != "no":
			s.fail(CodeSyntax, int(a.ValuePos.Offset), "standalone is yes or no")
		}
		want = want[at+1:]
	}
	if len(attrs) == 0 {
		s.fail(CodeSyntax, start, "the XML declaration has no version")
	}
}

// singleByte are declared encodings in which the bytes below 0x80 are ASCII.
// What is above them cannot stand in a value that means anything here.
var singleByte = []string{"iso-8859-", "windows-125", "koi8-", "gb2312", "gbk", "gb18030", "big5", "euc-", "shift_jis"}

func (s *scanner) encoding(a Attr) {
	name := strings.ToLower(a.Value)
	if name == "utf-8" || name == "us-ascii" || name == "ascii" {
		return
	}
	if slices.ContainsFunc(singleByte, func(p string) bool { return strings.HasPrefix(name, p) }) {
		s.anyBytes = true
		return
	}
	s.report(&Problem{Code: CodeEncoding, Effect: EffectVoid, Pos: a.ValuePos, Attribute: a.Name, Value: a.Value,
		Msg: "the file is not in the encoding that it declares, or in one that nobody reads"})
}

// characters reports the first characters that XML does not allow, and that
// there are others than ASCII. NULs at the very end are the wire's.
func (s *scanner) characters() {
	src := strings.TrimRight(s.src, "\x00")
	s.src = src
	noted := false
	for i := s.off; i < len(src); {
		c := src[i]
		switch {
		case c >= 0x20 && c < 0x80 || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c < 0x20:
			s.fail(CodeSyntax, i, fmt.Sprintf("the character U+%04X is not allowed in XML", c))
			return
		}
		if !noted {
			noted = true
			s.report(&Problem{Code: CodeNonASCII, Effect: EffectNoted, Pos: s.pos(i), Msg: "not ASCII: some clients read nothing else"})
		}
		r, n := utf8.DecodeRuneInString(src[i:])
		if s.anyBytes {
			n = 1
		} else if r == utf8.RuneError && n == 1 {
			s.fail(CodeEncoding, i, "the bytes are not UTF-8")
			return
		} else if r == 0xFFFE || r == 0xFFFF {
			s.fail(CodeSyntax, i, fmt.Sprintf("the character U+%04X is not allowed in XML", r))
			return
		}
		i += n
	}
}

// text reads up to the next "<".
func (s *scanner) text() {
	start := s.off
	end := strings.IndexByte(s.src[start:], '<')
	if end < 0 {
		end = len(s.src) - start
	}
	s.off = start + end
	t := s.src[start:s.off]
	trimmed := strings.TrimLeft(t, " \t\r\n")
	if trimmed == "" {
		return
	}
	at := start + len(t) - len(trimmed)
	if len(s.stack) == 0 {
		if len(s.doc.Elements) == 0 {
			s.fail(CodeLeadingBytes, at, "text stands before the root element")
		} else {
			s.fail(CodeTrailing, at, "text stands behind the root element")
		}
		return
	}
	if i := strings.Index(t, "]]>"); i >= 0 {
		s.fail(CodeSyntax, start+i, `"]]>" may not stand in text`)
	}
	s.expand(t, start)
	s.markText(at)
	s.other(OtherText, at, start+len(strings.TrimRight(t, " \t\r\n")))
}

func (s *scanner) other(kind OtherKind, start, end int) {
	s.doc.Others = append(s.doc.Others, Other{kind, s.pos(start), int32(end)})
}

func (s *scanner) markText(at int) {
	if e := &s.doc.Elements[s.stack[len(s.stack)-1]]; !e.Text.IsValid() {
		e.Text = s.pos(at)
	}
}

// expand returns t, which stands at offset at, with its references expanded.
func (s *scanner) expand(t string, at int) string {
	if strings.IndexByte(t, '&') < 0 {
		return t
	}
	var b strings.Builder
	for i := 0; i < len(t); {
		if t[i] != '&' {
			b.WriteByte(t[i])
			i++
			continue
		}
		end := strings.IndexByte(t[i:min(len(t), i+32)], ';')
		if end < 0 {
			s.fail(CodeEntity, at+i, `"&" begins a reference, which ends with ";"; write "&amp;" for the character`)
			return b.String()
		}
		name := t[i+1 : i+end]
		r, ok := reference(name)
		if !ok {
			s.report(&Problem{Code: CodeEntity, Effect: EffectVoid, Pos: s.pos(at + i), Value: t[i : i+end+1],
				Msg: "an entity is used that XML does not know by itself; none is ever expanded"})
		}
		b.WriteString(r)
		i += end + 1
	}
	return b.String()
}

// reference returns the text of a character reference or of one of XML's own
// five entities, without its "&" and ";".
func reference(name string) (string, bool) {
	switch name {
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "amp":
		return "&", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	digits, found := strings.CutPrefix(name, "#")
	if !found || digits == "" {
		return "", false
	}
	base := 10
	if hex, found := strings.CutPrefix(digits, "x"); found {
		digits, base = hex, 16
	}
	r := 0
	for _, c := range []byte(digits) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < 'A' {
			d = int(c) - '0'
		}
		if d < 0 || d >= base || r > utf8.MaxRune {
			return "", false
		}
		r = r*base + d
	}
	if digits == "" || !allowedChar(rune(r)) {
		return "", false
	}
	return string(rune(r)), true
}

func allowedChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r < 0xD800 || r >= 0xE000 && r < 0xFFFE || r >= 0x10000 && r <= utf8.MaxRune
}

// nameLen returns the length of the XML name that t begins with.
func nameLen(t string) int {
	for i := 0; i < len(t); i++ {
		c := t[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			return i
		}
	}
	return len(t)
}
