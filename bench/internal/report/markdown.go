package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// missing stands where nothing was measured.
const missing = "—"

// Tables writes the targets and a table for each measure that has samples, as
// Markdown that is fit for a terminal too.
func Tables(w io.Writer, r *Results) error {
	var b strings.Builder
	if r.Quick {
		b.WriteString("These figures come from a shortened run, with fewer connections than the titles say: they show that the harness works, and no more.\n\n")
	}
	targets(&b, r)
	for _, m := range Measures {
		table(&b, r, m)
	}
	programs(&b, r)
	if len(r.LeftOut) > 0 {
		b.WriteString("## Left out\n\n")
		for _, s := range r.LeftOut {
			b.WriteString("- " + s + "\n")
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func targets(b *strings.Builder, r *Results) {
	rows := [][]string{{"target", "bound", "figure", ""}}
	for _, o := range r.Outcomes() {
		text := o.Text
		if o.Of == bestPeer && o.Against != "" {
			text += " (" + o.Against + ")"
		}
		figure := missing
		if o.Measured {
			figure = number(o.Figure, 2)
		}
		rows = append(rows, []string{text, o.bound(), figure, o.verdict()})
	}
	b.WriteString("## Targets\n\n")
	grid(b, rows)
}

func table(b *strings.Builder, r *Results, m Measure) {
	head := []string{"server"}
	for _, c := range m.Columns {
		head = append(head, c.Title)
		if c.Ratio {
			head = append(head, "to "+Reference)
		}
	}
	rows := [][]string{append(head, "rounds")}
	var notes []string
	for _, c := range r.Contenders {
		if r.rounds(m.ID, c.ID) > 0 {
			rows = append(rows, row(r, m, c))
		}
		for _, s := range r.Samples {
			if s.Measure == m.ID && s.Contender == c.ID && s.Note != "" {
				notes = append(notes, fmt.Sprintf("- %s, round %d: %s\n", c.Title, s.Round, s.Note))
			}
		}
	}
	if len(rows) == 1 && len(notes) == 0 {
		return
	}
	b.WriteString("## " + m.Title + "\n\n" + m.About + "\n\n")
	if len(rows) > 1 {
		grid(b, rows)
	}
	if len(notes) > 0 {
		b.WriteString(strings.Join(notes, "") + "\n")
	}
}

func row(r *Results, m Measure, c Contender) []string {
	out := []string{c.Title}
	for _, col := range m.Columns {
		cell := missing
		if v, ok := r.Figure(m.ID, c.ID, col); ok {
			cell = number(v, col.Digits)
			if col.Percent {
				cell = number(100*v, 0) + " %"
			}
		}
		out = append(out, cell)
		if col.Ratio {
			cell = missing
			if v, ok := r.Ratio(m.ID, col.Key, c.ID, Reference); ok {
				cell = number(v, 2)
			}
			out = append(out, cell)
		}
	}
	return append(out, strconv.Itoa(r.rounds(m.ID, c.ID)))
}

func programs(b *strings.Builder, r *Results) {
	rows := [][]string{{"server", "version", "program, MB", "what it is"}}
	for _, c := range r.Contenders {
		size := missing
		if c.Bytes > 0 {
			size = number(float64(c.Bytes)/1e6, 1)
		}
		rows = append(rows, []string{c.Title, c.Version, size, c.About})
	}
	b.WriteString("## The servers\n\n")
	grid(b, rows)
}

// grid writes a Markdown table whose columns line up in a terminal as well:
// figures to the right, text to the left.
func grid(b *strings.Builder, rows [][]string) {
	width := make([]int, len(rows[0]))
	figures := make([]bool, len(rows[0]))
	for i := range figures {
		figures[i] = len(rows) > 1
		for n, r := range rows {
			width[i] = max(width[i], 3, utf8.RuneCountInString(r[i]))
			if n > 0 && !strings.ContainsAny(firstRune(r[i]), "-0123456789≤≥"+missing) {
				figures[i] = false
			}
		}
	}
	for n, r := range rows {
		for i, cell := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if figures[i] {
				cell, pad = pad, cell
			}
			b.WriteString("| " + cell + pad + " ")
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, w := range width {
			if figures[i] {
				b.WriteString("|" + strings.Repeat("-", w+1) + ":")
			} else {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
		}
		b.WriteString("|\n")
	}
	b.WriteString("\n")
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// number writes v with so many digits after the point, and commas.
func number(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	whole, rest, _ := strings.Cut(s, ".")
	if rest != "" {
		rest = "." + rest
	}
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole + rest
}
