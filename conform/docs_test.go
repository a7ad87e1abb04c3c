package conform_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
	"github.com/port843/port843/internal/docs"
)

// TestDocs compares two documents with the cases and the mistakes that they
// describe. UPDATE_DOCS=1 writes the generated parts anew.
func TestDocs(t *testing.T) {
	update := os.Getenv("UPDATE_DOCS") == "1"
	for _, part := range []struct{ page, name, text string }{
		{"conformance.md", "cases", casesAsMarkdown()},
		{"conformance.md", "mistakes", mistakesAsMarkdown()},
		{"comparing.md", "mistakes", seenAsMarkdown()},
	} {
		if changed, err := docs.WriteGenerated("../docs/"+part.page, part.name, part.text, update); err != nil || changed && !update {
			t.Errorf("docs/%s differs from the %s, %v: run UPDATE_DOCS=1 go test -run TestDocs ./conform", part.page, part.name, err)
		}
	}
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

// seenAsMarkdown says of each mistake where it was seen.
func seenAsMarkdown() string {
	var b strings.Builder
	b.WriteString("\n| mistake | seen at |\n|---|---|\n")
	for _, m := range badserver.Mistakes() {
		fmt.Fprintf(&b, "| %s | %s |\n", m.Does, m.Seen)
	}
	return b.String() + "\n"
}
