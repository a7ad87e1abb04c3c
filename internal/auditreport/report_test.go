package auditreport

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/audit/survey"
)

// hostile is a record whose texts try everything.
func hostile() *survey.Record {
	return &survey.Record{
		Version: 1, IP: netip.MustParseAddr("127.0.0.1"), Port: 843, Name: `=cmd|'/c calc'!A1`, Class: audit.ClassPolicy, Confidence: 1,
		Faults: []audit.Fault{}, Product: `<script>alert(1)</script>`, Why: "-1+1 | [link](http://x) `code`", Banner: "@SUM(A1)",
		Policy:   &survey.Policy{SiteControl: "+1", AllowAccessFrom: []survey.Access{{Domain: `"><img src=x onerror=alert(1)>`, ToPorts: "*"}, {Domain: "*", ToPorts: "80"}}},
		Findings: []survey.Finding{{Code: "x", Severity: survey.Error, Message: "</table><script>alert(2)</script>"}},
	}
}

func render(t *testing.T, f Format, records ...*survey.Record) string {
	t.Helper()
	var b bytes.Buffer
	m := Meta{Version: "1", Command: `port843 scan <i>`, Started: time.Unix(0, 0), Finished: time.Unix(2, 0), Targets: uint64(len(records)), Complete: true}
	w, err := New(f, &b, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHostileTexts(t *testing.T) {
	for _, f := range Formats {
		out := render(t, f, hostile())
		for _, no := range map[Format][]string{
			"html":     {"<script>alert", "<img", "<i>"},
			"markdown": {"<script", "<img", "[link](", "`code`"},
			"csv":      {"\n=", ",=", ",+", ",-", ",@"},
			"nmap":     {"<script>alert", "<img"},
			"junit":    {"<script", "<img"},
			"jsonl":    {"<script", "<img"},
			"sarif":    {"<script", "<img"},
		}[f] {
			if strings.Contains(out, no) {
				t.Errorf("%s: %q is in the output:\n%s", f, no, out)
			}
		}
	}
	if _, err := New("pdf", io.Discard, Meta{}); err == nil {
		t.Error("the format pdf is taken")
	}
}

func TestGroups(t *testing.T) {
	rule := func(domain, ports string) *survey.Policy {
		return &survey.Policy{AllowAccessFrom: []survey.Access{{Domain: domain, ToPorts: ports}}}
	}
	for _, c := range []struct {
		r    survey.Record
		want Group
	}{
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("*", "*")}, GroupAnyone},
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("*", "*"), Faults: []audit.Fault{audit.Malformed}}, GroupFaulty},
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("a.example", "1"), Life: &audit.Life{Verdict: audit.Abandoned}}, GroupAbandoned},
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("a.example", "1"), Life: &audit.Life{Verdict: audit.InUse}}, GroupPolicy},
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("a.example", "1"), Faults: []audit.Fault{audit.NoNUL}}, GroupFaulty},
		{survey.Record{Class: audit.ClassPolicy, Policy: rule("a.example", "1"), Faults: []audit.Fault{audit.SharedPort}}, GroupPolicy},
		{survey.Record{Class: audit.ClassHTTP, Policy: rule("*", "")}, GroupWeb},
		{survey.Record{Class: audit.Dropped}, GroupDelays},
		{survey.Record{Class: audit.ClassSilent}, GroupDelays},
		{survey.Record{Class: audit.ClassSSH}, GroupElse},
		{survey.Record{Class: audit.Rejected}, GroupNothing},
		{survey.Record{Class: audit.ClassError}, GroupUntried},
	} {
		if got := GroupOf(&c.r); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.r.Class, c.r.Faults, got, c.want)
		}
	}
	seen := map[Group]bool{}
	for _, g := range Groups() {
		if seen[g] || g.String() == "" || g.Explain() == "" {
			t.Errorf("group %d comes twice, or has no text", g)
		}
		seen[g] = true
	}
	if len(seen) != len(groupTexts) {
		t.Errorf("%d groups of %d are listed", len(seen), len(groupTexts))
	}
}

func TestProbe(t *testing.T) {
	web := httptest.NewServer(ProbeHandler(nil))
	defer web.Close()
	good, err := audittest.All()[0].Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	for _, c := range []struct {
		target string
		status int
		want   []string
	}{
		{good.Addr.String(), 200, []string{"\nprobe_success 1\n", `port843_probe_class{class="policy"} 1`, "port843_probe_open_to_anyone 0"}},
		{"127.9.8.7", 200, []string{"\nprobe_success 0\n", `port843_probe_class{class="refused"} 1`}},
		{"127.0.0.1:22", 400, []string{"no policy comes from port 22"}},
		{"", 400, nil},
		{"127.0.0.1:x", 400, nil},
	} {
		res, err := http.Get(web.URL + "/probe?target=" + url.QueryEscape(c.target))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s: %s: %s", c.target, res.Status, body)
		}
		for _, want := range c.want {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: %q is missing in\n%s", c.target, want, body)
			}
		}
	}
}
