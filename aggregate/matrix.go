package aggregate

import (
	"slices"

	"github.com/port843/port843/policy"
)

// Reaches says how much of a service's ports somebody may reach.
type Reaches uint8

// The cells of a [Matrix].
const (
	ReachesNothing   Reaches = iota
	ReachesSome              // some of the ports, over whatever scheme
	ReachesOverHTTPS         // every port, for requestors that came over HTTPS
	ReachesAll               // every port
)

var reachesNames = [...]string{"no", "some", "https", "yes"}

func (r Reaches) String() string { return reachesNames[r] }

// Matrix says who may reach what by a table: a row for each pattern that its
// rules name, a column for each service. A cell speaks of all requestors of
// the pattern; what only some of them may is in the rows of narrower patterns.
type Matrix struct {
	Domains  []policy.Domain
	Services []Service
	Cells    [][]Reaches // by domain, then by service
}

// Patterns returns the domains that the table's rules name, each once, in
// their order.
func (t *Table) Patterns() []policy.Domain {
	var out []policy.Domain
	for i := range t.Rules {
		if d := t.Rules[i].Domain.WithScheme(policy.SchemeAny); !slices.Contains(out[max(len(out)-2, 0):], d) {
			out = append(out, d)
		}
	}
	return out
}

// Matrix returns who may reach which of the services, whoever let them in.
func (t *Table) Matrix(services []Service) Matrix { return t.MatrixOf(t.Patterns(), services) }

// MatrixOf is Matrix for some domains only.
func (t *Table) MatrixOf(domains []policy.Domain, services []Service) Matrix {
	m := Matrix{Domains: domains, Services: services}
	for _, d := range domains {
		ports, overHTTPS := t.Reach(d)
		row := make([]Reaches, len(services))
		for j := range services {
			want := services[j].Ports
			switch {
			case want.IsEmpty():
			case ports.Covers(want):
				row[j] = ReachesAll
			case overHTTPS.Covers(want):
				row[j] = ReachesOverHTTPS
			case !overHTTPS.Intersect(want).IsEmpty():
				row[j] = ReachesSome
			}
		}
		m.Cells = append(m.Cells, row)
	}
	return m
}
