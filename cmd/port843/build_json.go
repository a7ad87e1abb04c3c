package main

import (
	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
)

// jsonPlace is where something stands; what is not known is left out.
type jsonPlace struct {
	File   string `json:"file,omitempty"`
	Line   int32  `json:"line,omitempty"`
	Column int32  `json:"column,omitempty"`
}

func place(s aggregate.Source) jsonPlace { return jsonPlace{s.File, s.Pos.Line, s.Pos.Col} }

type jsonGrant struct {
	Domain string `json:"domain"`
	Secure bool   `json:"secure,omitempty"`
	Ports  string `json:"ports"`
}

func grantJSON(g policy.Grant) jsonGrant {
	return jsonGrant{g.Domain.String(), g.Secure, g.Ports.String()}
}

type jsonInput struct {
	Owner   string `json:"owner,omitempty"`
	Service string `json:"service,omitempty"`
	jsonPlace
	jsonGrant
	Became string `json:"became,omitempty"` // kept, merged, subsumed
	Rules  []int  `json:"rules,omitempty"`  // that it is in, or that subsume it; from 0
}

func inputJSON(in *aggregate.Input) jsonInput {
	return jsonInput{Owner: in.Owner, Service: in.Service, jsonPlace: place(in.Source), jsonGrant: grantJSON(in.Grant)}
}

type jsonConflict struct {
	Ports string      `json:"ports"`
	Sides []jsonInput `json:"sides"`
	More  int         `json:"more,omitempty"`
}

type jsonTable struct {
	Address   string         `json:"address"` // empty: every address without a policy of its own
	Bytes     int            `json:"bytes"`
	Policy    string         `json:"policy"`
	Rules     []jsonGrant    `json:"rules"`
	Inputs    []jsonInput    `json:"inputs"`
	Conflicts []jsonConflict `json:"conflicts"`
}

type jsonRefusal struct {
	Owner   string `json:"owner"`
	Service string `json:"service,omitempty"`
	Code    string `json:"code"`
	jsonPlace
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
}

type jsonWarning struct {
	Code    string `json:"code"`
	Owner   string `json:"owner,omitempty"`
	Address string `json:"address,omitempty"`
	jsonPlace
	Message string `json:"message"`
}

type jsonOwner struct {
	Name     string      `json:"name"`
	Standing string      `json:"standing"`
	Inputs   int         `json:"inputs"`
	Held     []jsonInput `json:"held"`
}

type jsonBuild struct {
	Version  int           `json:"version"` // of this form; a new one where a field changes its meaning
	Tables   []jsonTable   `json:"tables"`
	Owners   []jsonOwner   `json:"owners"`
	Refusals []jsonRefusal `json:"refusals"`
	Warnings []jsonWarning `json:"warnings"`
}

func addressText(t *aggregate.Table) string {
	if !t.Address.IsValid() {
		return ""
	}
	return t.Address.String()
}

func buildJSON(t *table.Tables, tables []*aggregate.Table) jsonBuild {
	out := jsonBuild{Version: 1, Tables: []jsonTable{}, Owners: []jsonOwner{}, Refusals: []jsonRefusal{}, Warnings: []jsonWarning{}}
	for _, one := range tables {
		out.Tables = append(out.Tables, tableJSON(one))
	}
	for _, o := range t.Result.Owners {
		held := []jsonInput{}
		for _, in := range o.Held {
			held = append(held, inputJSON(in))
		}
		out.Owners = append(out.Owners, jsonOwner{o.Name, o.Standing.String(), o.Inputs, held})
	}
	for _, r := range t.Result.Refusals {
		out.Refusals = append(out.Refusals, jsonRefusal{r.Owner, r.Service, string(r.Code), place(r.Source), r.Value, r.Msg})
	}
	for _, w := range t.Result.Warnings {
		j := jsonWarning{Code: string(w.Code), Owner: w.Owner, jsonPlace: place(w.Source), Message: w.Msg}
		if w.Address.IsValid() {
			j.Address = w.Address.String()
		}
		out.Warnings = append(out.Warnings, j)
	}
	return out
}

func tableJSON(t *aggregate.Table) jsonTable {
	j := jsonTable{Address: addressText(t), Bytes: t.Size, Policy: string(policy.Format(t.Policy())), Rules: []jsonGrant{}, Inputs: []jsonInput{}, Conflicts: []jsonConflict{}}
	for i := range t.Rules {
		j.Rules = append(j.Rules, grantJSON(t.Rules[i].Grant()))
	}
	for i, in := range t.Inputs {
		x := inputJSON(in)
		x.Became = t.Fates[i].Became.String()
		if x.Rules = t.By(i); t.Fates[i].Rule >= 0 {
			x.Rules = []int{int(t.Fates[i].Rule)}
		}
		j.Inputs = append(j.Inputs, x)
	}
	for _, c := range t.Conflicts {
		x := jsonConflict{Ports: c.Ports.String(), More: c.More}
		for _, s := range c.Sides {
			x.Sides = append(x.Sides, inputJSON(s.Input))
		}
		j.Conflicts = append(j.Conflicts, x)
	}
	return j
}

type jsonMatrix struct {
	Version int              `json:"version"`
	Tables  []jsonMatrixPart `json:"tables"`
}

type jsonMatrixPart struct {
	Address string                       `json:"address"`
	Reach   map[string]map[string]string `json:"reach"` // domain → service → yes, https, some, no
}

func matrixJSON(t *table.Tables, tables []*aggregate.Table) jsonMatrix {
	out := jsonMatrix{Version: 1, Tables: []jsonMatrixPart{}}
	for _, one := range tables {
		m := one.Matrix(t.ServicesAt(one))
		part := jsonMatrixPart{addressText(one), map[string]map[string]string{}}
		for i, d := range m.Domains {
			row := map[string]string{}
			for k, s := range m.Services {
				row[s.Name] = m.Cells[i][k].String()
			}
			part.Reach[d.String()] = row
		}
		out.Tables = append(out.Tables, part)
	}
	return out
}
