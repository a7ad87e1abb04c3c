package docs

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Kind is what a comment above a block says of it.
type Kind string

// The kinds of marks; None where there is no comment.
const (
	None   Kind = ""
	NotRun Kind = "not run"
	InTime Kind = "in time"
	InTree Kind = "in the tree"
	Wrong  Kind = "wrong"
	Part   Kind = "part"
	Screen Kind = "screen"
)

// Block is one fenced block.
type Block struct {
	Line   int    // of the opening fence, from 1
	Lang   string // behind the fence
	Text   string // between the fences, every line with its end
	Mark   Kind
	Reason string // of the mark
	File   string // the path that its first line names, or ""
	Before string // commands that make the situation, or ""
}

// Span is one piece of code within prose.
type Span struct {
	Line int
	Text string
}

// Page is one document.
type Page struct {
	Path   string
	Lines  []string // without their ends
	Blocks []Block
	Spans  []Span
}

var (
	mark  = regexp.MustCompile(`^<!-- (before|not run|in time|in the tree|wrong|part|screen): (.+) -->$`)
	span  = regexp.MustCompile("`([^`]+)`")
	named = regexp.MustCompile(`^(?:# |// |<!-- )([\w./-]+\.\w+)(?: -->)?$`)
)

// Read reads a page. It returns an error for a fence that is indented, is not
// closed or names no language, and for a comment above a block that is no mark.
func Read(path string) (*Page, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &Page{Path: path, Lines: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
	var prose strings.Builder // with an empty line for each that is not prose
	for i := 0; i < len(p.Lines); i++ {
		line := p.Lines[i]
		if strings.HasPrefix(strings.TrimSpace(line), "```") && line[0] != '`' {
			return nil, fmt.Errorf("%s:%d: a fence begins its line, so that no block is missed", path, i+1)
		}
		if !strings.HasPrefix(line, "```") {
			if strings.HasPrefix(line, "    ") {
				line = "" // an indented block: looked at by [Page.Indented]
			}
			prose.WriteString(line + "\n")
			continue
		}
		b := Block{Line: i + 1, Lang: strings.TrimPrefix(line, "```")}
		if b.Lang == "" {
			return nil, fmt.Errorf("%s:%d: the fence names no language (text, where it is nothing else)", path, b.Line)
		}
		if err := b.marked(p.Lines[:i]); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, b.Line-1, err)
		}
		end := i + 1
		for end < len(p.Lines) && p.Lines[end] != "```" {
			end++
		}
		if end == len(p.Lines) {
			return nil, fmt.Errorf("%s:%d: the block is not closed", path, b.Line)
		}
		for _, l := range p.Lines[i+1 : end] {
			b.Text += l + "\n"
		}
		if m := named.FindStringSubmatch(p.Lines[i+1]); m != nil && b.Lang != "console" && b.Lang != "sh" {
			b.File = m[1]
		}
		p.Blocks = append(p.Blocks, b)
		prose.WriteString(strings.Repeat("\n", end-i+1))
		i = end
	}
	p.spans(prose.String())
	return p, nil
}

// marked takes the comments right above the block.
func (b *Block) marked(above []string) error {
	for len(above) > 0 && strings.HasPrefix(above[len(above)-1], "<!-- ") {
		line := above[len(above)-1]
		above = above[:len(above)-1]
		m := mark.FindStringSubmatch(line)
		switch {
		case m == nil:
			return fmt.Errorf("a comment above a block is a mark on one line, with a reason: %q", line)
		case m[1] == "before":
			b.Before = m[2] + "\n" + b.Before
		default:
			b.Mark, b.Reason = Kind(m[1]), m[2]
		}
	}
	return nil
}

// spans finds the code within prose. A span may go over the end of a line, but
// not over an empty one.
func (p *Page) spans(prose string) {
	for _, m := range span.FindAllStringSubmatchIndex(prose, -1) {
		text := prose[m[2]:m[3]]
		if strings.Contains(text, "\n\n") {
			continue
		}
		p.Spans = append(p.Spans, Span{Line: 1 + strings.Count(prose[:m[0]], "\n"), Text: strings.Join(strings.Fields(text), " ")})
	}
}

// Indented returns the lines that are code by their indentation alone.
func (p *Page) Indented() []Span {
	var out []Span
	fenced := false
	for i, line := range p.Lines {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if !fenced && strings.HasPrefix(line, "    ") {
			out = append(out, Span{Line: i + 1, Text: strings.TrimSpace(line)})
		}
	}
	return out
}

// Step is one command of a session and what appears below it.
type Step struct {
	Line    int // of the command in the page
	Command string
	Want    string
	From    int // the lines of the page that are Want: [From, To), from 0
	To      int
}

// Steps returns the commands of a block of "console" or "sh".
func (b Block) Steps() []Step {
	lines := strings.Split(strings.TrimSuffix(b.Text, "\n"), "\n")
	if b.Lang == "sh" {
		return []Step{{Line: b.Line + 1, Command: b.Text}}
	}
	var out []Step
	for i, line := range lines {
		at := b.Line + 1 + i // of this line in the page, from 1
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			out = append(out, Step{Line: at, Command: command, From: at, To: at})
			continue
		}
		if len(out) == 0 {
			continue
		}
		last := &out[len(out)-1]
		if more, ok := strings.CutPrefix(line, "> "); ok && last.Want == "" {
			last.Command += "\n" + more
			last.From, last.To = at, at
			continue
		}
		last.Want += line + "\n"
		last.To = at
	}
	return out
}

// Match tells whether got is what want shows: "…" alone on a line is any
// number of lines, "…" within a line is any text there. A NUL shows nothing on
// a terminal, so it counts for nothing.
func Match(want, got string) bool {
	var b strings.Builder
	b.WriteString("^")
	for line := range strings.Lines(want) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			b.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		b.WriteString(strings.Join(parts, `[^\n]*`) + `\n`)
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String()).MatchString(Shown(got))
}

// Shown is what a terminal shows of an output: no NUL, and the last line ended.
func Shown(output string) string {
	output = strings.ReplaceAll(output, "\x00", "")
	if output != "" && !strings.HasSuffix(output, "\n") {
		output += "\n"
	}
	return output
}
