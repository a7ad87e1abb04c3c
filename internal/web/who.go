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

// Who is the part about who may reach what. Its texts are fit to be shown.
type Who struct {
	Owners  []WhoOwner `json:"refused,omitempty"`
	Tables  []WhoTable `json:"tables,omitempty"`
	Files   []WhoFile  `json:"files,omitempty"`
	Linted  []Linted   `json:"lint,omitempty"`
	MoreAll int        `json:"more_tables,omitempty"` // that are left out
}

// WhoTable is the matrix of one address of the machine.
type WhoTable struct {
	ID       string       `json:"-"`
	Source   string       `json:"source"`
	Address  string       `json:"address"`
	Services []WhoService `json:"services"`
	Rows     []WhoRow     `json:"rows"`
	MoreRows int          `json:"more_rows,omitempty"`
	MoreCols int          `json:"more_services,omitempty"`
	Problems []string     `json:"problems,omitempty"` // conflicts and warnings
	Other    bool         `json:"-"`                  // a row has other ports
}

// WhoService is a column: a service, and where it is written.
type WhoService struct {
	Name  string `json:"name"`
	Ports string `json:"ports"`
	At    string `json:"at"`
}

// WhoRow is what requestors of one pattern may reach.
type WhoRow struct {
	Domain string    `json:"domain"`
	Cells  []WhoCell `json:"cells"` // parallel to the Services
	// Other are ports that no service of the table has; empty: none.
	Other     string   `json:"other_ports,omitempty"`
	OtherFrom []string `json:"other_ports_from,omitempty"`
}

// WhoCell is whether a requestor may reach a service, and who says so where.
type WhoCell struct {
	Reach   string   `json:"reach"` // "yes", "https", "some", "no"
	Text    string   `json:"-"`
	Origins []string `json:"from,omitempty"`
}

// WhoFile is what a policy file permits, rule by rule.
type WhoFile struct {
	ID     string    `json:"-"`
	Source string    `json:"source"`
	Meta   string    `json:"meta_policy"`
	Rules  []WhoRule `json:"rules"`
	More   int       `json:"more_rules,omitempty"`
}

// WhoRule is one rule of a policy file.
type WhoRule struct {
	Domain string `json:"domain"`
	Ports  string `json:"ports"`
	Secure bool   `json:"secure,omitempty"` // over HTTPS only
	Line   string `json:"line,omitempty"`
}

// WhoOwner is what was refused from one owner.
type WhoOwner struct {
	Name     string       `json:"owner"`
	Standing string       `json:"standing"` // what of it is in service
	Refusals []WhoRefusal `json:"mistakes"`
	Held     []string     `json:"held_back,omitempty"` // with it, though without fault
	More     int          `json:"more_mistakes,omitempty"`
}

// WhoRefusal is one mistake of an owner.
type WhoRefusal struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Linted are the linter's findings on one policy in service.
type Linted struct {
	Place    string       `json:"place"`
	Findings []WhoFinding `json:"findings"`
	More     int          `json:"more_findings,omitempty"`
}

// WhoFinding is one of them.
type WhoFinding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	At       string `json:"at,omitempty"`
	Message  string `json:"message"`
	Gain     string `json:"gain,omitempty"` // what an attacker gains
	Hint     string `json:"hint,omitempty"`
}

var cellTexts = map[aggregate.Reaches]string{
	aggregate.ReachesNothing: "–", aggregate.ReachesSome: "some ports", aggregate.ReachesOverHTTPS: "over HTTPS", aggregate.ReachesAll: "yes",
}

// standings says what of an owner is in service whose newest version has
// mistakes.
var standings = map[aggregate.Standing]string{
	aggregate.StandingLastGood: "its last good version stays in service",
	aggregate.StandingPartial:  "what is clean of it is in service",
}

func whoOf(v *View) Who {
	var w Who
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

func tableOf(id string, s Source, one *aggregate.Table) WhoTable {
	t := s.InService.Tables
	domains, services := one.Patterns(), t.ServicesAt(one)
	out := WhoTable{ID: id, Source: shown(s.Name), Address: aggregate.AddressName(one.Address)}
	out.MoreRows = max(0, len(domains)-maxDomains)
	out.MoreCols = max(0, len(services)-maxServices)
	m := one.MatrixOf(domains[:len(domains)-out.MoreRows], services[:len(services)-out.MoreCols])
	for _, c := range m.Services {
		out.Services = append(out.Services, WhoService{c.Name, c.Ports.String(), shortPlace(c.Source)})
	}
	var named policy.PortSet
	for i := range services {
		named = named.Union(services[i].Ports)
	}
	for i, d := range m.Domains {
		row := WhoRow{Domain: d.String()}
		row.others(one, d, named)
		out.Other = out.Other || row.Other != ""
		for j, reach := range m.Cells[i] {
			cell := WhoCell{Reach: reach.String(), Text: cellTexts[reach]}
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

// others names the ports that requestors of a pattern may reach beside those
// of the services, and who says so.
func (r *WhoRow) others(t *aggregate.Table, d policy.Domain, named policy.PortSet) {
	ports, overHTTPS := t.Reach(d)
	other, more := ports.Subtract(named), overHTTPS.Subtract(ports).Subtract(named)
	var out []string
	if !other.IsEmpty() {
		out = append(out, other.String())
	}
	if !more.IsEmpty() {
		out = append(out, more.String()+" over HTTPS")
	}
	if len(out) > 0 {
		r.Other = strings.Join(out, "; ")
		r.OtherFrom = cellOrigins(t, policy.Term{Domain: d, Ports: other.Union(more)})
	}
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

func fileOf(id, name string, p *policy.Policy) WhoFile {
	f := WhoFile{ID: id, Source: shown(name), Meta: p.SocketMeta().String()}
	for i := range p.Rules {
		if len(f.Rules) == maxDomains {
			f.More = len(p.Rules) - i
			break
		}
		r := &p.Rules[i]
		row := WhoRule{Domain: r.Domain.String(), Ports: r.Ports.String(), Secure: r.Secure == policy.SecureTrue}
		if r.Pos.IsValid() {
			row.Line = fmt.Sprint(r.Pos.Line)
		}
		f.Rules = append(f.Rules, row)
	}
	return f
}

// owners collects what was refused, from whom, and why.
func (w *Who) owners(states []aggregate.OwnerState) {
	for _, o := range states {
		if len(o.Refusals) == 0 {
			continue
		}
		if len(w.Owners) == maxLines {
			return
		}
		row := WhoOwner{Name: o.Name, Standing: standings[o.Standing]}
		for _, r := range o.Refusals[:min(len(o.Refusals), maxFindings)] {
			row.Refusals = append(row.Refusals, WhoRefusal{string(r.Code), shown(r.Error())})
		}
		row.More = len(o.Refusals) - len(row.Refusals)
		for _, in := range o.Held[:min(len(o.Held), maxFindings)] {
			row.Held = append(row.Held, fmt.Sprintf("%s to %s (%s)", in.Grant.Domain, in.Grant.Ports, escape.Text(in.String(), 1024)))
		}
		w.Owners = append(w.Owners, row)
	}
}

// lint checks the policies of a source as a whole.
func (w *Who) lint(s Source, servedFrom uint16) {
	policies := policiesOf(s.InService.Policies)
	for _, p := range policies[:min(len(policies), maxTables)] {
		place := shown(s.Name)
		if len(policies) > 1 {
			place += ", " + aggregate.AddressName(p.addr)
		}
		found := lint.Check(p.answer.Document(), lint.Options{Kind: lint.KindSocket, ServedFrom: servedFrom})
		l := Linted{Place: place}
		for _, f := range found[:min(len(found), maxFindings)] {
			x := WhoFinding{Severity: f.Severity.String(), Code: f.Code, Message: f.Message, Gain: f.Gain, Hint: f.Hint}
			if f.Pos.IsValid() {
				x.At = f.Pos.String()
			}
			l.Findings = append(l.Findings, x)
		}
		l.More = len(found) - len(l.Findings)
		w.Linted = append(w.Linted, l)
	}
}
