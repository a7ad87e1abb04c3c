// Package report is one stream of findings with many renderers: text for
// people, JSON and SARIF for programs, workflow commands for GitHub.
//
// Every verb that finds things turns them into [Finding] values and writes
// them to the [Renderer] of the user's choice, which [New] makes; lint's
// findings are turned by [FromLint]. A Finding is complete in itself: it may be
// kept and rendered again in another format.
//
// Guarantees: whatever a finding holds, even the name of a file, nothing but
// printable ASCII and line feeds reaches the output, and no finding can forge
// another one. JSON carries a version; a field is only ever added within one.
//
// A Renderer is not for concurrent use.
package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/port843/port843/lint"
)

// Severity is how grave a finding is.
type Severity = lint.Severity

// Finding is one thing that was found.
type Finding struct {
	Code     string
	Severity Severity
	Place    string // a file, a URL, an address; "-" is standard input
	Line     int    // from 1; 0: the place as a whole
	Column   int    // from 1, in characters
	EndLine  int    // of what is just behind it
	EndCol   int
	Message  string
	Gain     string // what an attacker gains; may be empty
	Hint     string // what to do; may be empty
	Source   string // the text of the line, as it is; may be empty
	Fix      *lint.Fix
}

// Rule describes a code, for formats that carry descriptions.
type Rule struct {
	Code     string
	Name     string // a few words
	Severity Severity
	About    string // a sentence or some
	Help     string
}

// Summary counts what was found.
type Summary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
	Places   int `json:"places"` // that were looked at
}

func (s *Summary) add(severity Severity) {
	switch severity {
	case lint.Error:
		s.Errors++
	case lint.Warning:
		s.Warnings++
	default:
		s.Notes++
	}
}

// Renderer writes findings. Add takes them in the order in which they are to
// be read; Close is called once, with the number of places that were looked
// at, and writes what is still to come. After an error the output is useless.
type Renderer interface {
	Add(Finding) error
	Close(places int) error
}

// Options say what a renderer needs beside the findings.
type Options struct {
	Version string // of this program
	Rules   []Rule // all that Code may be; for SARIF
	Color   bool   // text: the output is a terminal
}

// Formats are the names that New takes.
var Formats = []string{"text", "json", "sarif", "github"}

// New returns the renderer of that name.
func New(format string, w io.Writer, opt Options) (Renderer, error) {
	switch format {
	case "text":
		return &textRenderer{w: w, color: opt.Color}, nil
	case "json":
		return &jsonRenderer{w: w, opt: opt}, nil
	case "sarif":
		return &sarifRenderer{w: w, opt: opt}, nil
	case "github":
		return &githubRenderer{w: w}, nil
	}
	return nil, fmt.Errorf("no format %q: there are %v", format, Formats)
}

// FromLint turns what lint found in data into findings at place.
func FromLint(place string, data []byte, findings []lint.Finding) []Finding {
	out := make([]Finding, 0, len(findings))
	for _, f := range findings {
		x := Finding{
			Code: f.Code, Severity: f.Severity, Place: place,
			Line: int(f.Pos.Line), Column: int(f.Pos.Col), EndLine: int(f.End.Line), EndCol: int(f.End.Col),
			Message: f.Message, Gain: f.Gain, Hint: f.Hint, Fix: f.Fix,
		}
		if f.Pos.IsValid() {
			x.Source = lineAt(data, int(f.Pos.Offset))
		}
		out = append(out, x)
	}
	return out
}

// maxSource bounds the line that a finding carries; a policy in one line is
// cut around the place when it is rendered.
const maxSource = 4096

// lineAt returns the line that holds the offset, without its end. Of a very
// long one it returns the beginning.
func lineAt(data []byte, offset int) string {
	offset = min(offset, len(data))
	start, end := offset, offset
	for start > 0 && data[start-1] != '\n' {
		start--
	}
	for end < len(data) && data[end] != '\n' && end-start < maxSource {
		end++
	}
	line := data[start:max(start, end)]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return string(line)
}

// LintRules describes lint's rules.
func LintRules() []Rule {
	var out []Rule
	for _, r := range lint.Rules() {
		out = append(out, Rule{
			Code: r.Code, Name: r.Name, Severity: r.Severity, About: r.Finds,
			Help: "An attacker gains: " + r.Gain + ".\nClients that honour it: " + r.Clients + ".\nFix: " + r.Fix + ".",
		})
	}
	return out
}

// Worst returns the gravest severity among findings; ok is false without any.
func Worst(findings []Finding) (worst Severity, ok bool) {
	if len(findings) == 0 {
		return 0, false
	}
	return slices.MaxFunc(findings, func(a, b Finding) int { return int(a.Severity) - int(b.Severity) }).Severity, true
}
