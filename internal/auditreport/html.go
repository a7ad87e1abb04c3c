package auditreport

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Parse(pageText))

// pageData is what the page shows. html/template escapes each text for its place.
type pageData struct {
	Meta     Meta
	Started  string
	Took     string
	Total    int
	Groups   []pageGroup
	Classes  []bar
	Findings []bar
	Faults   []bar
	Lives    []pageLife
	Changes  map[string]int
}

type pageGroup struct {
	Title, Explain string
	Severity       survey.Severity
	Count, More    int
	Rows           []pageRow
}

type pageRow struct {
	Target, What, Change, Why, Banner string
	Sort                              string // by which the target column sorts
	Faults                            []audit.Fault
	Rules                             []string
	Life                              *audit.Life
	Findings                          []survey.Finding
	Complete                          string
}

type pageLife struct {
	Word, Explain string
	Count         int
}

// bar is one bar of a chart, as wide as its share of the longest, in percent.
type bar struct {
	Name, Explain string
	Severity      survey.Severity
	Count         int
	Width         int
}

func bars(list []bar) []bar {
	slices.SortStableFunc(list, func(a, b bar) int { return b.Count - a.Count })
	list = list[:min(len(list), 16)]
	for i := range list {
		list[i].Width = max(1, list[i].Count*100/list[0].Count)
	}
	return list
}

// writeHTML writes one page that needs nothing but itself.
func writeHTML(w io.Writer, s *summary, m Meta) error {
	d := pageData{
		Meta: m, Started: m.Started.UTC().Format("2 January 2006, 15:04 UTC"), Took: m.Finished.Sub(m.Started).Round(100 * time.Millisecond).String(),
		Total: s.total, Changes: s.changes,
	}
	for _, g := range Groups() {
		if s.counts[g] == 0 {
			continue
		}
		title := g.String()
		pg := pageGroup{Title: strings.ToUpper(title[:1]) + title[1:], Explain: g.Explain(), Severity: g.Severity(), Count: s.counts[g]}
		records := s.sorted(g)
		for i := range records {
			pg.Rows = append(pg.Rows, newRow(&records[i]))
		}
		if len(pg.Rows) > 0 {
			pg.More = pg.Count - len(pg.Rows)
		}
		d.Groups = append(d.Groups, pg)
	}
	for class, n := range s.classes {
		d.Classes = append(d.Classes, bar{Name: string(class), Explain: class.Explain(), Count: n})
	}
	for fault, n := range s.faults {
		d.Faults = append(d.Faults, bar{Name: string(fault), Explain: fault.Explain(), Count: n})
	}
	for _, c := range s.findingCounts() {
		d.Findings = append(d.Findings, bar{Name: c.Code, Explain: c.Hint, Severity: c.Severity, Count: c.Count})
	}
	for _, list := range [][]bar{d.Classes, d.Faults} {
		slices.SortFunc(list, func(a, b bar) int { return strings.Compare(a.Name, b.Name) })
	}
	d.Classes, d.Faults, d.Findings = bars(d.Classes), bars(d.Faults), bars(d.Findings)
	if len(s.lives) > 0 {
		for _, v := range []audit.Verdict{audit.Abandoned, audit.InUse, audit.Unknown} {
			d.Lives = append(d.Lives, pageLife{string(v), v.Explain(), s.lives[v]})
		}
	}
	return page.Execute(w, d)
}

func newRow(r *survey.Record) pageRow {
	row := pageRow{
		Target: endpointText(r), Sort: r.IP.StringExpanded(), What: what(r), Change: changeText(r), Why: r.Why,
		Faults: r.Faults, Life: r.Life, Findings: r.Findings[:min(len(r.Findings), 20)],
	}
	if r.IP.Is4() {
		b := r.IP.As4()
		row.Sort = string([]byte{'0' + b[0]/100, '0' + b[0]/10%10, '0' + b[0]%10}) + r.IP.StringExpanded()
	}
	if r.Policy != nil {
		row.Rules = ruleTexts(r.Policy)
	}
	if r.Class == audit.ClassOther {
		row.Banner = r.Banner
	}
	if r.Timing.Complete > 0 {
		row.Complete = millis(r.Timing.Complete)
	}
	return row
}
