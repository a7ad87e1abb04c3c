package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/lint"
)

// textRenderer writes for people:
//
//	file:line:column: severity: message [code]
//	    the line
//	        ^^^^
//	  gain: what an attacker gains
//	  fix:  what to do
type textRenderer struct {
	w     io.Writer
	color bool
	sum   Summary
}

// shown bounds what a name or message takes on the screen, in bytes.
const shown = 400

// Colours as terminals have them.
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

func (r *textRenderer) paint(color, text string) string {
	if !r.color {
		return text
	}
	return color + text + reset
}

func (r *textRenderer) Add(f Finding) error {
	r.sum.add(f.Severity)
	var b strings.Builder
	place := escape.Text(f.Place, shown)
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", place, f.Line, f.Column)
	}
	color := cyan
	switch f.Severity {
	case lint.Error:
		color = red
	case lint.Warning:
		color = yellow
	}
	fmt.Fprintf(&b, "%s: %s: %s [%s]\n", r.paint(bold, place), r.paint(color, f.Severity.String()), escape.Text(f.Message, shown), escape.Text(f.Code, shown))
	if f.Source != "" && f.Line > 0 {
		line, caret := excerpt(f)
		fmt.Fprintf(&b, "    %s\n    %s\n", line, r.paint(color, caret))
	}
	if f.Gain != "" {
		fmt.Fprintf(&b, "  gain: %s\n", escape.Text(f.Gain, shown))
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "  fix:  %s\n", escape.Text(f.Hint, shown))
	}
	_, err := io.WriteString(r.w, b.String())
	return err
}

// Columns of a line that are shown, and how many of them before the place.
const (
	excerptWidth  = 120
	excerptBefore = 60
)

// excerpt returns the part of the line around the finding, escaped, and the
// carets under it.
func excerpt(f Finding) (line, caret string) {
	runes := []rune(strings.ReplaceAll(f.Source, "\t", " "))
	at := min(max(f.Column-1, 0), len(runes))
	start := 0
	if len(runes) > excerptWidth {
		start = max(0, min(at-excerptBefore, len(runes)-excerptWidth))
	}
	end := min(len(runes), start+excerptWidth)
	to := end
	if f.EndLine == f.Line {
		to = min(max(f.EndCol-1, at), end)
	}
	before := escapeRunes(runes[start:min(at, end)])
	within := escapeRunes(runes[min(at, end):max(to, min(at, end))])
	line = before + within + escapeRunes(runes[max(to, min(at, end)):end])
	caret = strings.Repeat(" ", len(before)) + strings.Repeat("^", max(1, len(within)))
	return line, caret
}

func escapeRunes(r []rune) string { s := string(r); return escape.Text(s, len(s)) }

func (r *textRenderer) Close(places int) error {
	if r.sum == (Summary{}) {
		return nil
	}
	_, err := fmt.Fprintf(r.w, "%s, %s, %s in %s\n", count(r.sum.Errors, "error"), count(r.sum.Warnings, "warning"), count(r.sum.Notes, "note"), count(places, "place"))
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
