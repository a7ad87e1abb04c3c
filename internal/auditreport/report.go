package auditreport

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
)

// Format is the name of a way to write a report.
type Format string

// Formats lists them all. The first is the default.
var Formats = []Format{"table", "jsonl", "csv", "nmap", "sarif", "junit", "markdown", "html"}

// MaxKept bounds the records that a report keeps; what is above is counted.
const MaxKept = 50000

// Meta is what a report says of its scan.
type Meta struct {
	Version  string // of port843
	Command  string // the command line, fit to be shown
	Started  time.Time
	Finished time.Time
	Targets  uint64 // of the plan
	Complete bool   // all of them were asked
	Gone     int    // targets of the baseline that were not
	Baseline bool
}

// Writer writes one report. It is for one goroutine.
type Writer interface {
	Add(r *survey.Record) error
	End(m Meta) error
}

// Streams reports whether the format is written as the records come.
func (f Format) Streams() bool { return f == "jsonl" || f == "csv" || f == "nmap" }

// New returns a writer for the format, which begins to write on w. m is what
// is known at the beginning.
func New(f Format, w io.Writer, m Meta) (Writer, error) {
	switch f {
	case "jsonl":
		return newLines(w), nil
	case "csv":
		return newCSV(w)
	case "nmap":
		return newNmap(w, m)
	}
	render := map[Format]func(io.Writer, *summary, Meta) error{
		"table": writeTable, "markdown": writeMarkdown, "html": writeHTML, "sarif": writeSARIF, "junit": writeJUnit,
	}[f]
	if render == nil {
		return nil, fmt.Errorf("there is no format %q", f)
	}
	return &collector{w: w, render: render, s: newSummary()}, nil
}

// collector keeps what a report needs until its end.
type collector struct {
	w      io.Writer
	render func(io.Writer, *summary, Meta) error
	s      *summary
}

func (c *collector) Add(r *survey.Record) error { c.s.add(r); return nil }
func (c *collector) End(m Meta) error           { return c.render(c.w, c.s, m) }

// summary is a scan as reports need it.
type summary struct {
	total   int
	classes map[audit.Class]int
	faults  map[audit.Fault]int
	codes   map[string]*codeCount
	groups  map[Group][]survey.Record
	counts  map[Group]int
	kept    int
	changes map[string]int
	lives   map[audit.Verdict]int
}

type codeCount struct {
	Code     string
	Severity survey.Severity
	Count    int
	Hint     string
}

func newSummary() *summary {
	return &summary{
		classes: map[audit.Class]int{}, faults: map[audit.Fault]int{}, codes: map[string]*codeCount{},
		groups: map[Group][]survey.Record{}, counts: map[Group]int{}, changes: map[string]int{}, lives: map[audit.Verdict]int{},
	}
}

func (s *summary) add(r *survey.Record) {
	s.total++
	s.classes[r.Class]++
	for _, f := range r.Faults {
		s.faults[f]++
	}
	for _, f := range r.Findings {
		c := s.codes[f.Code]
		if c == nil {
			c = &codeCount{Code: f.Code, Severity: f.Severity, Hint: f.Hint}
			s.codes[f.Code] = c
		}
		c.Count++
	}
	if r.Change != nil {
		s.changes[r.Change.Kind]++
	}
	if r.Life != nil {
		s.lives[r.Life.Verdict]++
	}
	g := GroupOf(r)
	s.counts[g]++
	changed := r.Change != nil && r.Change.Kind != "same"
	if s.kept < MaxKept && (r.Class.Listening() || changed) {
		s.kept++
		kept := *r
		kept.Conversations = nil
		s.groups[g] = append(s.groups[g], kept)
	}
}

// sorted puts each group in the order of its addresses.
func (s *summary) sorted(g Group) []survey.Record {
	records := s.groups[g]
	slices.SortFunc(records, func(a, b survey.Record) int {
		if c := a.IP.Compare(b.IP); c != 0 {
			return c
		}
		return int(a.Port) - int(b.Port)
	})
	return records
}

// findingCounts lists the codes, the gravest and the most frequent first.
func (s *summary) findingCounts() []*codeCount {
	return slices.SortedFunc(maps.Values(s.codes), func(a, b *codeCount) int {
		if d := b.Severity.Rank() - a.Severity.Rank(); d != 0 {
			return d
		}
		if d := b.Count - a.Count; d != 0 {
			return d
		}
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
}

// Group is a verdict on a target, as reports group them; the smaller the worse.
type Group int

const (
	GroupAnyone    Group = iota // a policy that lets pages from anywhere in
	GroupAbandoned              // a policy whose services are gone
	GroupFaulty                 // a policy server with faults or grave findings
	GroupPolicy                 // a policy server
	GroupWeb                    // a web server with a policy file
	GroupDelays                 // clients wait for nothing
	GroupElse                   // something else listens
	GroupNothing                // nothing listens
	GroupUntried
)

var groupTexts = map[Group][2]string{
	GroupAnyone:    {"open to anyone", "a page from anywhere on the web may make its visitors' browsers connect to the ports that are granted"},
	GroupAbandoned: {"abandoned", audit.Abandoned.Explain()},
	GroupFaulty:    {"policy server with faults", "it answers, and some or all clients stumble over the answer"},
	GroupPolicy:    {"policy server", "it answers as it should"},
	GroupWeb:       {"web server with a policy file", "crossdomain.xml: it speaks for the web, not for sockets"},
	GroupDelays:    {"delays its clients", "each Flash client waits 3 seconds for an answer that does not come: serve a policy, or reject"},
	GroupElse:      {"something else listens", "no policy server"},
	GroupNothing:   {"nothing listens", "clients are refused at once and go on"},
	GroupUntried:   {"not tried", "this machine could not make the connection"},
}

// String is the group's title.
func (g Group) String() string { return groupTexts[g][0] }

// Explain says in plain words what the group means.
func (g Group) Explain() string { return groupTexts[g][1] }

// Severity is how grave it is to be in the group; "" for not at all.
func (g Group) Severity() survey.Severity {
	switch g {
	case GroupAnyone:
		return survey.Error
	case GroupAbandoned, GroupFaulty, GroupDelays:
		return survey.Warning
	case GroupPolicy, GroupWeb, GroupElse:
		return survey.Note
	}
	return ""
}

// GroupOf says which group a record is in.
func GroupOf(r *survey.Record) Group {
	switch {
	case r.Class == audit.ClassError:
		return GroupUntried
	case r.Class.IsPolicy() && r.Anyone():
		return GroupAnyone
	case r.Life != nil && r.Life.Verdict == audit.Abandoned:
		return GroupAbandoned
	case r.Class.IsPolicy() && (faulty(r) || r.Worst() == survey.Error):
		return GroupFaulty
	case r.Class.IsPolicy():
		return GroupPolicy
	case r.Policy != nil:
		return GroupWeb
	}
	switch r.Class {
	case audit.Dropped, audit.ClassSilent, audit.ClassTarpit, audit.ClassEndless:
		return GroupDelays
	case audit.Refused, audit.Rejected, audit.Unreachable:
		return GroupNothing
	}
	return GroupElse
}

// faulty leaves out what is a choice and no fault.
func faulty(r *survey.Record) bool {
	return slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return f != audit.SharedPort && f != audit.OverTLS })
}

// Groups lists all groups, the worst first.
func Groups() []Group {
	return []Group{GroupAnyone, GroupAbandoned, GroupFaulty, GroupPolicy, GroupWeb, GroupDelays, GroupElse, GroupNothing, GroupUntried}
}
