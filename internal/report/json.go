package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/port843/port843/lint"
)

// JSONVersion is the version of the JSON format. Fields may be added within
// one; nothing is removed or given another meaning.
const JSONVersion = 1

// jsonRenderer writes one object.
type jsonRenderer struct {
	w   io.Writer
	opt Options
	out []jsonFinding
	sum Summary
}

type jsonReport struct {
	Version     int           `json:"version"`
	Tool        string        `json:"tool"`
	ToolVersion string        `json:"tool_version"`
	Findings    []jsonFinding `json:"findings"`
	Summary     Summary       `json:"summary"`
}

type jsonFinding struct {
	Code     string   `json:"code"`
	Severity string   `json:"severity"`
	Place    string   `json:"place"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	EndLine  int      `json:"end_line,omitempty"`
	EndCol   int      `json:"end_column,omitempty"`
	Message  string   `json:"message"`
	Gain     string   `json:"gain,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	Fix      *jsonFix `json:"fix,omitempty"`
}

type jsonFix struct {
	Message string     `json:"message"`
	Edits   []jsonEdit `json:"edits"`
}

type jsonEdit struct {
	Start int    `json:"start"` // bytes
	End   int    `json:"end"`
	New   string `json:"new"`
}

func (r *jsonRenderer) Add(f Finding) error {
	r.sum.add(f.Severity)
	r.out = append(r.out, jsonFinding{
		Code: f.Code, Severity: f.Severity.String(), Place: f.Place, Line: f.Line, Column: f.Column, EndLine: f.EndLine, EndCol: f.EndCol,
		Message: f.Message, Gain: f.Gain, Hint: f.Hint, Fix: jsonFixOf(f.Fix),
	})
	return nil
}

func jsonFixOf(f *lint.Fix) *jsonFix {
	if f == nil {
		return nil
	}
	out := &jsonFix{Message: f.Message}
	for _, e := range f.Edits {
		out.Edits = append(out.Edits, jsonEdit{e.Start, e.End, e.New})
	}
	return out
}

func (r *jsonRenderer) Close(places int) error {
	r.sum.Places = places
	if r.out == nil {
		r.out = []jsonFinding{}
	}
	return writeJSON(r.w, jsonReport{JSONVersion, "port843", r.opt.Version, r.out, r.sum})
}

// writeJSON writes v indented and in ASCII, so that a file's name cannot do
// anything to the terminal that shows it.
func writeJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for len(data) > 0 {
		c, n := utf8.DecodeRune(data)
		switch {
		case c == 0x7f:
			b.WriteString(`\u007f`)
		case c < utf8.RuneSelf:
			b.WriteByte(byte(c))
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
		data = data[n:]
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}
