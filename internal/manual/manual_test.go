package manual

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func tree() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "A tool", Long: "A tool.\n\nExit codes: 0 yes, 1 no."}
	run := func(*cobra.Command, []string) {}
	verb := &cobra.Command{
		Use: "do WHAT", Short: "Do it", Run: run,
		Long:    "Do does '*.example.com' \\ and `that` ~ ^.\n.starts with a point.\n\n  indented\n    more\n\nAfter.\n\nExit codes: 0 done.",
		Example: "  tool do --well it\n  tool do -q it",
	}
	verb.Flags().BoolP("quick", "q", false, "at once")
	verb.Flags().Int("times", 3, "do it `N` times")
	verb.Flags().String("secret", "", "hidden")
	if err := verb.Flags().MarkHidden("secret"); err != nil {
		panic(err)
	}
	root.AddCommand(verb,
		&cobra.Command{Use: "ghost", Short: "Hidden", Run: run, Hidden: true},
		&cobra.Command{Use: "wire", Short: "On the wire", Long: "Bytes."})
	return root
}

func page(t *testing.T, file string) string {
	t.Helper()
	for _, p := range Pages(tree(), "v1", []byte("# a key\nkey = 1 # its 'default'\n")) {
		if p.File() == file {
			return string(p.Roff)
		}
	}
	t.Fatalf("there is no page %s", file)
	return ""
}

func TestPagesAreThoseOfTheTree(t *testing.T) {
	var files []string
	for _, p := range Pages(tree(), "v1", nil) {
		files = append(files, p.File())
	}
	if got, want := strings.Join(files, " "), "tool-do.1 tool-wire.7 tool.1 tool.toml.5"; got != want {
		t.Errorf("pages are %s, want %s", got, want)
	}
}

func TestVerbPage(t *testing.T) {
	got := page(t, "tool-do.1")
	for _, want := range []string{
		".TH TOOL\\-DO 1 \"\" \"port843 v1\" \"tool manual\"\n",
		"tool\\-do \\- do it\n",
		"Do does \\(aq*.example.com\\(aq \\e and \\(gathat\\(ga \\(ti \\(ha.\n\\&.starts with a point.\n",
		".sp\n.RS 4\n.EX\nindented\n  more\n.EE\n.RE\n.PP\nAfter.\n",
		".SH EXIT STATUS\n0 done.\n",
		"\\fB\\-q\\fR, \\fB\\-\\-quick\\fR\nat once\n",
		"\\fB\\-\\-times\\fR \\fIN\\fR\ndo it N times (default 3)\n",
		".SH EXAMPLES\n.RS 4\n.EX\ntool do \\-\\-well it\ntool do \\-q it\n.EE\n.RE\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a hidden flag is in the page")
	}
}

func TestRootAndConfigPages(t *testing.T) {
	root := page(t, "tool.1")
	for _, want := range []string{".B tool\\-do(1)\nDo it.\n", ".B tool\\-wire(7)\nOn the wire.\n", ".SH EXIT STATUS\n0 yes, 1 no.\n"} {
		if !strings.Contains(root, want) {
			t.Errorf("the page lacks %q:\n%s", want, root)
		}
	}
	if strings.Contains(root, "ghost") {
		t.Error("a hidden verb is in the page")
	}
	if got := page(t, "tool.toml.5"); !strings.Contains(got, ".EX\n# a key\nkey = 1 # its \\(aqdefault\\(aq\n.EE\n") {
		t.Errorf("the config is not in its page:\n%s", got)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	pages := Pages(tree(), "v1", nil)
	paths, err := Write(dir, pages)
	if err != nil || len(paths) != len(pages) {
		t.Fatalf("%v, %v", paths, err)
	}
	again := Pages(tree(), "v1", nil)
	for i, p := range paths {
		got, err := os.ReadFile(p)
		if err != nil || !bytes.Equal(got, again[i].Roff) {
			t.Errorf("%s: %v, or other bytes the second time", p, err)
		}
	}
	if _, err := Write(paths[0], pages); err == nil {
		t.Error("a file was taken for a folder")
	}
}
