package lint

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

var update = flag.Bool("update", false, "write docs/rules.md and the golden table anew")

// TestExamples runs every rule's pair: the bad one breaks its rule, no other,
// at the place that is stated; the good one breaks none.
func TestExamples(t *testing.T) {
	rules := Rules()
	if len(rules) < 50 {
		t.Fatalf("only %d rules", len(rules))
	}
	for _, r := range rules {
		t.Run(r.Code, func(t *testing.T) {
			bad := Check([]byte(r.Bad.Text), r.Bad.Options)
			if len(bad) != 1 || bad[0].Code != r.Code || bad[0].Pos.String() != r.Bad.At {
				t.Errorf("the bad example gives %s, want %s at %s\n%s", codesAt(bad), r.Code, r.Bad.At, r.Bad.Text)
			}
			for _, f := range bad {
				if f.End.Offset < f.Pos.Offset || f.Message == "" || f.Gain == "" || f.Hint == "" {
					t.Errorf("an incomplete finding: %+v", f)
				}
			}
			if good := Check([]byte(r.Good.Text), r.Good.Options); len(good) != 0 {
				t.Errorf("the good example gives %s\n%s", codesAt(good), r.Good.Text)
			}
		})
	}
}

func codesAt(findings []Finding) string {
	var parts []string
	for _, f := range findings {
		parts = append(parts, f.Code+"@"+f.Pos.String())
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// TestRulesAreDocumented holds that each rule is complete, unique and in a
// file of its own.
func TestRulesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Code] {
			t.Errorf("%s stands twice", r.Code)
		}
		seen[r.Code] = true
		if RuleByCode(r.Code) != r {
			t.Errorf("RuleByCode(%q) is another rule", r.Code)
		}
		v := reflect.ValueOf(*r)
		for _, field := range []string{"Code", "Name", "Finds", "Gain", "Clients", "Fix"} {
			if v.FieldByName(field).String() == "" {
				t.Errorf("%s has no %s", r.Code, field)
			}
		}
		if len(r.Kinds()) == 0 {
			t.Errorf("%s applies to nothing", r.Code)
		}
		if _, err := os.Stat("rule_" + strings.ReplaceAll(r.Code, "-", "_") + ".go"); err != nil {
			t.Error(err)
		}
	}
	files, err := filepath.Glob("rule_*.go")
	if err != nil || len(files) != len(seen)+1 {
		t.Errorf("%d files rule_*.go, this test among them, for %d rules (%v)", len(files), len(seen), err)
	}
	if RuleByCode("nothing") != nil {
		t.Error("a rule for a code that there is not")
	}
}

// TestEveryProblemHasARule reads policy's own list of codes, so that a new one
// cannot be forgotten here.
func TestEveryProblemHasARule(t *testing.T) {
	source, err := os.ReadFile("../policy/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(source)) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasPrefix(fields[0], "Code") || fields[1] != "Code" {
			continue
		}
		n++
		code := policy.Code(strings.Trim(fields[3], `"`))
		if problemRules[code] == nil && code != policy.CodeMetaKind {
			t.Errorf("no rule reports %s", code)
		}
	}
	if n < 30 {
		t.Fatalf("only %d codes were found in policy", n)
	}
}

//go:generate go test -run ^TestRulesPage$ -update .

// TestRulesPage holds docs/rules.md to the structs; "go generate" writes it.
func TestRulesPage(t *testing.T) {
	const name = "../docs/rules.md"
	want := rulesPage()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/rules.md is not what the rules say: run go generate ./lint")
	}
}

func rulesPage() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The rules of port843 lint\n\nGenerated from the rules themselves by `go generate ./lint`; both examples of each are run by its tests.\nHow to use them, suppress them and read their output is in [linting.md](linting.md).\n")
	group := Group(255)
	for _, r := range Rules() {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n## %s\n\n| code | severity | what |\n|---|---|---|\n", group)
			for _, x := range Rules() {
				if x.Group == group {
					fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", x.Code, x.Code, x.Severity, x.Name)
				}
			}
		}
		var kinds []string
		for _, k := range r.Kinds() {
			kinds = append(kinds, k.String())
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s: **%s**, for %s.\n\n", r.Code, sentence(r.Name), r.Severity, strings.Join(kinds, ", "))
		fmt.Fprintf(&b, "- Finds: %s\n- An attacker gains: %s.\n- Clients that honour it: %s.\n- Fix: %s.\n\n", markdown(r.Finds), markdown(r.Gain), markdown(r.Clients), markdown(r.Fix))
		writeExample(&b, "Bad", r.Bad)
		writeExample(&b, "Good", r.Good)
	}
	return b.Bytes()
}

// quoted is text in quotes, which the page shows as code.
var quoted = regexp.MustCompile(`"[^"]+"`)

// markdown makes plain text Markdown: what is quoted becomes code, and nothing
// of the rest is markup.
func markdown(text string) string {
	var b strings.Builder
	at := 0
	plain := strings.NewReplacer("*", `\*`, "_", `\_`, "<", "&lt;", "&", "&amp;")
	for _, m := range quoted.FindAllStringIndex(text, -1) {
		plain.WriteString(&b, text[at:m[0]])
		b.WriteString("`" + text[m[0]+1:m[1]-1] + "`")
		at = m[1]
	}
	plain.WriteString(&b, text[at:])
	return b.String()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func writeExample(b *bytes.Buffer, label string, x Example) {
	var parts []string
	o := x.Options
	if o.Kind != KindAuto {
		parts = append(parts, "kind "+o.Kind.String())
	}
	if o.ServedFrom != 0 {
		parts = append(parts, fmt.Sprintf("served from port %d", o.ServedFrom))
	}
	if o.URL != "" {
		parts = append(parts, "at `"+o.URL+"`")
	}
	if o.Fetched {
		parts = append(parts, "sent as `"+o.ContentType+"`")
	}
	if o.Redirect != "" {
		parts = append(parts, "after a redirect to `"+o.Redirect+"`")
	}
	if len(o.Trusted) > 0 {
		parts = append(parts, "trusted: `"+o.Trusted[0].String()+"`")
	}
	if x.At != "" {
		parts = append(parts, "found at "+x.At)
	}
	text := strings.ReplaceAll(x.Text, "\ufeff", "")
	if len(text) > 600 {
		text = text[:300] + "\n  ...\n"
	}
	if len(parts) > 0 {
		label += " (" + strings.Join(parts, ", ") + ")"
	}
	fmt.Fprintf(b, "%s:\n\n```xml\n%s```\n\n", label, text)
}
