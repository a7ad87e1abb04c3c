// Package manual makes man pages out of the command tree.
//
// # Vocabulary
//
// A page is one file of the manual: port843(1) for the root, port843-VERB(1)
// for each verb, port843-TOPIC(7) for each help topic (a command that cannot
// be run), and port843.toml(5) for the config. What they say is what --help
// says; nothing is written twice.
//
// # Call these first
//
// [Pages] returns them; [Write] puts them into a folder.
//
// # Guarantees
//
// The same tree gives the same bytes: a page carries a version and no date.
// Help is plain text, and comes through as it stands, whatever characters it
// has.
//
// # Why not cobra's own generator
//
// It reads help as Markdown, in which '*.example.com' begins an emphasis and
// an indented line joins the next, and it would bring three more modules into
// the binary.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is one man page.
type Page struct {
	Name    string // such as "port843-serve"
	Section int    // 1, 5 or 7
	Roff    []byte
}

// File is the page's name as man looks for it, such as "port843-serve.1".
func (p Page) File() string { return fmt.Sprintf("%s.%d", p.Name, p.Section) }

// Pages returns the pages of the tree under root, sorted by file name. version
// stands in each page's footer. reference is the config with every key
// explained, for port843.toml(5).
func Pages(root *cobra.Command, version string, reference []byte) []Page {
	m := maker{root: root, version: version}
	pages := []Page{m.rootPage(), m.configPage(reference)}
	for _, c := range root.Commands() {
		switch {
		case c.IsAvailableCommand() && c.Name() != "help":
			pages = append(pages, m.verbPage(c))
		case c.IsAdditionalHelpTopicCommand() && c.Long != "":
			pages = append(pages, m.topicPage(c))
		}
	}
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.File(), b.File()) })
	return pages
}

// Write puts the pages into the folder dir, which it makes where it is not
// there, and returns the paths of the files.
func Write(dir string, pages []Page) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var paths []string
	for _, p := range pages {
		path := filepath.Join(dir, p.File())
		if err := os.WriteFile(path, p.Roff, 0o644); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// exitCodes begins the paragraph of a verb's help that gets a section of its own.
const exitCodes = "Exit codes: "

type maker struct {
	root    *cobra.Command
	version string
}

// name is that of a command's page: the words of its path, joined.
func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func section(c *cobra.Command) int {
	if c.IsAdditionalHelpTopicCommand() {
		return 7
	}
	return 1
}

// begin writes what every page begins with.
func (m *maker) begin(r *roff, page string, section int, short string) {
	r.raw(".TH %s %d \"\" \"%s\" \"%s manual\"", quoted(strings.ToUpper(page)), section, quoted("port843 "+m.version), m.root.Name())
	r.section("NAME")
	r.raw(`%s \- %s`, quoted(page), quoted(lowerFirst(short)))
}

func (m *maker) rootPage() Page {
	var r roff
	c := m.root
	m.begin(&r, c.Name(), 1, c.Short)
	r.section("SYNOPSIS")
	r.raw(`.B %s`, c.Name())
	r.raw(`.I verb`)
	r.raw(`.RI [ flag ...\&]`)
	r.raw(".br\n.B %s help\n.IR verb | topic", c.Name())
	m.body(&r, c)
	m.list(&r, "VERBS", func(c *cobra.Command) bool { return c.IsAvailableCommand() && c.Name() != "help" })
	m.list(&r, "TOPICS", func(c *cobra.Command) bool { return c.IsAdditionalHelpTopicCommand() && c.Long != "" })
	r.section("FILES")
	r.item("/etc/port843/port843.toml", "The config of the packaged service; see port843.toml(5).")
	r.section("SEE ALSO")
	r.references(c.Name()+"-serve(1)", c.Name()+"-build(1)", c.Name()+".toml(5)")
	return Page{c.Name(), 1, r.bytes()}
}

// list writes a section with each of the root's children that want accepts.
func (m *maker) list(r *roff, title string, want func(*cobra.Command) bool) {
	r.section(title)
	for _, c := range m.root.Commands() {
		if want(c) {
			r.item(fmt.Sprintf("%s(%d)", name(c), section(c)), c.Short)
		}
	}
}

func (m *maker) verbPage(c *cobra.Command) Page {
	var r roff
	m.begin(&r, name(c), 1, c.Short)
	r.section("SYNOPSIS")
	r.raw(".B %s", quoted(c.CommandPath()))
	if rest := strings.TrimPrefix(c.UseLine(), c.CommandPath()); rest != "" {
		r.line(strings.TrimSpace(rest))
	}
	m.body(&r, c)
	if c.HasAvailableSubCommands() {
		r.section("SUBCOMMANDS")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				r.item(sub.CommandPath(), sub.Short)
			}
		}
	}
	if c.HasAvailableFlags() {
		r.section("OPTIONS")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { flag(&r, f) })
	}
	if c.Example != "" {
		r.section("EXAMPLES")
		r.text(c.Example)
	}
	r.section("SEE ALSO")
	r.references(m.root.Name() + "(1)")
	return Page{name(c), 1, r.bytes()}
}

func (m *maker) topicPage(c *cobra.Command) Page {
	var r roff
	m.begin(&r, name(c), 7, c.Short)
	m.body(&r, c)
	r.section("SEE ALSO")
	r.references(m.root.Name() + "(1)")
	return Page{name(c), 7, r.bytes()}
}

func (m *maker) configPage(reference []byte) Page {
	var r roff
	m.begin(&r, m.root.Name()+".toml", 5, "Config of the socket policy server port843")
	r.section("DESCRIPTION")
	r.text("The config is a TOML file, read strictly: a key that is not known is refused with its line and column. Every key, explained:")
	r.example(strings.TrimRight(string(reference), "\n"))
	r.section("SEE ALSO")
	r.references(m.root.Name()+"-init(1)", m.root.Name()+"-serve(1)", m.root.Name()+"-build(1)")
	return Page{m.root.Name() + ".toml", 5, r.bytes()}
}

// body writes a command's help: the description, and the exit codes apart.
func (m *maker) body(r *roff, c *cobra.Command) {
	help := c.Long
	if help == "" {
		help = c.Short
	}
	var exits []string
	r.section("DESCRIPTION")
	for _, paragraph := range paragraphs(help) {
		if strings.HasPrefix(paragraph, exitCodes) {
			exits = append(exits, strings.TrimPrefix(paragraph, exitCodes))
			continue
		}
		r.text(paragraph)
	}
	for _, e := range exits {
		r.section("EXIT STATUS")
		r.text(e)
	}
}

// flag writes an option and what it does.
func flag(r *roff, f *pflag.Flag) {
	if f.Hidden || f.Deprecated != "" {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	r.raw(".TP")
	spelled := `\fB` + quoted("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		spelled = `\fB` + quoted("-"+f.Shorthand) + `\fR, ` + spelled
	}
	if value != "" {
		spelled += ` \fI` + quoted(value) + `\fR`
	}
	r.raw("%s", spelled)
	if !strings.Contains(usage, "(default") && !zero(f) {
		usage += " (default " + f.DefValue + ")"
	}
	r.line(usage)
}

// zero reports whether a flag's default says nothing.
func zero(f *pflag.Flag) bool {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return true
	}
	return false
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' || len(s) > 1 && s[1] == ' ' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
