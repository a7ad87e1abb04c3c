package web

import (
	"strings"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// moment is a time as the page shows it.
type moment struct {
	ISO  string
	Text string
}

func momentOf(at, now time.Time) moment {
	if at.IsZero() {
		return moment{Text: "never"}
	}
	return moment{ISO: at.UTC().Format(time.RFC3339), Text: Ago(at, now)}
}

// health is the part that comes first.
type health struct {
	Well    bool
	Ready   bool
	Reasons []string
	Version string
	User    string
	Up      string
}

func healthOf(v *View, now time.Time) health {
	h := health{Well: len(v.Reasons) == 0, Ready: v.Ready, Version: v.Version, User: v.User, Up: Span(now.Sub(v.Started))}
	for _, r := range v.Reasons {
		h.Reasons = append(h.Reasons, shown(r))
	}
	return h
}

// shown makes a message fit to be shown that may have several lines and the
// names of files in it.
func shown(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = escape.Text(l, 2048)
	}
	return strings.Join(lines, "\n")
}

// nowPart is the part about this moment and the hour before it.
type nowPart struct {
	Rate      chart
	Open      chart
	Outcomes  []outcome
	Quiet     []string // outcomes that there were none of
	Listeners []listenerRow
	Sources   []sourceRow
	FastPaths []fastRow
	OpenNow   string
	OpenLimit string
	OpenPart  int // percent of the limit
	PerClient string
	Deadline  string
	Advised   string // bytes
}

// outcome is how exchanges ended, with its curve.
type outcome struct {
	Name  string
	Means string
	Bad   bool
	Total string
	Chart chart
}

// means says for each outcome what it is, in a person's words.
var means = map[server.Outcome]string{
	server.Answered:     "got the policy",
	server.Empty:        "closed without a byte: port scans, health checks",
	server.Incomplete:   "closed within the request",
	server.Expired:      "took longer than the deadline",
	server.ForeignHTTP:  "spoke HTTP: a browser, or a scanner",
	server.ForeignTLS:   "spoke TLS",
	server.ForeignOther: "spoke something else",
	server.Displaced:    "made room for newer connections: a limit is reached",
	server.SendFailed:   "was gone before the answer",
}

// listenerRow is one listening socket with the policies in service there.
type listenerRow struct {
	Address  string
	Policies []policyRow
	Source   string
	Files    []string
	Since    moment
	Accepted string
	Open     string
	Errors   string
}

type policyRow struct {
	For    string // the local address; empty: every other
	Digest string
	Whole  string // the digest in full
	Bytes  string
	Rules  int
	Part   int // percent of the advised size, up to 100
	Long   string
}

// fastRow is the fast path on one interface.
type fastRow struct {
	Interface, Mode, Doors          string
	Left                            string // empty: none
	SYNs, Answered, Passed, Refused string
}

func fastRowOf(f FastPath) fastRow {
	row := fastRow{
		Interface: f.Interface, Mode: f.Mode, Doors: Grouped(uint64(f.Doors)),
		SYNs: Grouped(f.SYNs), Answered: Grouped(f.Answered), Passed: Grouped(f.Passed), Refused: Grouped(f.Refused),
	}
	if f.Left > 0 {
		row.Left = Grouped(uint64(f.Left))
	}
	return row
}

type sourceRow struct {
	Name     string
	Since    moment
	Last     moment
	Why      string // it was read last; empty: never since the start
	Reloads  string
	Refusals string
	Error    string
	Refused  []string
	Warnings []string
	More     int // warnings
}

// maxLines bounds each list of the page: nobody reads more on it.
const maxLines = 100

// nowOf makes the part of the samples of the last hour, of which the newest is
// of now.
func nowOf(v *View, all []sample, now time.Time) nowPart {
	current := all[len(all)-1]
	limits := v.Limits
	n := nowPart{
		Rate: newChart("Exchanges per second", "per second", rates(all, func(s sample) (sum uint64) {
			for _, e := range s.ended {
				sum += e
			}
			return sum
		}), now),
		Open:      newChart("Open connections", "open", gauges(all, func(s sample) float64 { return float64(s.open) }), now),
		OpenNow:   Grouped(uint64(max(current.open, 0))),
		OpenLimit: Grouped(uint64(limits.MaxConnections)),
		PerClient: Grouped(uint64(limits.MaxPerAddress)),
		Deadline:  limits.Deadline.String(),
		Advised:   Grouped(policy.AdvisedSize),
	}
	if limits.MaxConnections > 0 {
		n.OpenPart = min(100, int(current.open)*100/limits.MaxConnections)
	}
	for _, o := range server.Outcomes() {
		name := strings.ReplaceAll(o.String(), "_", " ")
		if current.ended[o] == 0 && o != server.Answered {
			n.Quiet = append(n.Quiet, name)
			continue
		}
		n.Outcomes = append(n.Outcomes, outcome{
			Name: name, Means: means[o], Bad: o == server.Displaced || o == server.SendFailed || o == server.Expired,
			Total: Grouped(current.ended[o]),
			Chart: newChart(name, "per second", rates(all, func(s sample) uint64 { return s.ended[o] }), now),
		})
	}
	for _, l := range v.Listeners {
		n.Listeners = append(n.Listeners, listenerRowOf(v, l, now))
	}
	for _, f := range v.FastPaths {
		n.FastPaths = append(n.FastPaths, fastRowOf(f))
	}
	for _, s := range v.Sources {
		n.Sources = append(n.Sources, sourceRowOf(s, now))
	}
	return n
}

func listenerRowOf(v *View, l Listener, now time.Time) listenerRow {
	row := listenerRow{
		Address: l.Address, Source: shown(l.Source), Accepted: Grouped(l.Stats.Accepted), Open: Grouped(uint64(max(l.Stats.Open, 0))),
	}
	if l.Stats.AcceptErrors > 0 {
		row.Errors = Grouped(l.Stats.AcceptErrors)
	}
	if s := v.source(l.Source); s != nil {
		row.Since = momentOf(s.Since, now)
		for _, f := range s.Files[:min(len(s.Files), 5)] {
			row.Files = append(row.Files, shown(f))
		}
		if more := len(s.Files) - 5; more > 0 {
			row.Files = append(row.Files, "and "+Grouped(uint64(more))+" more")
		}
	}
	policies := policiesOf(l.Policies)
	for _, p := range policies[:min(len(policies), maxLines)] {
		r := policyRow{
			Digest: p.answer.Digest()[:12], Whole: p.answer.Digest(), Bytes: Grouped(uint64(p.answer.Size())),
			Rules: len(p.answer.Policy().Rules), Part: min(100, p.answer.Size()*100/policy.AdvisedSize),
		}
		if p.addr.IsValid() {
			r.For = p.addr.String()
		} else if len(policies) > 1 {
			r.For = aggregate.AddressName(p.addr)
		}
		switch n := p.answer.Size(); {
		case n > policy.SafeSize:
			r.Long = "some clients lose the end of it"
		case n > policy.AdvisedSize:
			r.Long = "more than one TCP segment on some paths"
		}
		row.Policies = append(row.Policies, r)
	}
	return row
}

func sourceRowOf(s Source, now time.Time) sourceRow {
	row := sourceRow{
		Name: shown(s.Name), Since: momentOf(s.Since, now), Last: momentOf(s.LastReload, now),
		Reloads: Grouped(s.Reloads), Refusals: Grouped(s.Refusals), Error: shown(s.Error),
	}
	if len(s.History) > 0 {
		row.Why = s.History[0].Why
	}
	for _, r := range s.Refused[:min(len(s.Refused), maxLines)] {
		row.Refused = append(row.Refused, shown(r))
	}
	for _, w := range s.Warnings[:min(len(s.Warnings), maxLines)] {
		row.Warnings = append(row.Warnings, shown(w))
	}
	row.More = len(s.Warnings) - len(row.Warnings)
	return row
}
