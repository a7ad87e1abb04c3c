package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/port843/port843/internal/escape"
)

// Pos is a place in a file. The zero value is no place: made, not read.
type Pos struct {
	Line   int32 // from 1
	Col    int32 // from 1, in characters (Unicode code points)
	Offset int32 // from 0, in bytes
}

func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Col) }

// IsValid reports whether p is a place.
func (p Pos) IsValid() bool { return p.Line > 0 }

// Code names a kind of mistake. Codes are stable: programs may depend on them.
type Code string

// Mistakes in the form of the file.
const (
	CodeTooLarge         Code = "too-large"
	CodeTooDeep          Code = "too-deep"
	CodeTooMany          Code = "too-many"
	CodeEmpty            Code = "empty"
	CodeBOM              Code = "bom"
	CodeUTF16            Code = "utf-16"
	CodeLeadingBytes     Code = "leading-bytes"
	CodeEncoding         Code = "encoding"
	CodeNonASCII         Code = "non-ascii"
	CodeSyntax           Code = "not-well-formed"
	CodeDuplicateAttr    Code = "duplicate-attribute"
	CodeTrailing         Code = "trailing-content"
	CodeSecondRoot       Code = "second-root"
	CodeEntity           Code = "entity"
	CodeInternalSubset   Code = "internal-subset"
	CodeRoot             Code = "root"
	CodeText             Code = "text"
	CodeUnknownElement   Code = "unknown-element"
	CodeMisplaced        Code = "misplaced-element"
	CodeUnknownAttribute Code = "unknown-attribute"
	CodeMissingAttribute Code = "missing-attribute"
)

// Mistakes in values.
const (
	CodeDomainEmpty    Code = "domain-empty"
	CodeDomainPadding  Code = "domain-padding"
	CodeDomainScheme   Code = "domain-scheme"
	CodeDomainSyntax   Code = "domain-syntax"
	CodeDomainWildcard Code = "domain-wildcard"
	CodeDomainTopLevel Code = "domain-top-level"
	CodePortsEmpty     Code = "ports-empty"
	CodePortsPadding   Code = "ports-padding"
	CodePortsSyntax    Code = "ports-syntax"
	CodePortsRange     Code = "ports-range"
	CodePortsReversed  Code = "ports-reversed"
	CodeSecure         Code = "secure-value"
	CodeHeaders        Code = "headers-value"
	CodeMeta           Code = "meta-policy-value"
	CodeMetaTwice      Code = "meta-policy-twice"
	CodeMetaKind       Code = "meta-policy-kind"
)

// What is not wrong, but makes some client stumble.
const (
	CodeLong  Code = "long"
	CodeRange Code = "port-range"
)

// Effect is what a problem does to the policy.
type Effect uint8

const (
	EffectNoted   Effect = iota // nothing in Flash Player; some client or reader may stumble
	EffectIgnored               // the element or attribute is ignored
	EffectNoGrant               // the element grants nothing
	EffectVoid                  // the whole file grants nothing
)

var effectNames = [...]string{"noted", "ignored", "grants nothing", "the whole file grants nothing"}

func (e Effect) String() string { return effectNames[e] }

// ValueError is a value that [ParseDomain], [ParsePorts] or another parser of a
// single value refused.
type ValueError struct {
	Code  Code
	Value string // as written, of any length; escape it before it is shown
	Msg   string
}

func (e *ValueError) Error() string { return fmt.Sprintf("%q: %s", escape.Text(e.Value, 80), e.Msg) }

// Problem is one mistake in a file.
type Problem struct {
	Code      Code
	Effect    Effect
	Pos       Pos
	Element   string // the element it concerns, where there is one
	Attribute string // the attribute it concerns, where there is one
	Value     string // as written; escape it before it is shown
	Msg       string // what is wrong; fit to be shown
}

// In returns the problem as one line that begins with the file's name, as
// compilers write it: path:line:column: what is wrong.
func (p *Problem) In(path string) string {
	if p.Pos.IsValid() {
		return path + ":" + p.Error()
	}
	return path + ": " + p.Error()
}

// Error returns line:column, what is wrong and where, fit to be shown. It does
// not name the file: whoever read it knows.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.Pos.IsValid() {
		fmt.Fprintf(&b, "%s: ", p.Pos)
	}
	if p.Attribute != "" {
		fmt.Fprintf(&b, "%s=%q: ", escape.Text(p.Attribute, 40), escape.Text(p.Value, 80))
	} else if p.Element != "" {
		fmt.Fprintf(&b, "<%s>: ", escape.Text(p.Element, 40))
	}
	b.WriteString(p.Msg)
	return b.String()
}

// Problems are the mistakes of a file in the order of their places. As an
// error it has a line for each.
type Problems []*Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.As find the single problems.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Refusing returns the problems for which a server must not serve the file:
// those by which the whole or a rule of it grants nothing, so that its author
// meant something else, and a byte order mark, which some clients choke on.
func (ps Problems) Refusing() Problems {
	var out Problems
	for _, p := range ps {
		if p.Effect >= EffectNoGrant || p.Code == CodeBOM {
			out = append(out, p)
		}
	}
	return out
}

// ProblemsOf returns the problems in err, which may be nil.
func ProblemsOf(err error) Problems {
	var ps Problems
	if errors.As(err, &ps) {
		return ps
	}
	return nil
}
