package main

import (
	"strings"
	"unicode/utf8"
)

// sheet is text that is laid out for a terminal: lines are wrapped and tables
// become lists where they are too wide. What is put on it must be fit to be
// shown; see package escape.
type sheet struct {
	width int // of the terminal, in characters; 0: as wide as it gets
	lines []string
}

// leastWidth is the least that a text is wrapped to: below it there is nothing
// to be read.
const leastWidth = 20

// put adds a text, behind an indentation; further lines of it are indented by
// two more.
func (s *sheet) put(indent, text string) {
	room := max(s.width, leastWidth)
	line := indent
	empty := true
	for word := range strings.SplitSeq(text, " ") {
		if s.width > 0 && !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			s.lines = append(s.lines, line)
			line, empty = indent+"  ", true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	s.lines = append(s.lines, strings.TrimRight(line, " "))
}

// title adds an empty line and a heading.
func (s *sheet) title(text string) {
	s.lines = append(s.lines, "")
	s.put("", text)
}

// column is one of a grid.
type column struct {
	head  string
	right bool // numbers
}

// grid adds a table with its columns aligned. Where it is wider than the
// sheet each row becomes a list, under its first cell.
func (s *sheet) grid(indent string, columns []column, rows [][]string) {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	total := len(indent) + 2*(len(columns)-1)
	for _, w := range widths {
		total += w
	}
	if s.width > 0 && total > s.width {
		s.list(indent, columns, rows)
		return
	}
	aligned := func(cells []string) {
		var b strings.Builder
		b.WriteString(indent)
		for i, cell := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if columns[i].right {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString(cell)
		}
		s.lines = append(s.lines, strings.TrimRight(b.String(), " "))
	}
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	aligned(heads)
	for _, row := range rows {
		aligned(row)
	}
}

// list adds the rows of a grid that is too wide, the numbers of a row
// together. What a cell does not say is left out.
func (s *sheet) list(indent string, columns []column, rows [][]string) {
	for _, row := range rows {
		s.put(indent, row[0])
		var numbers []string
		flush := func() {
			if len(numbers) > 0 {
				s.put(indent+"  ", strings.Join(numbers, ", "))
			}
			numbers = nil
		}
		for i, cell := range row[1:] {
			c := columns[i+1]
			said := listHead(c.head) + ": " + cell
			switch {
			case cell == "" || cell == nothing:
			case c.right:
				numbers = append(numbers, said)
			default:
				flush()
				s.put(indent+"  ", said)
			}
		}
		flush()
	}
}

// listHead is a column's head within a list: headings are in capitals only
// where they are headings. Names, which are not ours, stay as they are.
func listHead(head string) string {
	if head == strings.ToUpper(head) {
		return strings.ToLower(head)
	}
	return head
}

// nothing is a cell that says no.
const nothing = "-"

// text returns everything, cut to a height: 0 is everything. What is left out
// is said in the last line.
func (s *sheet) text(height int) string {
	lines := s.lines
	if height > 1 && len(lines) > height-1 {
		kept := height - 2
		lines = append(lines[:kept:kept], count(len(lines)-kept, "line")+" more: without --watch everything is shown")
	}
	return strings.Join(lines, "\n") + "\n"
}
