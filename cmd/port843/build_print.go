package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
)

// printer writes text and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) json(v any) error {
	e := json.NewEncoder(p.w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// policies prints each policy under its address; alone it is the file itself.
func (p *printer) policies(tables []*aggregate.Table, alone bool) {
	for i, t := range tables {
		if !alone {
			if i > 0 {
				p.printf("\n")
			}
			p.printf("# %s\n", aggregate.AddressName(t.Address))
		}
		p.printf("%s", policy.Format(t.Policy()))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// origin names an input and where it is, fit to be shown.
func origin(in *aggregate.Input) string { return escape.Text(in.String(), 1024) }

// who names whom a rule or an input lets in.
func who(g policy.Grant) string {
	if g.Secure {
		return g.Domain.String() + " over HTTPS"
	}
	return g.Domain.String()
}

func (p *printer) explain(t *table.Tables, tables []*aggregate.Table) {
	for _, one := range tables {
		p.explainTable(one)
	}
	for _, o := range t.Result.Owners {
		if len(o.Refusals) == 0 {
			continue
		}
		p.printf("%s: %s refused, %s in force\n", o.Name, count(len(o.Refusals), "mistake"), count(o.Inputs, "input"))
		for _, r := range o.Refusals {
			p.printf("  %s\n", r.Error())
		}
		for _, in := range o.Held {
			p.printf("  held back with it: %s to %s (%s)\n", who(in.Grant), in.Grant.Ports, origin(in))
		}
		p.printf("\n")
	}
	for _, w := range t.Result.Warnings {
		if w.Owner != "" {
			p.printf("warning: %s\n", w)
		}
	}
	p.printf("policies: %d, mistakes: %d, conflicts: %d\n", len(t.Result.Tables), len(t.Result.Refusals), len(t.Result.Conflicts()))
}

func (p *printer) explainTable(t *aggregate.Table) {
	p.printf("%s: %s made of %s, %s\n", aggregate.AddressName(t.Address), count(len(t.Rules), "rule"), count(len(t.Inputs), "input"), count(t.Size, "byte"))
	for i := range t.Rules {
		g := t.Rules[i].Grant()
		p.printf("  %s to %s\n", who(g), g.Ports)
		for _, in := range t.From(i) {
			if in.Grant.Domain == g.Domain && in.Grant.Secure == g.Secure && in.Grant.Ports.Equal(g.Ports) {
				p.printf("      %s\n", origin(in))
			} else {
				p.printf("      %s: %s to %s\n", origin(in), who(in.Grant), in.Grant.Ports)
			}
		}
	}
	for i, in := range t.Inputs {
		if t.Fates[i].Became != aggregate.Subsumed {
			continue
		}
		p.printf("  said already: %s to %s (%s)\n", who(in.Grant), in.Grant.Ports, origin(in))
		for _, j := range t.By(i) {
			g := t.Rules[j].Grant()
			p.printf("      by %s to %s\n", who(g), g.Ports)
		}
	}
	for _, c := range t.Conflicts {
		p.printf("  conflict: %s\n", c.Title())
		for _, side := range c.Sides {
			p.printf("      %s\n", origin(side.Input))
		}
	}
	for _, w := range t.Warnings {
		p.printf("  warning: %s\n", w.Msg)
	}
	p.printf("\n")
}

func (p *printer) matrix(t *table.Tables, tables []*aggregate.Table) {
	for i, one := range tables {
		m := one.Matrix(t.ServicesAt(one))
		if i > 0 {
			p.printf("\n")
		}
		p.printf("%s\n", aggregate.AddressName(one.Address))
		tw := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
		row := &printer{w: tw}
		row.printf("  domain")
		for _, s := range m.Services {
			row.printf("\t%s", s.Name)
		}
		row.printf("\n")
		for j, d := range m.Domains {
			row.printf("  %s", d)
			for _, cell := range m.Cells[j] {
				row.printf("\t%s", cellText(cell))
			}
			row.printf("\n")
		}
		if err := tw.Flush(); err != nil && p.err == nil {
			p.err = err
		}
	}
}

func cellText(r aggregate.Reaches) string {
	if r == aggregate.ReachesNothing {
		return "-"
	}
	return r.String()
}
