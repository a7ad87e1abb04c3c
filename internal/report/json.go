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

// jsonRenderer writes one object, finding by finding, so that a scan of any
// size takes no memory:
//
//	{"version": 1, "tool": "port843", "tool_version": "...", "findings": [...], "summary": {...}}
type jsonRenderer struct {
	w     io.Writer
	opt   Options
	begun bool
	sum   Summary
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
	separator := ",\n    "
	if !r.begun {
		separator = "\n    "
		if err := r.begin(); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(jsonFinding{
		Code: f.Code, Severity: f.Severity.String(), Place: f.Place, Line: f.Line, Column: f.Column, EndLine: f.EndLine, EndCol: f.EndCol,
		Message: f.Message, Gain: f.Gain, Hint: f.Hint, Fix: jsonFixOf(f.Fix),
	}, "    ", "  ")
	if err != nil {
		return err
	}
	_, err = r.w.Write(append([]byte(separator), ascii(data)...))
	return err
}

// begin writes what stands before the findings.
func (r *jsonRenderer) begin() error {
	r.begun = true
	version, err := json.Marshal(r.opt.Version)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.w, "{\n  \"version\": %d,\n  \"tool\": \"port843\",\n  \"tool_version\": %s,\n  \"findings\": [", JSONVersion, ascii(version))
	return err
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
	end := "\n  ]"
	if !r.begun {
		end = "]"
		if err := r.begin(); err != nil {
			return err
		}
	}
	r.sum.Places = places
	data, err := json.MarshalIndent(r.sum, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.w, "%s,\n  \"summary\": %s\n}\n", end, data)
	return err
}

// ascii writes what is not ASCII in JSON as escapes, so that a file's name
// cannot do anything to the terminal that shows it.
func ascii(data []byte) []byte {
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
	return b.Bytes()
}
