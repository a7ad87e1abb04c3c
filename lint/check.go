package lint

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Check reads a policy file and returns what the rules find, in the order of
// their places. It takes any bytes; what is no policy file gets findings that
// say so.
func Check(data []byte, opt Options) []Finding {
	s := read(data, &opt)
	for _, r := range ruleList {
		if r.check != nil && r.on&s.on() != 0 {
			s.rule = r
			r.check(s)
		}
	}
	for _, p := range s.problems {
		s.reportProblem(p)
	}
	s.suppress()
	if s.void {
		// What a fix would change in a file that nobody can read is not certain.
		for i := range s.out {
			s.out[i].Fix = nil
		}
	}
	if opt.Minimum > Note {
		s.out = slices.DeleteFunc(s.out, func(f Finding) bool { return f.Severity < opt.Minimum })
	}
	slices.SortStableFunc(s.out, compare)
	return s.out[:min(len(s.out), MaxFindings)]
}

// span is a stretch of the file.
type span struct{ pos, end policy.Pos }

// report adds a finding of the current rule and returns it, for a fix or
// another severity to be set; nil once there are too many.
func (s *subject) report(at span, message string) *Finding {
	// Suppressed findings do not count towards MaxFindings, so keep more.
	if len(s.out) >= 8*MaxFindings {
		return nil
	}
	s.out = append(s.out, Finding{
		Code: s.rule.Code, Severity: s.rule.Severity, File: s.opt.File, Pos: at.pos, End: at.end,
		Message: message, Gain: s.rule.Gain, Hint: s.rule.Fix,
	})
	return &s.out[len(s.out)-1]
}

// fix sets the certain fix of a finding, which may be nil.
func (f *Finding) fix(message string, edits ...Edit) {
	if f != nil {
		f.Fix = &Fix{message, edits}
	}
}

// reportProblem turns what the reader found into a finding of the rule that
// is responsible for its code.
func (s *subject) reportProblem(p *policy.Problem) {
	rule := problemRules[p.Code]
	if p.Code == policy.CodeDomainWildcard && wildcardInAddress(p.Value) {
		rule = ruleIPWildcard
	}
	if rule == nil {
		rule = ruleNotWellFormed
	}
	s.rule = rule
	message := p.Msg
	switch {
	case p.Attribute != "" && p.Value != "":
		message = escape.Text(p.Attribute, 40) + `="` + escape.Text(p.Value, 80) + `": ` + p.Msg
	case p.Attribute != "":
		message = escape.Text(p.Attribute, 40) + ": " + p.Msg
	case p.Element != "":
		message = "<" + escape.Text(p.Element, 40) + ">: " + p.Msg
	}
	if rule.extra != nil {
		message += rule.extra(s, p)
	}
	f := s.report(s.problemSpan(p), message)
	if f != nil && p.Code == policy.CodeBOM {
		f.fix("remove the byte order mark", Edit{0, 3, ""})
	}
}

// problemSpan returns the place of a problem with its end: of the attribute's
// value or name, of the start tag, or of one character.
func (s *subject) problemSpan(p *policy.Problem) span {
	at := int(p.Pos.Offset)
	if e := s.elementAt(at); e != nil {
		for i := range e.Attrs {
			a := &e.Attrs[i]
			switch p.Pos {
			case a.ValuePos:
				return s.value(a)
			case a.Pos:
				return s.name(a)
			}
		}
		if p.Pos == e.Pos {
			return s.tag(e)
		}
	}
	if at >= len(s.data) {
		return span{p.Pos, p.Pos}
	}
	_, n := utf8.DecodeRune(s.data[at:])
	return span{p.Pos, s.advance(p.Pos, n)}
}

// elementAt returns the last element that begins at or before the offset.
func (s *subject) elementAt(offset int) *policy.Element {
	elements := s.doc.Elements
	i := sort.Search(len(elements), func(i int) bool { return int(elements[i].Pos.Offset) > offset })
	if i == 0 {
		return nil
	}
	return &elements[i-1]
}

// advance returns the place n bytes behind from.
func (s *subject) advance(from policy.Pos, n int) policy.Pos {
	text := s.data[from.Offset:min(int(from.Offset)+n, len(s.data))]
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		from.Offset += int32(size)
		from.Col++
		if r == '\n' {
			from.Line++
			from.Col = 1
		}
	}
	return from
}

func (s *subject) value(a *policy.Attr) span {
	return span{a.ValuePos, s.advance(a.ValuePos, len(a.Raw))}
}
func (s *subject) name(a *policy.Attr) span   { return span{a.Pos, s.advance(a.Pos, len(a.Name))} }
func (s *subject) tag(e *policy.Element) span { return span{e.Pos, e.StartEnd} }

// file is the place of what concerns the file as a whole: the root's start
// tag where there is one.
func (s *subject) file() span {
	if len(s.doc.Elements) == 0 {
		start := policy.Pos{Line: 1, Col: 1}
		return span{start, start}
	}
	return s.tag(&s.doc.Elements[0])
}

// removal is the edit that removes an element, with its line where it stands
// on it alone; ok is false where the element has no end.
func (s *subject) removal(e *policy.Element) (edit Edit, ok bool) {
	if !e.End.IsValid() {
		return Edit{}, false
	}
	start, end := int(e.Pos.Offset), int(e.End.Offset)
	line := start
	for line > 0 && (s.data[line-1] == ' ' || s.data[line-1] == '\t') {
		line--
	}
	rest := string(s.data[end:min(end+64, len(s.data))])
	trimmed := strings.TrimLeft(rest, " \t\r")
	if (line == 0 || s.data[line-1] == '\n') && strings.HasPrefix(trimmed, "\n") {
		return Edit{line, end + len(rest) - len(trimmed) + 1, ""}, true
	}
	return Edit{start, end, ""}, true
}

// quote returns text of the file in quotes, fit for a message.
func quote(text string) string { return `"` + escape.Text(text, 80) + `"` }
