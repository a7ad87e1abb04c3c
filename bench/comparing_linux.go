package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/port843/port843/internal/docs"
)

// docs/comparing.md has parts that are made: the figures here, out of
// docs/performance.md, and the cases by a test, out of runs of conform.
const (
	performancePage = "docs/performance.md"
	comparingPage   = "docs/comparing.md"
)

// column is a column of the comparison: where its figures stand in the
// performance page.
type column struct {
	Title, Section, From string
}

var columns = []column{
	{"exchanges/s on a quarter of a processor", "At an equal CPU budget", "exchanges/s"},
	{"CPU at 1,000 a second, µs each", "1,000 exchanges a second", "CPU µs"},
	{"99.9 % of these within, µs", "1,000 exchanges a second", "p99.9 µs"},
	{"ended by RST", "At an equal CPU budget", "ended by RST"},
	{"lost for good of 4,000, 5 % loss", "5 % of all segments lost", "lost for good"},
	{"bytes for an idle connection", "Memory of 10,000 idle connections", "user bytes each"},
	{"exchanges/s beside 50,000 that dribble", "Beside 50,000 dribbling connections, one process", "exchanges/s"},
}

// mdTable reads the first table behind a heading of the second level: its
// header and its rows.
func mdTable(page, heading string) (rows [][]string, err error) {
	_, rest, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		return nil, fmt.Errorf("%s has no section %q", performancePage, heading)
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "), len(rows) > 0 && line == "":
			return rows, nil
		case strings.HasPrefix(line, "|-"):
		case strings.HasPrefix(line, "|"):
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			rows = append(rows, cells)
		}
	}
	return rows, nil
}

// comparedFigures makes the part about speed out of the performance page: a row for
// each server, and the targets that are missed.
func comparedFigures(page string) (string, error) {
	var b strings.Builder
	var servers []string
	cells := map[string]string{} // by server and the column's title
	for _, c := range columns {
		rows, err := mdTable(page, c.Section)
		if err != nil {
			return "", err
		}
		at := 0
		for i, title := range rows[0] {
			if title == c.From {
				at = i
			}
		}
		if at == 0 || len(rows) < 2 {
			return "", fmt.Errorf("%s: %s has no column %q, or no rows", performancePage, c.Section, c.From)
		}
		for _, row := range rows[1:] {
			if _, known := cells[row[0]]; !known {
				cells[row[0]] = ""
				servers = append(servers, row[0])
			}
			cells[row[0]+"\n"+c.Title] = row[at]
		}
	}
	b.WriteString("\n| server |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.Title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, s := range servers {
		fmt.Fprintf(&b, "| %s |", s)
		for _, c := range columns {
			cell := cells[s+"\n"+c.Title]
			if cell == "" {
				cell = "—"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String() + missed(page), nil
}

// missed lists the targets that are not met.
func missed(page string) string {
	rows, err := mdTable(page, "Targets")
	if err != nil {
		return ""
	}
	var b strings.Builder
	all := 0
	for _, row := range rows[1:] {
		if all++; strings.Contains(row[len(row)-1], "missed") {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row[0], row[1], row[2])
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("\nAll %d targets that it set itself are met.\n\n", all)
	}
	return fmt.Sprintf("\nOf the %d targets that it set itself it misses these:\n\n| target | bound | figure |\n|---|---:|---:|\n%s\n", all, b.String())
}

// writeFigures puts the performance page's figures into the comparison.
func writeFigures(root string) error {
	from, err := os.ReadFile(filepath.Join(root, performancePage))
	if err != nil {
		return err
	}
	text, err := comparedFigures(string(from))
	if err != nil {
		return err
	}
	_, err = docs.WriteGenerated(filepath.Join(root, comparingPage), "figures", text, true)
	return err
}
