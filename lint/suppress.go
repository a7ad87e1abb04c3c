package lint

import (
	"strings"

	"github.com/port843/port843/policy"
)

// suppressMark begins a comment that suppresses findings.
const suppressMark = "port843:ignore"

// suppression is one such comment.
type suppression struct {
	comment *policy.Comment
	codes   []string
	problem string // why it counts for nothing; "" where it counts
	from    int32  // findings that begin here
	to      int32  // up to here are suppressed
	used    []bool // by code
}

// suppress drops the findings that comments suppress, and reports the
// comments that do not.
func (s *subject) suppress() {
	list := s.suppressions()
	if len(list) == 0 {
		return
	}
	kept := s.out[:0]
	for _, f := range s.out {
		if !suppressed(list, f) {
			kept = append(kept, f)
		}
	}
	s.out = kept
	for i := range list {
		list[i].report(s)
	}
}

func suppressed(list []suppression, f Finding) bool {
	hit := false
	for i := range list {
		x := &list[i]
		if x.problem != "" || f.Pos.Offset < x.from || f.Pos.Offset >= x.to {
			continue
		}
		for k, code := range x.codes {
			if code == f.Code {
				x.used[k], hit = true, true
			}
		}
	}
	return hit
}

// suppressions reads the comments.
func (s *subject) suppressions() []suppression {
	var out []suppression
	for i := range s.doc.Comments {
		c := &s.doc.Comments[i]
		text := strings.TrimSpace(c.Text)
		rest, found := strings.CutPrefix(text, suppressMark)
		if !found || rest != "" && !strings.ContainsAny(rest[:1], " \t\r\n") {
			continue
		}
		x := suppression{comment: c}
		rest = strings.TrimSpace(rest)
		end := strings.IndexAny(rest, " \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		reason := rest[end:]
		x.codes = strings.Split(rest[:end], ",")
		x.used = make([]bool, len(x.codes))
		x.problem = suppressionProblem(x.codes, reason)
		x.from, x.to = s.suppressedRange(c)
		out = append(out, x)
	}
	return out
}

func suppressionProblem(codes []string, reason string) string {
	for _, code := range codes {
		if code == "" {
			return "the suppression names no rule"
		}
		if RuleByCode(code) == nil {
			return "the suppression names " + quote(code) + ", which is no rule"
		}
	}
	if strings.TrimSpace(reason) == "" {
		return "the suppression gives no reason"
	}
	return ""
}

// suppressedRange returns the start tag of the element behind the comment;
// before the root it begins with the file. Without one the range is empty.
func (s *subject) suppressedRange(c *policy.Comment) (from, to int32) {
	for i := range s.doc.Elements {
		e := &s.doc.Elements[i]
		if e.Pos.Offset < c.End.Offset {
			continue
		}
		if i == 0 {
			return 0, e.StartEnd.Offset
		}
		return e.Pos.Offset, e.StartEnd.Offset
	}
	return 0, 0
}

// report reports a suppression that counts for nothing or suppressed nothing.
func (x *suppression) report(s *subject) {
	at := span{x.comment.Pos, x.comment.End}
	if x.problem != "" {
		s.rule = ruleIgnoreMalformed
		s.report(at, x.problem)
		return
	}
	s.rule = ruleIgnoreUnused
	for k, used := range x.used {
		if !used {
			s.report(at, "nothing here is "+x.codes[k])
		}
	}
}
