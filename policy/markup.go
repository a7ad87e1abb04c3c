package policy

import (
	"fmt"
	"slices"
	"strings"
)

// markup reads what begins with "<".
func (s *scanner) markup() {
	rest := s.src[s.off:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		s.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		s.cdata()
	case strings.HasPrefix(rest, "<!DOCTYPE"):
		s.doctype()
	case strings.HasPrefix(rest, "<?"):
		s.instruction()
	case strings.HasPrefix(rest, "</"):
		s.endTag()
	case len(rest) > 1 && nameLen(rest[1:]) > 0:
		s.startTag()
	default:
		s.fail(CodeSyntax, s.off, `"<" begins no tag; write "&lt;" for the character`)
		s.off++
	}
}

// until moves behind the mark and returns what stands before it. Without a
// mark it reports that what has no end, and moves to the end of the file.
func (s *scanner) until(open, mark, what string) (body string, ok bool) {
	start := s.off
	body, _, ok = strings.Cut(s.src[start+len(open):], mark)
	if !ok {
		s.fail(CodeSyntax, start, what+" has no end")
		s.off = len(s.src)
		return "", false
	}
	s.off = start + len(open) + len(body) + len(mark)
	return body, true
}

func (s *scanner) comment() {
	start := s.off
	body, ok := s.until("<!--", "-->", "the comment")
	if !ok {
		return
	}
	if strings.Contains(body, "--") || strings.HasSuffix(body, "-") {
		s.fail(CodeSyntax, start, `"--" may not stand in a comment`)
	}
	pos := s.pos(start)
	s.doc.Comments = append(s.doc.Comments, Comment{Text: body, Pos: pos, End: s.pos(s.off)})
}

func (s *scanner) cdata() {
	start := s.off
	body, ok := s.until("<![CDATA[", "]]>", "the CDATA section")
	switch {
	case !ok:
		return
	case len(s.stack) == 0:
		s.fail(CodeTrailing, start, "a CDATA section stands outside the root element")
	case body != "":
		s.markText(start)
	}
	s.other(OtherCDATA, start, s.off)
}

func (s *scanner) instruction() {
	start := s.off
	body, ok := s.until("<?", "?>", "the processing instruction")
	if !ok {
		return
	}
	n := nameLen(body)
	switch {
	case strings.EqualFold(body[:n], "xml") && start == 0:
		s.fail(CodeSyntax, start, "the XML declaration begins with <?xml and white space")
	case strings.EqualFold(body[:n], "xml"):
		s.fail(CodeLeadingBytes, start, "the XML declaration stands only at the very beginning")
	case n == 0 || n < len(body) && !isSpace(body[n]):
		s.fail(CodeSyntax, start, "a processing instruction begins with its name")
	}
	s.other(OtherInstruction, start, s.off)
}

// doctype reads a document type declaration. Its external subset is never
// fetched. An internal one is skipped, and voids the file: it could give every
// rule other attributes, so that nobody knows what a client makes of them.
func (s *scanner) doctype() {
	start := s.off
	if s.doc.Doctype.IsValid() || len(s.doc.Elements) > 0 {
		s.fail(CodeSyntax, start, "a document type declaration stands once, before the root element")
	}
	s.doc.Doctype = s.pos(start)
	for i := start + len("<!DOCTYPE"); i < len(s.src); i++ {
		switch c := s.src[i]; c {
		case '>':
			s.off = i + 1
			s.other(OtherDoctype, start, s.off)
			s.checkDoctype(start, s.src[start+len("<!DOCTYPE"):i])
			return
		case '"', '\'':
			n := strings.IndexByte(s.src[i+1:], c)
			if n < 0 {
				i = len(s.src)
				break
			}
			i += n + 1
		case '[':
			s.report(&Problem{Code: CodeInternalSubset, Effect: EffectVoid, Pos: s.pos(i),
				Msg: "the document type declares things of its own (an internal subset); remove it"})
			i = s.skipSubset(i)
		case '<':
			s.fail(CodeSyntax, start, "the document type declaration has no end")
			s.off = i
			return
		}
	}
	s.fail(CodeSyntax, start, "the document type declaration has no end")
	s.off = len(s.src)
}

// checkDoctype looks at the part between "<!DOCTYPE" and ">".
func (s *scanner) checkDoctype(start int, body string) {
	name := strings.TrimLeft(body, " \t\r\n")
	n := nameLen(name)
	if n == 0 || len(name) == len(body) {
		s.fail(CodeSyntax, start, "a document type declaration names the root element")
		return
	}
	id, _, subset := strings.Cut(name[n:], "[")
	id = strings.Trim(id, " \t\r\n")
	literals, keyword := 0, id
	for i, rest := 0, id; rest != ""; i++ {
		q := strings.IndexAny(rest, `"'`)
		if q < 0 {
			literals = -1
			break
		}
		if i == 0 {
			keyword = strings.TrimRight(rest[:q], " \t\r\n")
		}
		end := strings.IndexByte(rest[q+1:], rest[q])
		if end < 0 {
			literals = -1
			break
		}
		literals++
		rest = strings.TrimLeft(rest[q+end+2:], " \t\r\n")
	}
	// SGML, and so HTML, allows PUBLIC with one literal; XML wants both.
	if id == "" || keyword == "SYSTEM" && literals == 1 || keyword == "PUBLIC" && literals == 2 || subset {
		return
	}
	s.fail(CodeSyntax, start, `a document type declaration is "SYSTEM" with one or "PUBLIC" with two quoted names`)
}

// skipSubset returns the offset of the "]" that ends the internal subset, or
// the end of the file.
func (s *scanner) skipSubset(i int) int {
	for i++; i < len(s.src); i++ {
		switch c := s.src[i]; {
		case c == ']':
			return i
		case c == '"' || c == '\'':
			n := strings.IndexByte(s.src[i+1:], c)
			if n < 0 {
				return len(s.src)
			}
			i += n + 1
		case strings.HasPrefix(s.src[i:], "<!--"):
			n := strings.Index(s.src[i:], "-->")
			if n < 0 {
				return len(s.src)
			}
			i += n + 2
		}
	}
	return i
}

func (s *scanner) startTag() {
	start := s.off
	name := s.src[start+1:]
	name = name[:nameLen(name)]
	if len(s.stack) == 0 && len(s.doc.Elements) > 0 {
		s.report(&Problem{Code: CodeSecondRoot, Effect: EffectVoid, Pos: s.pos(start), Element: name, Msg: "a second root element"})
	}
	if len(s.doc.Elements) == MaxElements || len(s.stack) == MaxDepth {
		code, msg := CodeTooMany, fmt.Sprintf("more than %d elements", MaxElements)
		if len(s.stack) == MaxDepth {
			code, msg = CodeTooDeep, fmt.Sprintf("elements are nested more than %d deep", MaxDepth)
		}
		s.fail(code, start, msg)
		s.ended = true
		return
	}
	e := Element{Name: name, Parent: -1, Depth: len(s.stack) + 1, Pos: s.pos(start)}
	if n := len(s.stack); n > 0 {
		e.Parent = s.stack[n-1]
	}
	s.off = start + 1 + len(name)
	e.Attrs = s.attributes(len(s.src), name)
	closed := strings.HasPrefix(s.src[s.off:], "/>")
	switch {
	case closed:
		s.off += 2
	case s.off < len(s.src) && s.src[s.off] == '>':
		s.off++
	default:
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: e.Pos, Element: name, Msg: "the tag has no end"})
	}
	e.StartEnd = s.pos(s.off)
	if closed {
		e.Closed, e.End = true, e.StartEnd
	}
	s.doc.Elements = append(s.doc.Elements, e)
	if !closed {
		s.stack = append(s.stack, len(s.doc.Elements)-1)
	}
}

// attributes reads attributes up to the end of the tag, or to limit. It leaves
// s.off at the ">" or "/>", or wherever the tag breaks off.
func (s *scanner) attributes(limit int, element string) []Attr {
	first := len(s.attrs)
	for {
		before := s.off
		for s.off < limit && isSpace(s.src[s.off]) {
			s.off++
		}
		rest := s.src[s.off:limit]
		if rest == "" || rest[0] == '>' || rest[0] == '<' || strings.HasPrefix(rest, "/>") {
			break
		}
		if before == s.off {
			s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(s.off), Element: element, Msg: "white space is missing before the attribute"})
		}
		n := nameLen(rest)
		if n == 0 {
			s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(s.off), Element: element, Msg: "an attribute's name was expected"})
			s.skipJunk(limit)
			continue
		}
		if len(s.attrs)-first == MaxAttributes {
			s.fail(CodeTooMany, s.off, fmt.Sprintf("more than %d attributes", MaxAttributes))
			s.ended = true
			break
		}
		s.attribute(first, rest[:n], limit)
	}
	return s.attrs[first:len(s.attrs):len(s.attrs)]
}

// skipJunk moves behind bytes that belong to no attribute.
func (s *scanner) skipJunk(limit int) {
	for s.off = min(s.off+1, limit); s.off < limit; s.off++ {
		if c := s.src[s.off]; isSpace(c) || c == '>' || c == '<' || c == '/' || nameLen(s.src[s.off:s.off+1]) > 0 {
			return
		}
	}
}

func (s *scanner) attribute(first int, name string, limit int) {
	a := Attr{Name: name, Pos: s.pos(s.off)}
	s.off += len(name)
	for s.off < limit && isSpace(s.src[s.off]) {
		s.off++
	}
	if s.off == limit || s.src[s.off] != '=' {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: a.Pos, Attribute: name, Msg: "the attribute has no value"})
		return
	}
	s.off++
	for s.off < limit && isSpace(s.src[s.off]) {
		s.off++
	}
	if s.off == limit || s.src[s.off] != '"' && s.src[s.off] != '\'' {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(s.off), Attribute: name, Msg: "the value is not in quotes"})
		s.skipJunk(limit)
		return
	}
	quote := s.src[s.off]
	end := strings.IndexByte(s.src[s.off+1:limit], quote)
	if end < 0 {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(s.off), Attribute: name, Msg: "the quote is never closed"})
		s.off = limit
		return
	}
	at := s.off + 1
	a.Raw = s.src[at : at+end]
	a.ValuePos = s.pos(at)
	if i := strings.IndexByte(a.Raw, '<'); i >= 0 {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(at + i), Attribute: name, Value: a.Raw, Msg: `"<" may not stand in a value; write "&lt;"`})
	}
	a.Value = normalizeSpace(a.Raw)
	a.Value = s.expand(a.Value, at)
	s.off = at + end + 1
	if slices.ContainsFunc(s.attrs[first:], func(b Attr) bool { return b.Name == name }) {
		s.report(&Problem{Code: CodeDuplicateAttr, Effect: EffectVoid, Pos: a.Pos, Attribute: name, Value: a.Value, Msg: "the attribute stands twice"})
		return
	}
	s.attrs = append(s.attrs, a)
}

// normalizeSpace makes each white space character of a value a space, as XML
// prescribes for attributes, and keeps its length.
func normalizeSpace(v string) string {
	if !strings.ContainsAny(v, "\t\r\n") {
		return v
	}
	b := []byte(v)
	for i, c := range b {
		if isSpace(c) {
			b[i] = ' '
		}
	}
	return string(b)
}

func (s *scanner) endTag() {
	start := s.off
	name := s.src[start+2:]
	name = name[:nameLen(name)]
	s.off = start + 2 + len(name)
	for s.off < len(s.src) && isSpace(s.src[s.off]) {
		s.off++
	}
	if s.off < len(s.src) && s.src[s.off] == '>' {
		s.off++
	} else {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(start), Element: name, Msg: "the end tag has no end"})
	}
	open := len(s.stack) - 1
	for open >= 0 && s.doc.Elements[s.stack[open]].Name != name {
		open--
	}
	if open < 0 {
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: s.pos(start), Element: name, Msg: "the end tag closes nothing"})
		return
	}
	for _, i := range slices.Backward(s.stack[open+1:]) {
		e := &s.doc.Elements[i]
		s.report(&Problem{Code: CodeSyntax, Effect: EffectVoid, Pos: e.Pos, Element: e.Name, Msg: "the element is never closed"})
	}
	e := &s.doc.Elements[s.stack[open]]
	e.Closed, e.End = true, s.pos(s.off)
	s.stack = s.stack[:open]
}
