package conform_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
)

// TestDocs compares docs/conformance.md with the cases and the mistakes that
// it describes. UPDATE_DOCS=1 writes the generated parts anew.
func TestDocs(t *testing.T) {
	const name = "../docs/conformance.md"
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := replace(t, string(have), "cases", casesAsMarkdown())
	want = replace(t, want, "mistakes", mistakesAsMarkdown())
	if string(have) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s differs from the cases: run UPDATE_DOCS=1 go test -run TestDocs ./conform", name)
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace puts text between the marks of the part.
func replace(t *testing.T, doc, part, text string) string {
	t.Helper()
	begin, end := "<!-- "+part+": generated, see conform/docs_test.go -->\n", "<!-- end of "+part+" -->\n"
	before, rest, ok1 := strings.Cut(doc, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("the marks of %s are missing", part)
	}
	return before + begin + text + end + after
}

func casesAsMarkdown() string {
	var b strings.Builder
	group := ""
	for _, c := range conform.Cases() {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(&b, "\n### %s%s\n", strings.ToUpper(group[:1]), group[1:])
		}
		fmt.Fprintf(&b, "\n**`%s`**: %s.\n\n- Asked: %s\n- Why: %s\n", c.ID, c.Title, c.Asks, c.Why)
	}
	return b.String() + "\n"
}

func mistakesAsMarkdown() string {
	var b strings.Builder
	b.WriteString("\n| server | what it does wrong | cases that it fails |\n|---|---|---|\n")
	for _, m := range badserver.Mistakes() {
		fails := strings.Fields(mustFail[m.Name])
		if len(fails) == 0 {
			fails = []string{"descriptors"}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, m.Does, strings.Join(fails, ", "))
	}
	return b.String() + "\n"
}
