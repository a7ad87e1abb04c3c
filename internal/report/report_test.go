package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/port843/port843/lint"
)

const policyText = "<cross-domain-policy>\n\t<site-control permitted-cross-domain-policies=\"master-only\"/>\n\t<allow-access-from domain=\"*\" to-ports=\"9000-9001\"/>\n</cross-domain-policy>\n"

func render(t *testing.T, format string, color bool, findings []Finding) string {
	t.Helper()
	var b bytes.Buffer
	r, err := New(format, &b, Options{Version: "v1", Rules: LintRules(), Color: color})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if err := r.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(1); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func policyFindings() []Finding {
	return FromLint("a/p.xml", []byte(policyText), lint.Check([]byte(policyText), lint.Options{}))
}

// hostile is a finding in which everything is meant to harm.
func hostile() Finding {
	const evil = "\x1b[2J\r\n::error::forged,a:b%0A<script>\u202e\u2028\xff\x7f"
	return Finding{
		Code: "c" + evil, Severity: lint.Error, Place: "p" + evil, Line: 1, Column: 3, EndLine: 1, EndCol: 5,
		Message: "m" + evil, Gain: "g" + evil, Hint: "h" + evil, Source: "s" + evil, Fix: &lint.Fix{Message: "f" + evil, Edits: []lint.Edit{{Start: 0, End: 1, New: evil}}},
	}
}

func TestText(t *testing.T) {
	const want = `a/p.xml:3:29: warning: every site may connect to ports 9000-9001 [any-domain]
     <allow-access-from domain="*" to-ports="9000-9001"/>
                                ^
  gain: any page that a user opens may use that user's network position, and over HTTP that user's cookies, to reach what the rule names and to read the answers
  fix:  name the domains that your own pages are served from
a/p.xml:3:42: note: Lightspark reads only the first port of a range, Unity not the last one [range-misread]
     <allow-access-from domain="*" to-ports="9000-9001"/>
                                             ^^^^^^^^^
  gain: nothing; but the same file grants less to some clients
  fix:  write the ports one by one
0 errors, 1 warning, 1 note in 1 place
`
	if got := render(t, "text", false, policyFindings()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := render(t, "text", false, nil); got != "" {
		t.Errorf("nothing was found, and %q was said", got)
	}
	colored := render(t, "text", true, policyFindings())
	if !strings.Contains(colored, yellow+"warning"+reset) || strings.NewReplacer(reset, "", bold, "", red, "", yellow, "", cyan, "").Replace(colored) != want {
		t.Errorf("in colour:\n%q", colored)
	}
}

// TestExcerpt holds that the carets stand under the place, whatever the line.
func TestExcerpt(t *testing.T) {
	long := strings.Repeat("a", 1000) + "XYZ" + strings.Repeat("b", 1000)
	for _, c := range []struct {
		f           Finding
		line, caret string
	}{
		{Finding{Source: "\tab\x1bcd", Line: 1, Column: 5, EndLine: 1, EndCol: 6}, ` ab\x1bcd`, "       ^"},
		{Finding{Source: "ab", Line: 1, Column: 1, EndLine: 2, EndCol: 1}, "ab", "^^"},
		{Finding{Source: "ab", Line: 1, Column: 9, EndLine: 1, EndCol: 12}, "ab", "  ^"},
		{Finding{Source: "ab", Line: 1, Column: 2, EndLine: 1, EndCol: 1}, "ab", " ^"},
		{Finding{Source: long, Line: 1, Column: 1001, EndLine: 1, EndCol: 1004}, strings.Repeat("a", 60) + "XYZ" + strings.Repeat("b", 57), strings.Repeat(" ", 60) + "^^^"},
	} {
		if line, caret := excerpt(c.f); line != c.line || caret != c.caret {
			t.Errorf("%+v:\n%q\n%q, want\n%q\n%q", c.f, line, caret, c.line, c.caret)
		}
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Version  int
		Tool     string
		Findings []jsonFinding
		Summary  Summary

		ToolVersion string `json:"tool_version"`
	}
	if err := json.Unmarshal([]byte(render(t, "json", false, policyFindings())), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != JSONVersion || got.Tool != "port843" || got.ToolVersion != "v1" || got.Summary != (Summary{Warnings: 1, Notes: 1, Places: 1}) || len(got.Findings) != 2 {
		t.Fatalf("%+v", got)
	}
	f := got.Findings[1]
	if f.Code != "range-misread" || f.Line != 3 || f.Column != 42 || f.EndCol != 51 || f.Fix == nil || f.Fix.Edits[0] != (jsonEdit{126, 135, "9000,9001"}) {
		t.Errorf("%+v, %+v", f, f.Fix)
	}
	if got := render(t, "json", false, nil); !strings.Contains(got, `"findings": []`) {
		t.Errorf("without findings: %s", got)
	}
}

func TestSARIF(t *testing.T) {
	s := loadSchema(t)
	everything := policyFindings()
	for _, r := range lint.Rules() {
		text := []byte(r.Bad.Text)
		everything = append(everything, FromLint("http://example.org/a b.xml", text, lint.Check(text, r.Bad.Options))...)
	}
	everything = append(everything, hostile(), Finding{Code: "other", Place: "/abs/ü:x.xml", Message: "no place in it"}, Finding{Code: "other", Place: "-", Message: "m"})
	for name, findings := range map[string][]Finding{"nothing": nil, "everything": everything} {
		got := render(t, "sarif", false, findings)
		for _, bad := range s.validate([]byte(got)) {
			t.Errorf("%s: %s", name, bad)
		}
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(render(t, "sarif", false, policyFindings())), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	r := run.Results[1]
	if len(run.Tool.Driver.Rules) != len(lint.Rules()) || run.Tool.Driver.Rules[*r.RuleIndex].ID != "range-misread" || r.Level != "note" || r.Locations[0].Physical.Artifact.URI != "a/p.xml" {
		t.Errorf("%+v", r)
	}
}

func TestGitHub(t *testing.T) {
	f := Finding{Code: "any-domain", Severity: lint.Warning, Place: "a,b:c/100%.xml", Line: 3, Column: 5, EndLine: 3, EndCol: 9, Message: "50% of it", Gain: "much", Hint: "none"}
	const want = "::warning file=a%2Cb%3Ac/100%25.xml,line=3,col=5,endLine=3,endColumn=9,title=any-domain::50%25 of it%0AAn attacker gains: much%0AFix: none\n"
	if got := render(t, "github", false, []Finding{f}); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	whole := Finding{Code: "c", Place: "p", Message: "m"}
	if got := render(t, "github", false, []Finding{whole}); got != "::notice file=p,title=c::m\n" {
		t.Errorf("%q", got)
	}
}

// TestHostile holds that nothing but printable ASCII and line feeds comes out
// of any format, and no line that the finding has made.
func TestHostile(t *testing.T) {
	for _, format := range Formats {
		got := render(t, format, false, []Finding{hostile()})
		if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
			t.Errorf("%s: %q", format, got)
		}
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "::error::forged") {
				t.Errorf("%s: a forged line %q", format, line)
			}
		}
	}
	if got := render(t, "github", false, []Finding{hostile()}); strings.Count(got, "\n") != 1 {
		t.Errorf("more than one command: %q", got)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	for _, format := range Formats {
		r, err := New(format, brokenWriter{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Add(Finding{Message: "m"}), r.Close(1)); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := New("xml", io.Discard, Options{}); err == nil {
		t.Error("a format that there is not")
	}
}

func TestWorst(t *testing.T) {
	if _, ok := Worst(nil); ok {
		t.Error("nothing has a worst")
	}
	if worst, ok := Worst(policyFindings()); !ok || worst != lint.Warning {
		t.Errorf("%v", worst)
	}
}
