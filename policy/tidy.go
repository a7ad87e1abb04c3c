package policy

import (
	"slices"
	"strings"
)

// tidyIndent is one step of indentation.
const tidyIndent = "  "

// Tidy lays a file out anew without changing what it means: one element a
// line, indented by depth, its attributes in the order domain, to-ports,
// headers, secure and then as they were, in double quotes, with domains, ports
// and header names in the spelling of [Format]. Comments, doctypes,
// instructions, text and the order of everything stay; so does what is unknown
// or wrong, as it was written. Of several blank lines one stays; a comment
// stays on the line of the element that it follows. A byte order mark, NULs at
// the end and carriage returns go.
//
// Tidy of what Tidy returned changes nothing. It works on any XML document,
// such as Silverlight's access-policy. The error is nil or the [Problems] for
// which the file is not one well-formed document; then nothing is returned.
func Tidy(data []byte) ([]byte, error) {
	doc, problems := ParseDocument(data)
	if void := problems.void(); len(void) > 0 {
		return nil, void
	}
	t := tidier{src: string(data), doc: doc}
	t.collect()
	for i := range t.parts {
		t.write(i)
	}
	t.b.WriteByte('\n')
	return []byte(t.b.String()), nil
}

// tidyPart is a piece of the file that is laid out as one.
type tidyPart struct {
	elem       *Element // nil for what is copied
	closing    bool     // the end tag of elem
	comment    bool
	start, end int // offsets in the file
	depth      int
}

type tidier struct {
	src   string
	doc   *Document
	parts []tidyPart
	b     strings.Builder
}

// collect lists the parts in the order of the file.
func (t *tidier) collect() {
	hasInside := make([]bool, len(t.doc.Elements))
	inside := func(offset int32) (depth int) {
		i, _ := slices.BinarySearchFunc(t.doc.Elements, offset, func(e Element, o int32) int { return int(e.Pos.Offset) - int(o) })
		for i--; i >= 0; i = t.doc.Elements[i].Parent {
			if e := &t.doc.Elements[i]; offset < e.End.Offset {
				hasInside[i] = true
				return e.Depth
			}
		}
		return 0
	}
	for i := range t.doc.Comments {
		c := &t.doc.Comments[i]
		t.parts = append(t.parts, tidyPart{comment: true, start: int(c.Pos.Offset), end: int(c.End.Offset), depth: inside(c.Pos.Offset)})
	}
	for i := range t.doc.Others {
		o := &t.doc.Others[i]
		t.parts = append(t.parts, tidyPart{start: int(o.Pos.Offset), end: int(o.End), depth: inside(o.Pos.Offset)})
	}
	for i := range t.doc.Elements {
		if p := t.doc.Elements[i].Parent; p >= 0 {
			hasInside[p] = true
		}
	}
	for i := range t.doc.Elements {
		e := &t.doc.Elements[i]
		if !hasInside[i] {
			t.parts = append(t.parts, tidyPart{elem: e, start: int(e.Pos.Offset), end: int(e.End.Offset), depth: e.Depth - 1, closing: true})
			continue
		}
		t.parts = append(t.parts, tidyPart{elem: e, start: int(e.Pos.Offset), end: int(e.StartEnd.Offset), depth: e.Depth - 1})
		tag := strings.LastIndex(t.src[:e.End.Offset], "</")
		t.parts = append(t.parts, tidyPart{elem: e, closing: true, start: tag, end: int(e.End.Offset), depth: e.Depth - 1})
	}
	slices.SortFunc(t.parts, func(a, b tidyPart) int { return a.start - b.start })
}

// write writes a part with what separates it from the one before.
func (t *tidier) write(i int) {
	p := &t.parts[i]
	if i > 0 {
		before := &t.parts[i-1]
		lines := strings.Count(t.src[before.end:p.start], "\n")
		switch {
		case p.comment && lines == 0 && before.elem != nil:
			t.b.WriteByte(' ')
		case lines > 1 && !p.isEndTag(t.src) && (before.elem == nil || before.closing):
			t.b.WriteString("\n\n" + strings.Repeat(tidyIndent, p.depth))
		default:
			t.b.WriteString("\n" + strings.Repeat(tidyIndent, p.depth))
		}
	}
	switch {
	case p.elem == nil:
		t.b.WriteString(strings.ReplaceAll(strings.ReplaceAll(t.src[p.start:p.end], "\r\n", "\n"), "\r", "\n"))
	case p.isEndTag(t.src):
		t.b.WriteString("</" + p.elem.Name + ">")
	default:
		t.startTag(p.elem)
		if p.closing {
			t.b.WriteByte('/')
		}
		t.b.WriteByte('>')
	}
}

func (p *tidyPart) isEndTag(src string) bool { return strings.HasPrefix(src[p.start:], "</") }

// tidyOrder is the order of the attributes that the formats know.
var tidyOrder = []string{"domain", "to-ports", "headers", "secure"}

func (t *tidier) startTag(e *Element) {
	t.b.WriteString("<" + e.Name)
	for _, name := range tidyOrder {
		if a := e.Attr(name); a != nil {
			t.attribute(e, a)
		}
	}
	for i := range e.Attrs {
		if a := &e.Attrs[i]; !slices.Contains(tidyOrder, a.Name) {
			t.attribute(e, a)
		}
	}
}

func (t *tidier) attribute(e *Element, a *Attr) {
	t.b.WriteString(" " + a.Name + `="`)
	if v, ok := canonicalValue(e.Name, a); ok {
		writeValue(&t.b, v)
	} else {
		t.b.WriteString(strings.ReplaceAll(normalizeSpace(a.Raw), `"`, "&quot;"))
	}
	t.b.WriteString(`"`)
}

// canonicalValue returns the value in the spelling of Format; ok is false for
// what has none, and for what is wrong, which stays as it is.
func canonicalValue(element string, a *Attr) (v string, ok bool) {
	if element != elemAllow && element != elemHeaders {
		return "", false
	}
	switch {
	case a.Name == "domain":
		d, err := ParseDomain(a.Value)
		return d.String(), err == nil
	case a.Name == "to-ports" && element == elemAllow:
		ports, err := ParsePorts(a.Value)
		return ports.Enumerated(), err == nil
	case a.Name == "headers" && element == elemHeaders:
		headers, valid := parseHeaders(a.Value)
		return strings.Join(headers, ","), valid
	}
	return "", false
}
