package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/server"
)

// printable makes a text of the service's fit for a terminal.
func printable(s string) string { return escape.Text(s, 1024) }

// printStatus lays out what the page shows, in its order.
func printStatus(s *sheet, st *daemon.Status, now time.Time) {
	switch {
	case st.Status == "ok":
		s.put("", "all is well")
	case st.Ready:
		s.put("", "it serves, and something is to be looked at:")
	default:
		s.put("", "it does not serve everywhere:")
	}
	for _, r := range st.Reasons {
		putLines(s, "  ", r)
	}
	s.put("", fmt.Sprintf("version %s, up for %s, as the user %s", printable(st.Version), web.Span(now.Sub(st.Started)), printable(st.User)))
	s.title("NOW")
	printOutcomes(s, st)
	printListeners(s, st, now)
	printFastPaths(s, st.FastPaths)
	printFronts(s, st.Fronts, now)
	if st.Who != nil {
		printWho(s, st.Who)
	}
	s.title("WHAT CHANGED")
	for i := range st.Sources {
		printSource(s, &st.Sources[i], now)
	}
}

// putLines adds a text of the service's that may have several lines.
func putLines(s *sheet, indent, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		s.put(indent, printable(line))
	}
}

func printOutcomes(s *sheet, st *daemon.Status) {
	var open int64
	total := map[string]uint64{}
	for _, l := range st.Listeners {
		open += l.Open
		for name, n := range l.Outcomes {
			total[name] += n
		}
	}
	var rows [][]string
	for _, o := range server.Outcomes() {
		if name := o.String(); total[name] > 0 || o == server.Answered {
			rate := nothing
			if r, ok := st.PerSecond[name]; ok {
				rate = web.Figure(r)
			}
			rows = append(rows, []string{name, rate, web.Grouped(total[name])})
		}
	}
	s.grid("", []column{{"EXCHANGES", false}, {"A SECOND", true}, {"IN ALL", true}}, rows)
	s.put("", fmt.Sprintf("%d connections open, of %s at most and %s of one client", open,
		web.Grouped(uint64(max(st.Limits.MaxConnections, 0))), web.Grouped(uint64(max(st.Limits.MaxPerAddress, 0)))))
	s.put("", "")
}

func printListeners(s *sheet, st *daemon.Status, now time.Time) {
	since := map[string]time.Time{}
	for _, x := range st.Sources {
		since[x.Name] = x.Since
	}
	var rows [][]string
	for _, l := range st.Listeners {
		rows = append(rows, []string{
			printable(l.Address), printable(l.Digest[:min(len(l.Digest), 12)]), fmt.Sprint(l.Bytes),
			web.Ago(since[l.Source], now), web.Grouped(l.Accepted), fmt.Sprint(l.Open), printable(l.Source),
		})
	}
	s.grid("", []column{{"LISTENER", false}, {"POLICY", false}, {"BYTES", true}, {"IN SERVICE SINCE", false}, {"ACCEPTED", true}, {"OPEN", true}, {"SOURCE", false}}, rows)
}

// printFastPaths prints the fast path, where there is one.
func printFastPaths(s *sheet, paths []daemon.StatusFastPath) {
	if len(paths) == 0 {
		return
	}
	var rows [][]string
	for _, p := range paths {
		rows = append(rows, []string{
			printable(p.Interface), printable(p.Mode), fmt.Sprint(p.Doors), fmt.Sprint(p.Left), web.Grouped(p.Packets.SYNs),
			web.Grouped(p.Packets.Answered), web.Grouped(p.Packets.Passed), web.Grouped(p.Packets.Refused),
		})
	}
	s.put("", "")
	s.grid("", []column{
		{"FAST PATH", false}, {"MODE", false}, {"DOORS", true}, {"LEFT OUT", true}, {"SYNS", true},
		{"ANSWERED", true}, {"TO SOCKETS", true}, {"REFUSED", true},
	}, rows)
}

// printFronts prints the front door, what is down first.
func printFronts(s *sheet, fronts []daemon.StatusFront, now time.Time) {
	if len(fronts) == 0 {
		return
	}
	fronts = slices.Clone(fronts)
	slices.SortStableFunc(fronts, func(a, b daemon.StatusFront) int { return downShare(b) - downShare(a) })
	s.title("THE FRONT DOOR")
	var rows [][]string
	for _, f := range fronts {
		rows = append(rows, []string{
			frontName(f), fmt.Sprint(f.Open), web.Grouped(f.WebSockets), web.Grouped(f.Raw), web.Grouped(f.Policies),
			web.Grouped(f.Origins), web.Bytes(f.Up), web.Bytes(f.Down),
		})
	}
	s.grid("", []column{
		{"FRONT", false}, {"OPEN", true}, {"WEBSOCKETS", true}, {"RAW", true}, {"POLICIES", true},
		{"ORIGINS REFUSED", true}, {"BYTES TO", true}, {"BYTES FROM", true},
	}, rows)
	for _, f := range fronts {
		s.put("", frontName(f)+":")
		slices.SortStableFunc(f.Backends, func(a, b frontdoor.BackendState) int { return number(a.Up) - number(b.Up) })
		for _, b := range f.Backends {
			state, why := "up", ""
			if !b.Up {
				state, why = "down", ": "+printable(b.Error)
			}
			s.put("  ", fmt.Sprintf("%s %s since %s, %s of %s dials failed%s", state, printable(b.Address), web.Ago(b.Since, now), web.Grouped(b.Failed), web.Grouped(b.Dials), why))
		}
		for _, r := range f.Refused[:min(len(f.Refused), shownReloads)] {
			origin := printable(r.Origin)
			if origin == "" {
				origin = "a request without an Origin"
			}
			s.put("  ", fmt.Sprintf("refused %s, %s, last %s: %s", origin, often(r.Times), web.Ago(r.Last, now), printable(r.Why)))
		}
		if more := len(f.Refused) - shownReloads; more > 0 {
			s.put("  ", fmt.Sprintf("and %s more", count(more, "origin")))
		}
	}
}

func often(n uint64) string {
	if n == 1 {
		return "once"
	}
	return web.Grouped(n) + " times"
}

func frontName(f daemon.StatusFront) string {
	var names []string
	for _, x := range f.Services {
		names = append(names, printable(x.Name))
	}
	return strings.Join(append(names, printable(f.Address)), " ")
}

// downShare is how much of a front's backends is down, in percent.
func downShare(f daemon.StatusFront) int {
	down := 0
	for _, b := range f.Backends {
		down += 1 - number(b.Up)
	}
	return 100 * down / max(len(f.Backends), 1)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reaches says what a cell of the matrix says.
var reaches = map[string]string{"yes": "yes", "https": "over HTTPS", "some": "some ports", "no": nothing}

// printWho prints the matrix of each address, what was refused, and what the
// linter finds.
func printWho(s *sheet, who *web.Who) {
	s.title("WHO MAY REACH WHAT")
	for _, o := range who.Owners {
		s.put("", fmt.Sprintf("%s: refused (%s)", printable(o.Name), printable(o.Standing)))
		for _, r := range o.Refusals {
			putLines(s, "  ", r.Code+": "+r.Text)
		}
		if o.More > 0 {
			s.put("  ", fmt.Sprintf("and %d more", o.More))
		}
		for _, h := range o.Held {
			s.put("  ", "held back with it: "+printable(h))
		}
	}
	for i := range who.Tables {
		if i > 0 || len(who.Owners) > 0 {
			s.put("", "")
		}
		printMatrix(s, &who.Tables[i])
	}
	if who.MoreAll > 0 {
		s.put("", fmt.Sprintf("and the policies of %d more addresses", who.MoreAll))
	}
	for _, f := range who.Files {
		s.put("", fmt.Sprintf("%s, meta-policy %s", printable(f.Source), printable(f.Meta)))
		var rows [][]string
		for _, r := range f.Rules {
			scheme := "any scheme"
			if r.Secure {
				scheme = "HTTPS"
			}
			rows = append(rows, []string{printable(r.Domain), printable(r.Ports), scheme, printable(r.Line)})
		}
		if len(rows) == 0 {
			s.put("  ", "nobody may reach anything")
			continue
		}
		s.grid("  ", []column{{"REQUESTORS FROM", false}, {"PORTS", false}, {"OVER", false}, {"LINE", true}}, rows)
		if f.More > 0 {
			s.put("  ", fmt.Sprintf("and %d rules more", f.More))
		}
	}
	printLint(s, who.Linted)
}

func printMatrix(s *sheet, t *web.WhoTable) {
	s.put("", fmt.Sprintf("%s, %s", printable(t.Address), printable(t.Source)))
	if len(t.Rows) == 0 {
		s.put("  ", "nobody may reach anything")
	} else {
		columns := []column{{"REQUESTORS FROM", false}}
		for _, x := range t.Services {
			columns = append(columns, column{printable(x.Name) + " " + printable(x.Ports), false})
		}
		columns = append(columns, column{"OTHER PORTS", false})
		var rows [][]string
		for _, r := range t.Rows {
			row := []string{printable(r.Domain)}
			for _, c := range r.Cells {
				row = append(row, from(reaches[c.Reach], c.Origins))
			}
			for len(row) < len(columns)-1 {
				row = append(row, nothing)
			}
			other := nothing
			if r.Other != "" {
				other = from(printable(r.Other), r.OtherFrom)
			}
			rows = append(rows, append(row[:len(columns)-1], other))
		}
		s.grid("  ", columns, rows)
	}
	if t.MoreRows > 0 || t.MoreCols > 0 {
		s.put("  ", fmt.Sprintf("and %d more domains and %d more services: port843 build --matrix prints them", t.MoreRows, t.MoreCols))
	}
	for _, p := range t.Problems {
		s.put("  ", "warning: "+printable(p))
	}
}

// from adds who says so, and where.
func from(what string, origins []string) string {
	for i, o := range origins {
		if i == 0 {
			what += ": "
		} else {
			what += ", "
		}
		what += printable(strings.ReplaceAll(o, " · ", " "))
	}
	return what
}

func printLint(s *sheet, linted []web.Linted) {
	for _, l := range linted {
		if len(l.Findings) == 0 {
			continue
		}
		s.title("the linter, of " + printable(l.Place) + ":")
		for _, f := range l.Findings {
			at := ""
			if f.At != "" {
				at = printable(f.At) + ": "
			}
			s.put("  ", fmt.Sprintf("%s%s: %s (%s)", at, printable(f.Severity), printable(f.Message), printable(f.Code)))
			if f.Hint != "" {
				s.put("    ", printable(f.Hint))
			}
		}
		if l.More > 0 {
			s.put("  ", fmt.Sprintf("and %d more", l.More))
		}
	}
}

// shownReloads is how many reloads fit a terminal beside the rest.
const shownReloads = 5

func printSource(s *sheet, x *daemon.SourceState, now time.Time) {
	s.put("", fmt.Sprintf("%s: in service since %s; reloads: %d taken, %d refused", printable(x.Name), web.Ago(x.Since, now), x.Reloads, x.Refusals))
	for _, w := range x.Warnings[:min(len(x.Warnings), shownReloads)] {
		s.put("  ", "warning: "+printable(w))
	}
	if more := len(x.Warnings) - shownReloads; more > 0 {
		s.put("  ", fmt.Sprintf("and %s more", count(more, "warning")))
	}
	for _, r := range x.History[:min(len(x.History), shownReloads)] {
		printReload(s, &r)
	}
}

func printReload(s *sheet, r *web.Reload) {
	outcome := "taken"
	switch {
	case r.Error != "":
		outcome = "refused"
	case len(r.Refused) > 0:
		outcome = "taken in part"
	}
	s.put("  ", fmt.Sprintf("%s %s (%s)", r.At.UTC().Format("2006-01-02 15:04:05 UTC"), outcome, printable(r.Why)))
	for _, why := range append([]string{r.Error}, r.Refused...) {
		if why != "" {
			putLines(s, "    ", why)
		}
	}
	for _, c := range r.Changes {
		s.put("    ", printable(c.Address))
		for _, t := range c.Granted {
			s.put("      ", "+ "+from(printable(t.Text), t.Origins))
		}
		for _, t := range c.Revoked {
			s.put("      ", "- "+from(printable(t.Text), t.Origins))
		}
		if c.More > 0 {
			s.put("      ", fmt.Sprintf("and %d more", c.More))
		}
	}
}
