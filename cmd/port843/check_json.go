package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/player"
)

// checkJSONVersion grows when a field changes its meaning or goes; fields may
// be added without it.
const checkJSONVersion = 1

// checkJSON is the output of check --json: Results, or Who.
type checkJSON struct {
	Version int           `json:"version"`
	Results []jsonVerdict `json:"results,omitempty"`
	Who     *jsonWho      `json:"who,omitempty"`
}

// jsonVerdict is one client's verdict. Times are seconds.
type jsonVerdict struct {
	From      string          `json:"from"`
	Target    string          `json:"target"`
	Client    string          `json:"client"`
	Verdict   string          `json:"verdict"`
	Reason    string          `json:"reason"`
	Because   string          `json:"because"`
	Event     string          `json:"event,omitempty"`
	Policy    string          `json:"policy,omitempty"`
	Rule      *jsonPos        `json:"rule,omitempty"`
	Wait      float64         `json:"wait"`
	Addresses []jsonAddress   `json:"addresses,omitempty"`
	Steps     []jsonStep      `json:"steps"`
	Notes     []player.Note   `json:"notes,omitempty"`
	Advice    []player.Advice `json:"advice,omitempty"`
}

type jsonPos struct {
	Line int32 `json:"line"`
	Col  int32 `json:"column"`
}

type jsonAddress struct {
	Address string `json:"address"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Because string `json:"because"`
}

type jsonStep struct {
	Kind     string    `json:"kind"`
	At       float64   `json:"at"`
	Took     float64   `json:"took"`
	Address  string    `json:"address,omitempty"`
	Text     string    `json:"text"`
	Observed *jsonSeen `json:"observed,omitempty"`
}

// jsonSeen is what came when a policy was asked for.
type jsonSeen struct {
	Location string       `json:"location"`
	Role     string       `json:"role"`
	Outcome  string       `json:"outcome"`
	Bytes    int          `json:"bytes"`
	NUL      bool         `json:"nul"`
	Counts   bool         `json:"counts"`
	Why      string       `json:"why,omitempty"`
	Policy   string       `json:"policy,omitempty"`
	ICMP     *player.ICMP `json:"icmp,omitempty"`
	Status   int          `json:"status,omitempty"`
}

type jsonWho struct {
	Target   string        `json:"target"`
	Client   string        `json:"client"`
	Complete bool          `json:"complete"`
	Why      string        `json:"why,omitempty"`
	Permits  []jsonPermit  `json:"permits"`
	Steps    []jsonStep    `json:"steps"`
	Notes    []player.Note `json:"notes,omitempty"`
}

type jsonPermit struct {
	Domain    string   `json:"domain"`
	Secure    bool     `json:"secure"`
	Rule      string   `json:"rule"`
	Policy    string   `json:"policy"`
	Addresses []string `json:"addresses,omitempty"`
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func jsonVerdicts(verdicts []*player.Verdict, swf string) []jsonVerdict {
	out := make([]jsonVerdict, len(verdicts))
	for i, v := range verdicts {
		j := jsonVerdict{From: escape.Text(swf, 2000), Target: v.Question.Target.String(), Client: v.Client.Name,
			Verdict: v.Answer.String(), Reason: string(v.Reason), Because: v.Because, Event: v.Event(), Wait: sec(v.Wait),
			Steps: jsonSteps(v.Steps), Notes: v.Notes, Advice: player.Advise(v)}
		if v.By != nil {
			j.Policy = v.By.Location.String()
		}
		if v.Rule != nil && v.Rule.Pos.IsValid() {
			j.Rule = &jsonPos{v.Rule.Pos.Line, v.Rule.Pos.Col}
		}
		for _, f := range v.Addresses {
			if f.Addr.IsValid() {
				j.Addresses = append(j.Addresses, jsonAddress{f.Addr.String(), f.Answer.String(), string(f.Reason), f.Because})
			}
		}
		out[i] = j
	}
	return out
}

func sec(d time.Duration) float64 { return d.Seconds() }

func jsonSteps(steps []player.Step) []jsonStep {
	out := make([]jsonStep, len(steps))
	for i, s := range steps {
		j := jsonStep{Kind: string(s.Kind), At: sec(s.At), Took: sec(s.Took), Text: s.Text}
		if s.Addr.IsValid() {
			j.Address = s.Addr.String()
		}
		if s.Kind == player.StepAsk {
			o := s.Source.Observation
			j.Observed = &jsonSeen{Location: s.Source.Location.String(), Role: s.Source.Role.String(), Outcome: o.Outcome.String(),
				Bytes: len(o.Data), NUL: o.NUL, Counts: s.Source.Counts, Why: s.Source.Why, ICMP: o.ICMP, Status: o.Status,
				Policy: escape.Text(o.Data, player.MaxRead)}
		}
		out[i] = j
	}
	return out
}

func jsonRoll(r *player.Roll) *jsonWho {
	j := &jsonWho{Target: r.Target.String(), Client: r.Client.Name, Complete: r.Complete, Why: r.Why,
		Permits: []jsonPermit{}, Steps: jsonSteps(r.Steps), Notes: r.Notes}
	for _, p := range r.Permits {
		x := jsonPermit{Domain: p.Domain, Secure: p.Secure, Rule: p.Rule, Policy: p.By.Location.String()}
		for _, a := range p.Addrs {
			x.Addresses = append(x.Addresses, a.String())
		}
		j.Permits = append(j.Permits, x)
	}
	return j
}
