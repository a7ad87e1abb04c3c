package web

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/lint"
	"github.com/port843/port843/policy"
)

// What of a table the page shows: it is to be read, not searched. "port843
// build --matrix" prints all of it.
const (
	maxDomains  = 100
	maxServices = 30
	maxTables   = 20
	maxFindings = 50
)

// whoPart is the part about who may reach what.
type whoPart struct {
	Tables  []whoTable
	Files   []whoFile
	Owners  []whoOwner
	Linted  []linted
	MoreAll int // tables that are left out
}

// whoTable is the matrix of one address of the machine.
type whoTable struct {
	ID       string
	Source   string
	Address  string
	Services []whoService
	Rows     []whoRow
	MoreRows int
	MoreCols int
	Problems []string // conflicts and warnings
	Other    bool     // a row has other ports
}

type whoService struct {
	Name  string
	Ports string
	At    string // where it is written
}

type whoRow struct {
	Domain string
	Cells  []whoCell
	Other  string // ports that no service of the table has; empty: none
}

type whoCell struct {
	Reach   string // "yes", "https", "some", "no"
	Text    string
	Origins []string
}

// whoFile is what a policy file permits, rule by rule.
type whoFile struct {
	ID     string
	Source string
	Meta   string
	Rules  []whoRule
	More   int
}

type whoRule struct {
	Domain string
	Ports  string
	Secure bool
	Line   string
}

// whoOwner is what was refused from one owner.
type whoOwner struct {
	Name     string
	Standing string
	Refusals []whoRefusal
	Held     []string
	More     int
}

type whoRefusal struct{ Code, Text string }

// linted are the findings on one policy in service.
type linted struct {
	Place    string
	Findings []whoFinding
	More     int
}

type whoFinding struct{ Severity, Code, At, Message, Gain, Hint string }

var cellTexts = map[aggregate.Reaches]string{
	aggregate.ReachesNothing: "–", aggregate.ReachesSome: "some ports", aggregate.ReachesOverHTTPS: "over HTTPS", aggregate.ReachesAll: "yes",
}

// standings says what of an owner is in service whose newest version has
// mistakes.
var standings = map[aggregate.Standing]string{
	aggregate.StandingLastGood: "its last good version stays in service",
	aggregate.StandingPartial:  "what is clean of it is in service",
}

func whoOf(v *View) whoPart {
	var w whoPart
	for _, s := range v.Sources {
		t := s.InService.Tables
		if t != nil && t.Config.Serve.Policy == "" {
			for _, one := range t.Result.Tables {
				if len(w.Tables) == maxTables {
					w.MoreAll++
					continue
				}
				id := fmt.Sprintf("table-%d", len(w.Tables)+1)
				w.Tables = append(w.Tables, tableOf(id, s, one))
			}
			w.owners(t.Result.Owners)
		} else if a := s.InService.Policies.Default; a != nil {
			w.Files = append(w.Files, fileOf(fmt.Sprintf("file-%d", len(w.Files)+1), s.Name, a.Policy()))
		}
		w.lint(s, v.servedFrom(s.Name))
	}
	return w
}

func tableOf(id string, s Source, one *aggregate.Table) whoTable {
	t := s.InService.Tables
	domains, services := one.Patterns(), t.ServicesAt(one)
	out := whoTable{ID: id, Source: shown(s.Name), Address: aggregate.AddressName(one.Address)}
	out.MoreRows = max(0, len(domains)-maxDomains)
	out.MoreCols = max(0, len(services)-maxServices)
	m := one.MatrixOf(domains[:len(domains)-out.MoreRows], services[:len(services)-out.MoreCols])
	for _, c := range m.Services {
		out.Services = append(out.Services, whoService{c.Name, c.Ports.String(), shortPlace(c.Source)})
	}
	var named policy.PortSet
	for i := range services {
		named = named.Union(services[i].Ports)
	}
	for i, d := range m.Domains {
		row := whoRow{Domain: d.String(), Other: otherPorts(one, d, named)}
		out.Other = out.Other || row.Other != ""
		for j, reach := range m.Cells[i] {
			cell := whoCell{Reach: reach.String(), Text: cellTexts[reach]}
			if reach != aggregate.ReachesNothing {
				cell.Origins = cellOrigins(one, policy.Term{Domain: d, Ports: m.Services[j].Ports})
			}
			row.Cells = append(row.Cells, cell)
		}
		out.Rows = append(out.Rows, row)
	}
	for _, c := range one.Conflicts {
		out.Problems = append(out.Problems, escape.Text(c.String(), 2048))
	}
	for _, x := range one.Warnings {
		out.Problems = append(out.Problems, x.Msg)
	}
	out.Problems = out.Problems[:min(len(out.Problems), maxLines)]
	return out
}

// otherPorts names the ports that requestors of a pattern may reach beside
// those of the services.
func otherPorts(t *aggregate.Table, d policy.Domain, named policy.PortSet) string {
	ports, overHTTPS := t.Reach(d)
	var out []string
	if other := ports.Subtract(named); !other.IsEmpty() {
		out = append(out, other.String())
	}
	if more := overHTTPS.Subtract(ports).Subtract(named); !more.IsEmpty() {
		out = append(out, more.String()+" over HTTPS")
	}
	return strings.Join(out, "; ")
}

// cellOrigins names the owners and places that a cell comes from, short enough
// for a cell: the file without its folders.
func cellOrigins(t *aggregate.Table, term policy.Term) []string {
	inputs := t.Origins(term)
	var out []string
	for _, in := range inputs[:min(len(inputs), maxOrigins)] {
		out = append(out, in.Owner+" · "+shortPlace(in.Source))
	}
	if n := len(inputs) - maxOrigins; n > 0 {
		out = append(out, "and "+Grouped(uint64(n))+" more")
	}
	return out
}

func shortPlace(s aggregate.Source) string {
	name := escape.Text(filepath.Base(s.File), 80)
	if s.Pos.IsValid() {
		return fmt.Sprintf("%s:%d", name, s.Pos.Line)
	}
	return name
}

func fileOf(id, name string, p *policy.Policy) whoFile {
	f := whoFile{ID: id, Source: shown(name), Meta: p.SocketMeta().String()}
	for i := range p.Rules {
		if len(f.Rules) == maxDomains {
			f.More = len(p.Rules) - i
			break
		}
		r := &p.Rules[i]
		row := whoRule{Domain: r.Domain.String(), Ports: r.Ports.String(), Secure: r.Secure == policy.SecureTrue}
		if r.Pos.IsValid() {
			row.Line = fmt.Sprint(r.Pos.Line)
		}
		f.Rules = append(f.Rules, row)
	}
	return f
}

// owners collects what was refused, from whom, and why.
func (w *whoPart) owners(states []aggregate.OwnerState) {
	for _, o := range states {
		if len(o.Refusals) == 0 {
			continue
		}
		if len(w.Owners) == maxLines {
			return
		}
		row := whoOwner{Name: o.Name, Standing: standings[o.Standing]}
		for _, r := range o.Refusals[:min(len(o.Refusals), maxFindings)] {
			row.Refusals = append(row.Refusals, whoRefusal{string(r.Code), shown(r.Error())})
		}
		row.More = len(o.Refusals) - len(row.Refusals)
		for _, in := range o.Held[:min(len(o.Held), maxFindings)] {
			row.Held = append(row.Held, fmt.Sprintf("%s to %s (%s)", in.Grant.Domain, in.Grant.Ports, escape.Text(in.String(), 1024)))
		}
		w.Owners = append(w.Owners, row)
	}
}

// lint checks the policies of a source as a whole.
func (w *whoPart) lint(s Source, servedFrom uint16) {
	policies := policiesOf(s.InService.Policies)
	for _, p := range policies[:min(len(policies), maxTables)] {
		place := shown(s.Name)
		if len(policies) > 1 {
			place += ", " + aggregate.AddressName(p.addr)
		}
		found := lint.Check(p.answer.Document(), lint.Options{Kind: lint.KindSocket, ServedFrom: servedFrom})
		l := linted{Place: place}
		for _, f := range found[:min(len(found), maxFindings)] {
			x := whoFinding{f.Severity.String(), f.Code, "", f.Message, f.Gain, f.Hint}
			if f.Pos.IsValid() {
				x.At = f.Pos.String()
			}
			l.Findings = append(l.Findings, x)
		}
		l.More = len(found) - len(l.Findings)
		w.Linted = append(w.Linted, l)
	}
}
