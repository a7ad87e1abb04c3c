package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/conform"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/docs"
	"github.com/port843/port843/lint"
	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// pages reads every document of the module: the path from its root, and the
// page.
func pages(t *testing.T) map[string]*docs.Page {
	t.Helper()
	root, out := filepath.Join("..", ".."), map[string]*docs.Page{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := path != root && strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "node_modules" || e.Name() == "out"
		if e.IsDir() && hidden {
			return fs.SkipDir
		}
		if e.IsDir() || filepath.Ext(path) != ".md" || e.Name() == "CHANGELOG.md" {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		page, err := docs.Read(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		out[filepath.ToSlash(rel)] = page
		return nil
	})
	if err != nil || len(out) < 15 {
		t.Fatalf("%d pages: %v", len(out), err)
	}
	return out
}

// languages that a block may be in, and what holds it to be right.
var languages = map[string]string{
	"console": "its commands are run, and what they print is compared",
	"sh":      "its commands are run",
	"bat":     "its command lines are parsed",
	"toml":    "it is loaded as a config",
	"xml":     "it is parsed and linted as a policy",
	"go":      "it is parsed, and what it names exists",
	"yaml":    "read by the tool that it is for, where a command of the page does so",
	"html":    "nothing",
	"ini":     "a real systemd runs the unit with it, in the tests of the packages",
	"nginx":   "it is loaded by nginx, where a command of the page does so",
	"text":    "nothing",
}

// TestDocsBlocks holds each block of the documents to its language.
func TestDocsBlocks(t *testing.T) {
	seen := map[string]int{}
	for name, page := range pages(t) {
		for _, b := range page.Blocks {
			seen[b.Lang]++
			if _, ok := languages[b.Lang]; !ok {
				t.Errorf("%s:%d: %q is no language that a test knows: say text where it is nothing else", name, b.Line, b.Lang)
			}
			if b.Mark == docs.Part || name == generatedRules {
				continue
			}
			switch b.Lang {
			case "toml":
				_, err := config.Parse(filepath.Join(t.TempDir(), "port843.toml"), []byte(b.Text))
				if (err != nil) != (b.Mark == docs.Wrong) {
					t.Errorf("%s:%d: as a config: %v, and its mark is %q", name, b.Line, err, b.Mark)
				}
			case "xml":
				_, err := policy.Parse([]byte(b.Text))
				grave := slices.ContainsFunc(lint.Check([]byte(b.Text), lint.Options{}), func(f lint.Finding) bool { return f.Severity == lint.Error })
				if (err != nil || grave) != (b.Mark == docs.Wrong) {
					t.Errorf("%s:%d: as a policy: %v, grave findings of the linter: %v, and its mark is %q", name, b.Line, err, grave, b.Mark)
				}
			case "go":
				goBlock(t, name, b)
			}
		}
	}
	for lang := range languages {
		if seen[lang] == 0 {
			t.Errorf("there is no block in %s: the test reads the wrong place, or the language can go", lang)
		}
	}
}

// generatedRules is made from the rules, whose own tests run both examples of
// each.
const generatedRules = "docs/rules.md"

// goBlock wants statements that parse, and of packages of this module only
// names that there are.
func goBlock(t *testing.T, page string, b docs.Block) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {\n"+b.Text+"}\n", 0)
	if err != nil {
		t.Errorf("%s:%d: %v", page, b.Line, err)
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				wantName(t, page, b.Line, pkg.Name, sel.Sel.Name)
			}
		}
		return true
	})
}

// libraries are the packages that documents name, and what each exports.
var libraries = map[string]string{
	"policy": "policy", "server": "server", "frontdoor": "frontdoor", "aggregate": "aggregate", "player": "player", "lint": "lint",
	"audit": "audit", "survey": "audit/survey", "audittest": "audit/audittest", "conform": "conform", "badserver": "conform/badserver",
}

var exported = map[string]map[string]bool{}

func wantName(t *testing.T, page string, line int, pkg, name string) {
	t.Helper()
	dir, ours := libraries[pkg]
	if !ours || !ast.IsExported(name) {
		return
	}
	if exported[pkg] == nil {
		exported[pkg] = map[string]bool{}
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no package %s: %v", dir, err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && id.IsExported() {
					exported[pkg][id.Name] = true
				}
				return true
			})
		}
	}
	if !exported[pkg][name] {
		t.Errorf("%s:%d: package %s has no %s", page, line, pkg, name)
	}
}

var (
	goName  = regexp.MustCompile(`^([a-z]+)\.([A-Z]\w*)`)
	oneFlag = regexp.MustCompile(`^--[a-z][a-z-]+`)
)

// TestDocsCommandLines parses every command line of ours, wherever it stands
// (documents, help, topics), with the real command tree: no document names a
// verb or a flag that there is not.
func TestDocsCommandLines(t *testing.T) {
	lines := 0
	for name, page := range pages(t) {
		for _, b := range page.Blocks {
			lines += commandLine(t, name, b.Line, b.Before, true)
			switch b.Lang {
			case "bat":
				for i, line := range strings.Split(b.Text, "\n") {
					if _, args, ok := strings.Cut(line, `port843.exe\" `); ok {
						lines += commandLine(t, name, b.Line+1+i, "port843 "+strings.TrimSuffix(strings.ReplaceAll(args, `\"`, `'`), `"`), true)
					}
				}
			case "console", "sh":
				for _, s := range b.Steps() {
					lines += commandLine(t, name, s.Line, s.Command, true)
				}
			case "text", "yaml":
				for i, line := range strings.Split(b.Text, "\n") {
					if at := strings.Index(line, "port843 "); at >= 0 && (at == 0 || strings.HasSuffix(line[:at], "run: ")) {
						lines += commandLine(t, name, b.Line+1+i, line[at:], true)
					}
				}
			}
		}
		for _, s := range append(page.Spans, page.Indented()...) {
			switch {
			case oneFlag.MatchString(s.Text) && !othersFlag(s.Text):
				knownFlag(t, name, s)
			case goName.MatchString(s.Text):
				m := goName.FindStringSubmatch(s.Text)
				wantName(t, name, s.Line, m[1], m[2])
			case strings.Contains(s.Text, "port843 "):
				lines += commandLine(t, name, s.Line, s.Text, false)
			}
		}
	}
	for _, c := range commands(newRoot(cli.Streams{})) {
		for _, line := range strings.Split(c.Example, "\n") {
			lines += commandLine(t, "port843 help "+c.Name(), 0, line, true)
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if strings.HasPrefix(line, "  port843 ") && !strings.Contains(line, "   ") {
				lines += commandLine(t, "port843 help "+c.Name(), 0, line, true)
			}
		}
	}
	if lines < 150 {
		t.Errorf("only %d command lines of ours were found", lines)
	}
	t.Logf("%d command lines", lines)
}

// commands are all commands of the tree.
func commands(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		out = append(out, commands(sub)...)
	}
	return out
}

// othersFlag tells a flag of another program that documents name on its own.
func othersFlag(flag string) bool {
	return slices.ContainsFunc([]string{"--now"}, func(f string) bool { return strings.HasPrefix(flag, f) })
}

func knownFlag(t *testing.T, page string, s docs.Span) {
	t.Helper()
	flag := strings.TrimPrefix(oneFlag.FindString(s.Text), "--")
	for _, c := range commands(newRoot(cli.Streams{})) {
		c.InitDefaultHelpFlag()
		c.InitDefaultVersionFlag()
		if c.Flags().Lookup(flag) != nil {
			return
		}
	}
	t.Errorf("%s:%d: no verb has a flag --%s", page, s.Line, flag)
}

// commandLine parses those commands of a shell line that are ours, and
// returns how many there are. whole tells a line that can be run from a
// mention of one.
func commandLine(t *testing.T, page string, line int, text string, whole bool) (n int) {
	t.Helper()
	simple, err := docs.Words(text)
	if err != nil {
		if whole {
			t.Errorf("%s:%d: %v", page, line, err)
		}
		return 0
	}
	for _, words := range simple {
		at := slices.IndexFunc(words, func(w string) bool {
			return w == "port843" || strings.HasSuffix(w, "/port843")
		})
		if at != 0 || len(words) < 2 {
			continue
		}
		n++
		if err := parsed(words[1:], whole); err != nil {
			t.Errorf("%s:%d: port843 %s: %v", page, line, strings.Join(words[1:], " "), err)
		}
		if i := slices.Index(words, "--exec"); i > 0 && i+1 < len(words) {
			n += commandLine(t, page, line, words[i+1], true)
		}
	}
	return n
}

// parsed parses the words behind "port843" as the program does, and runs
// nothing.
func parsed(args []string, whole bool) error {
	root := newRoot(cli.Streams{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "…" })
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		if err == pflag.ErrHelp {
			return nil
		}
		return err
	}
	if cmd.Name() == "help" {
		_, _, err := root.Find(cmd.Flags().Args())
		return err
	}
	if !whole {
		return nil
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	return cmd.ValidateFlagGroups()
}

// TestDocsNumbers holds the figures that documents boast of to what there is.
func TestDocsNumbers(t *testing.T) {
	there := map[string]int{
		"rules":     len(lint.Rules()),
		"cases":     len(conform.Cases()),
		"impostors": len(audittest.All()),
		"clients":   len(player.Profiles()),
		"classes":   len(constants(t, "Class")),
		"faults":    len(constants(t, "Fault")),
	}
	boast := regexp.MustCompile(`\b([0-9]+) (rules for policy files|cases|impostors|clients, step|classes|faults)\b`)
	seen := map[string]int{}
	for name, page := range pages(t) {
		if name == "docs/building.md" || name == "docs/performance.md" {
			continue // rules and classes of another kind
		}
		for i, line := range page.Lines {
			for _, m := range boast.FindAllStringSubmatch(line, -1) {
				what := strings.Trim(strings.Fields(m[2])[0], ",")
				seen[what]++
				if m[1] != strconv.Itoa(there[what]) {
					t.Errorf("%s:%d: %s, and there are %d", name, i+1, m[0], there[what])
				}
			}
		}
	}
	for what := range there {
		if seen[what] == 0 {
			t.Errorf("no document says how many %s there are: the test reads the wrong place", what)
		}
	}
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(constants(t, "Class"), constants(t, "Fault")...) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/audit.md does not name %s", name)
		}
	}
}

// constants returns the values of package audit's constants of a type.
func constants(t *testing.T, typ string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("../../audit/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
					value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
			return true
		})
	}
	return values
}
