package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/port843/port843/policy"
)

// found is a policy document in an answer.
type found struct {
	silverlight bool
	doc         []byte // in UTF-8, from its first "<" to the end of its root
	before      []byte // what stands before it, byte order mark and white space left out
	after       []byte // what follows it
	complete    bool   // its root ends
	bom, utf16  bool
	http        bool // it is the body of an HTTP response
	padded      bool // white space stands before the XML declaration
}

var roots = []string{"cross-domain-policy", "access-policy"}

// findDocument looks for a policy document in what was received. It is not
// fooled by a text that merely mentions one: behind other bytes only a complete
// document counts, and none inside HTML.
func findDocument(c *Conversation) (found, bool) {
	data := c.Data
	var f found
	if text, ok := fromUTF16(data); ok {
		data, f.utf16 = text, true
	}
	if body, ok := httpBody(data); ok && !f.utf16 {
		data, f.http = body, true
	}
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		data, f.bom = rest, true
	}
	at := skipSpace(data, 0)
	if root, name, ok := prolog(data, at); ok {
		f.padded = at > 0 && bytes.HasPrefix(data[at:], []byte("<?xml"))
		f.take(data, at, root, name)
		return f, true
	}
	if f.http || f.utf16 || isHTML(data) {
		return found{}, false
	}
	for _, at := range candidates(data) {
		root, name, ok := prolog(data, at)
		if !ok {
			continue
		}
		f.take(data, at, root, name)
		if f.complete {
			f.before = data[:at]
			return f, true
		}
	}
	return found{}, false
}

// take fills in the document that begins at start, with its root at root.
func (f *found) take(data []byte, start, root int, name string) {
	f.silverlight = strings.EqualFold(name, roots[1])
	end, ok := rootEnd(data, root, name)
	f.complete = ok
	f.doc = data[start:end]
	f.after = data[end:]
	if !ok {
		// A NUL ends an answer, also in the middle of a document.
		if i := bytes.IndexByte(f.doc, 0); i >= 0 {
			f.doc, f.after = data[start:start+i], data[start+i:]
		}
	}
}

// candidates are the places where a document may begin behind other bytes.
func candidates(data []byte) []int {
	var at []int
	for _, mark := range []string{"<?xml", "<!DOCTYPE", "<" + roots[0], "<" + roots[1], "\xef\xbb\xbf<"} {
		for from := 0; len(at) < 32; {
			i := bytes.Index(data[from:], []byte(mark))
			if i < 0 {
				break
			}
			at = append(at, from+i+len(mark)-len(strings.TrimPrefix(mark, "\xef\xbb\xbf")))
			from += i + len(mark)
		}
	}
	slices.Sort(at)
	return at
}

// prolog reads white space, processing instructions, comments and a document
// type from at, and reports where the root of a policy file begins behind them.
func prolog(data []byte, at int) (root int, name string, ok bool) {
	for {
		at = skipSpace(data, at)
		rest := data[at:]
		skip := -1
		switch {
		case bytes.HasPrefix(rest, []byte("<?")):
			skip = after(rest, "?>")
		case bytes.HasPrefix(rest, []byte("<!--")):
			skip = after(rest, "-->")
		case len(rest) >= 9 && strings.EqualFold(string(rest[:9]), "<!DOCTYPE"):
			skip = markupLen(rest, true)
		default:
			for _, name := range roots {
				if isTag(rest, name) {
					return at, name, true
				}
			}
		}
		if skip < 0 {
			return 0, "", false
		}
		at += skip
	}
}

// isTag reports whether b begins a start tag of that name, in whatever case:
// <CROSS-DOMAIN-POLICY> is a mistake, but no other protocol.
func isTag(b []byte, name string) bool {
	if len(b) < len(name)+1 || b[0] != '<' || !strings.EqualFold(string(b[1:1+len(name)]), name) {
		return false
	}
	return len(b) == len(name)+1 || bytes.IndexByte([]byte(" \t\r\n/>\x00"), b[len(name)+1]) >= 0
}

func after(b []byte, mark string) int {
	if i := bytes.Index(b, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return -1
}

// markupLen returns the length of the tag or declaration at the beginning of b,
// or -1 where it does not end. A ">" in quotes, or in the brackets of an internal
// subset where there can be one, does not end it.
func markupLen(b []byte, subset bool) int {
	depth := 0
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' && subset:
			depth++
		case c == ']' && subset:
			depth--
		case c == '>' && depth <= 0:
			return i + 1
		}
	}
	return -1
}

// rootEnd returns the offset behind the root element's end, or that of the end
// of the data. Comments and attribute values are passed over.
func rootEnd(data []byte, root int, name string) (int, bool) {
	tag := markupLen(data[root:], false)
	if tag < 0 {
		return len(data), false
	}
	if data[root+tag-2] == '/' {
		return root + tag, true
	}
	for at := root + tag; at < len(data); {
		i := bytes.IndexByte(data[at:], '<')
		if i < 0 {
			break
		}
		at += i
		rest := data[at:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			n := after(rest, "-->")
			if n < 0 {
				return len(data), false
			}
			at += n
		case len(rest) > len(name)+2 && rest[1] == '/' && strings.EqualFold(string(rest[2:2+len(name)]), name):
			n := bytes.IndexByte(rest, '>')
			if n < 0 {
				return len(data), false
			}
			return at + n + 1, true
		default:
			at++
		}
	}
	return len(data), false
}

// mayBecomeDocument reports whether data is the beginning of something that
// would be a policy document if more of it came.
func mayBecomeDocument(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	at := skipSpace(data, 0)
	rest := data[at:]
	if len(rest) == 0 {
		return false
	}
	for _, name := range roots {
		tag := "<" + name
		if len(rest) <= len(tag) && strings.EqualFold(string(rest), tag[:len(rest)]) {
			return true
		}
	}
	const declaration = "<?xml"
	return bytes.HasPrefix(rest, []byte(declaration)[:min(len(rest), len(declaration))]) && !isHTML(rest)
}

// cutBeginning reports whether data ends inside the root's name, so that what
// was cut can only have been a policy.
func cutBeginning(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	i := bytes.LastIndexByte(data, '<')
	if i < 0 || isHTML(data) {
		return false
	}
	rest := string(data[i:])
	for _, name := range roots {
		if tag := "<" + name; len(rest) >= len("<cross") && len(rest) < len(tag) && strings.HasPrefix(tag, rest) {
			return i == 0 || bytes.HasPrefix(data, []byte("<?xml")) || bytes.HasPrefix(data, []byte("<!DOCTYPE"))
		}
	}
	return false
}

func isHTML(data []byte) bool {
	head := strings.ToLower(string(data[:min(len(data), 512)]))
	return strings.Contains(head, "<html") || strings.Contains(head, "<!doctype html")
}

func skipSpace(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n') {
		at++
	}
	return at
}

// fromUTF16 decodes UTF-16, told by its byte order mark or by "<" and a zero.
func fromUTF16(data []byte) ([]byte, bool) {
	if len(data) < 4 {
		return nil, false
	}
	var order binary.ByteOrder
	switch {
	case data[0] == 0xff && data[1] == 0xfe, data[0] == '<' && data[1] == 0 && data[2] != 0 && data[3] == 0:
		order = binary.LittleEndian
	case data[0] == 0xfe && data[1] == 0xff, data[0] == 0 && data[1] == '<' && data[2] == 0 && data[3] != 0:
		order = binary.BigEndian
	default:
		return nil, false
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	text := []byte(string(utf16.Decode(units)))
	if len(data)%2 == 1 {
		text = append(text, data[len(data)-1]) // the NUL of one who thinks in bytes
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), true
}

// faultsOf lists what is wrong with an answer that holds the document f.
func faultsOf(c *Conversation, f found) []Fault {
	var faults []Fault
	add := func(cond bool, fault Fault) {
		if cond {
			faults = append(faults, fault)
		}
	}
	add(f.http, InHTTP)
	add(f.bom, BOM)
	add(f.utf16, UTF16)
	add(len(f.before) > 0 || f.padded, LeadingBytes)
	truncated := len(c.Tail) > 0
	switch {
	case c.End == EndLimit, c.End == EndFlow && !f.complete && c.Total > policy.SafeSize:
		add(f.complete && !isBlank(f.after), TrailingBytes)
		return append(faults, FaultEndless)
	case f.complete && !truncated && len(f.doc) > 0:
		faults = append(faults, endFaults(f)...)
	case truncated:
		add(!bytes.Contains(c.Tail, []byte{0}), NoNUL)
	case !bytes.Contains(f.after, []byte{0}):
		add(true, CutShort)
		add(c.End == EndSilence, HeldOpen)
	}
	add(c.Total > policy.SafeSize, Oversize)
	watched := time.Duration(c.Took - c.Last)
	add(f.complete && (c.End == EndSilence || c.End == EndFlow) && watched >= holdWait/2, HeldOpen)
	if !truncated && !slices.Contains(faults, CutShort) {
		faults = append(faults, contentFaults(f)...)
	}
	return append(faults, timeFaults(c, f)...)
}

// endFaults looks at what follows a complete document.
func endFaults(f found) []Fault {
	rest := f.after
	if f.http {
		return nil // an HTTP server ends its body in its own way
	}
	space, tail, nul := bytes.Cut(rest, []byte{0})
	junk := len(bytes.Trim(space, " \t\r\n")) > 0 && !isMisc(space)
	switch {
	case nul && (junk || len(tail) > 0):
		return []Fault{TrailingBytes}
	case nul:
		return nil
	case junk:
		return []Fault{NoNUL, TrailingBytes}
	case bytes.ContainsAny(space, "\r\n"):
		return []Fault{NewlineForNUL}
	}
	return []Fault{NoNUL}
}

// isMisc reports whether b is comments and white space only, as XML allows
// behind the root.
func isMisc(b []byte) bool {
	for {
		b = b[skipSpace(b, 0):]
		if len(b) == 0 {
			return true
		}
		if !bytes.HasPrefix(b, []byte("<!--")) {
			return false
		}
		n := after(b, "-->")
		if n < 0 {
			return false
		}
		b = b[n:]
	}
}

// contentFaults looks at the document itself.
func contentFaults(f found) []Fault {
	if len(f.doc) == 0 {
		return []Fault{Empty}
	}
	var faults []Fault
	hostile, broken := hostileOrBroken(f)
	if hostile {
		faults = append(faults, HostileXML)
	}
	if broken {
		return append(faults, Malformed)
	}
	if hostile {
		return faults
	}
	if f.silverlight {
		if !bytes.Contains(f.doc, []byte("<allow-from")) || !bytes.Contains(f.doc, []byte("<grant-to")) {
			faults = append(faults, Empty)
		}
		return faults
	}
	p, _ := policy.Parse(f.doc)
	if len(p.Rules) == 0 && p.Meta != policy.MetaNone {
		faults = append(faults, Empty)
	}
	for _, r := range p.Rules {
		if r.NoPorts {
			return append(faults, NoToPorts)
		}
	}
	return faults
}

// hostileOrBroken separates XML that wants something of its reader from XML
// that is only wrong.
func hostileOrBroken(f found) (hostile, broken bool) {
	d, problems := policy.ParseDocument(f.doc)
	if !f.silverlight && len(d.Elements) > 0 && d.Elements[0].Name != roots[0] {
		broken = true
	}
	for _, p := range problems {
		switch p.Code {
		case policy.CodeEntity, policy.CodeInternalSubset, policy.CodeTooDeep, policy.CodeTooMany:
			hostile = true
		default:
			// Behind an entity that is not expanded everything may look wrong.
			broken = broken || p.Effect == policy.EffectVoid && p.Code != policy.CodeTrailing
		}
	}
	return hostile || refersElsewhere(f.doc), broken && !hostile
}

// refersElsewhere reports whether the document names a document type, a style
// sheet or an inclusion that is not the one of policy files.
func refersElsewhere(doc []byte) bool {
	for _, mark := range []string{"<?xml-stylesheet", "http://www.w3.org/2001/XInclude"} {
		if bytes.Contains(doc, []byte(mark)) {
			return true
		}
	}
	i := bytes.Index(doc, []byte("<!DOCTYPE"))
	if i < 0 {
		return false
	}
	n := markupLen(doc[i:], true)
	if n < 0 {
		return false
	}
	declaration := string(doc[i : i+n])
	return strings.ContainsAny(declaration, `"'`) && !strings.Contains(declaration, "cross-domain-policy.dtd")
}

// timeFaults compares the time that the answer took with what clients wait.
func timeFaults(c *Conversation, f found) []Fault {
	complete := c.Last
	if len(f.after) > 1 && c.Reads > 1 {
		complete = c.First // what came last was not the document
	}
	switch {
	case time.Duration(complete) > FlashWait:
		return []Fault{Late}
	case time.Duration(complete-c.Asked) >= SlowAfter:
		return []Fault{Slow}
	}
	return nil
}
