package auditreport

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
)

// endpointText is where a record is from, with the name it was given by.
func endpointText(r *survey.Record) string {
	at := net.JoinHostPort(r.IP.String(), strconv.Itoa(int(r.Port)))
	if r.Name != "" {
		at += " (" + r.Name + ")"
	}
	return at
}

// what says in one line what a record holds.
func what(r *survey.Record) string {
	parts := []string{string(r.Class)}
	if r.Product != "" {
		parts = append(parts, r.Product)
	}
	if r.Inside != "" {
		parts = append(parts, "inside: "+string(r.Inside))
	}
	if r.RPC != nil && r.RPC.Program != 0 {
		parts = append(parts, fmt.Sprintf("program %d, %s", r.RPC.Program, r.RPC.Name))
	}
	if r.HTTP != nil && r.HTTP.Crossdomain != "" && r.HTTP.Crossdomain != "none" {
		parts = append(parts, "crossdomain.xml: "+r.HTTP.Crossdomain)
	}
	if r.ICMP != nil {
		parts = append(parts, fmt.Sprintf("ICMP %d/%d from %s", r.ICMP.Type, r.ICMP.Code, r.ICMP.From))
	}
	return strings.Join(parts, ", ")
}

func changeText(r *survey.Record) string {
	switch {
	case r.Change == nil || r.Change.Kind == "same":
		return ""
	case r.Change.Kind == "new":
		return "new"
	}
	return "changed: " + strings.Join(r.Change.What, ", ") + " (was " + string(r.Change.Was) + ")"
}

// writeTable writes the report for a terminal.
func writeTable(w io.Writer, s *summary, m Meta) error {
	out := &printer{w: w}
	for _, g := range Groups() {
		if s.counts[g] == 0 {
			continue
		}
		out.f("%s: %d\n  %s\n", strings.ToUpper(g.String()), s.counts[g], g.Explain())
		records := s.sorted(g)
		for i := range records {
			tableRecord(out, &records[i])
		}
		if rest := s.counts[g] - len(records); rest > 0 && len(records) > 0 {
			out.f("  and %d more\n", rest)
		}
		out.f("\n")
	}
	if len(s.lives) > 0 {
		out.f("The three words on whether a policy is still needed:\n")
		for _, v := range []audit.Verdict{audit.Abandoned, audit.InUse, audit.Unknown} {
			out.f("  %-15s %d  %s\n", string(v)+":", s.lives[v], v.Explain())
		}
		out.f("\n")
	}
	if m.Baseline {
		out.f("Against the baseline: %d new, %d changed, %d the same, %d not asked this time.\n", s.changes["new"], s.changes["changed"], s.changes["same"], m.Gone)
	}
	out.f("%d of %d targets in %s", s.total, m.Targets, m.Finished.Sub(m.Started).Round(100*time.Millisecond))
	if !m.Complete {
		out.f("; the scan is not complete")
	}
	out.f("\n")
	return out.err
}

func tableRecord(out *printer, r *survey.Record) {
	out.f("  %-24s %s", endpointText(r), what(r))
	if c := changeText(r); c != "" {
		out.f("  [%s]", c)
	}
	out.f("\n")
	if len(r.Faults) > 0 {
		out.f("    faults: %s\n", joinFaults(r.Faults, ", "))
	}
	if r.Policy != nil {
		for _, rule := range ruleTexts(r.Policy) {
			out.f("    allows %s\n", rule)
		}
	}
	if r.Life != nil {
		out.f("    %s: open %s; closed %s\n", r.Life.Verdict, portList(r.Life.Open), portList(r.Life.Closed))
	}
	for i, f := range r.Findings {
		if i == 8 {
			out.f("    and %d more findings\n", len(r.Findings)-i)
			break
		}
		out.f("    %s: %s [%s]\n", f.Severity, f.Message, f.Code)
	}
	if r.Class == audit.ClassOther && r.Banner != "" {
		out.f("    says: %s\n", r.Banner)
	}
}

func portList(ports []uint16) string {
	if len(ports) == 0 {
		return "none"
	}
	var parts []string
	for _, p := range ports {
		parts = append(parts, strconv.Itoa(int(p)))
	}
	return strings.Join(parts, " ")
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// writeMarkdown writes the report for a wiki or a pull request.
func writeMarkdown(w io.Writer, s *summary, m Meta) error {
	out := &printer{w: w}
	out.f("# Port 843: who answers\n\n%d of %d targets, %s, port843 %s.\n\n", s.total, m.Targets, m.Started.UTC().Format("2006-01-02 15:04 UTC"), cell(m.Version))
	out.f("| verdict | targets | what it means |\n|---|---:|---|\n")
	for _, g := range Groups() {
		if s.counts[g] > 0 {
			out.f("| %s | %d | %s |\n", g, s.counts[g], g.Explain())
		}
	}
	for _, g := range Groups() {
		records := s.sorted(g)
		if len(records) == 0 {
			continue
		}
		out.f("\n## %s\n\n| target | what | faults | policy | findings | change |\n|---|---|---|---|---|---|\n", strings.ToUpper(g.String()[:1])+g.String()[1:])
		for i := range records {
			r := &records[i]
			policy := ""
			if r.Policy != nil {
				policy = strings.Join(ruleTexts(r.Policy), "; ")
			}
			if r.Life != nil {
				policy += " (" + string(r.Life.Verdict) + ")"
			}
			var findings []string
			for _, f := range r.Findings {
				findings = append(findings, string(f.Severity)+": "+f.Code)
			}
			out.f("| %s | %s | %s | %s | %s | %s |\n", cell(endpointText(r)), cell(what(r)), cell(joinFaults(r.Faults, ", ")), cell(policy), cell(strings.Join(findings, ", ")), cell(changeText(r)))
		}
	}
	if len(s.lives) > 0 {
		out.f("\n## Abandoned, or in use?\n\n")
		for _, v := range []audit.Verdict{audit.Abandoned, audit.InUse, audit.Unknown} {
			out.f("- **%s** (%d): %s\n", v, s.lives[v], v.Explain())
		}
	}
	if m.Baseline {
		out.f("\nAgainst the baseline: %d new, %d changed, %d the same, %d not asked this time.\n", s.changes["new"], s.changes["changed"], s.changes["same"], m.Gone)
	}
	return out.err
}

// cell makes a text fit for a Markdown table: markup and HTML in it are shown,
// not obeyed.
func cell(s string) string {
	return strings.NewReplacer(
		"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "!", "\\!", "\\", "\\\\", "\n", " ",
	).Replace(s)
}
