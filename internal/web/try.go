package web

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// maxQuestion bounds what somebody may type: the longest URL that browsers of
// the time took.
const maxQuestion = 2048

// tryPart is the form and, where it was sent, its answer.
type tryPart struct {
	From, To, At string
	Places       []tryPlace
	Asked        bool
	Error        string
	Judged       string // the policy that was judged
	Link         string // to this answer, for somebody else
	Note         string
	Permitted    int
	Denied       int
	Verdicts     []tryVerdict
}

// tryPlace is a policy in service that can be asked about.
type tryPlace struct {
	Key      string // in the URL
	Name     string
	Selected bool

	listener *Listener
	policy   addressed
}

type tryVerdict struct {
	Name, Title     string
	Answer, Because string
	Event           string
	Steps           []tryStep
	Notes           []string
	Advice          []player.Advice
}

type tryStep struct{ Kind, Text string }

// placesOf lists the policies in service, those of one listener together.
func placesOf(v *View) []tryPlace {
	var out []tryPlace
	for i := range v.Listeners {
		l := &v.Listeners[i]
		policies := policiesOf(l.Policies)
		for _, p := range policies[:min(len(policies), maxLines)] {
			place := tryPlace{Key: l.Address, Name: l.Address, listener: l, policy: p}
			if p.addr.IsValid() {
				place.Key += "/" + p.addr.String()
				place.Name += ", for " + p.addr.String()
			} else if len(policies) > 1 {
				place.Name += ", for " + aggregate.AddressName(p.addr)
			}
			out = append(out, place)
		}
	}
	return out
}

// pick returns the index of the policy to judge: the one that was asked for,
// else that of the target's address, else the first.
func pick(places []tryPlace, key, host string) int {
	first := 0
	addr, err := netip.ParseAddr(host)
	for i, p := range places {
		if key != "" && p.Key == key {
			return i
		}
		if key == "" && err == nil && p.policy.addr == addr {
			return i
		}
		if listening, e := netip.ParseAddrPort(p.Key); err == nil && first == 0 && e == nil && listening.Addr() == addr {
			first = i
		}
	}
	return first
}

// tryOf answers the question of a query, if it asks one.
func tryOf(ctx context.Context, v *View, query url.Values) tryPart {
	t := tryPart{From: strings.TrimSpace(query.Get("from")), To: strings.TrimSpace(query.Get("to")), At: query.Get("at"), Places: placesOf(v)}
	if t.From == "" && t.To == "" {
		return t
	}
	t.Asked = true
	if len(t.From) > maxQuestion || len(t.To) > maxQuestion {
		t.Error = fmt.Sprintf("a URL has at most %d characters here", maxQuestion)
		t.From, t.To = "", ""
		return t
	}
	if err := t.answer(ctx); err != nil {
		t.Error = escape.Text(err.Error(), 1024)
	}
	return t
}

func (t *tryPart) answer(ctx context.Context) error {
	from, err := policy.ParseRequestor(t.From)
	if err != nil {
		return err
	}
	target, err := player.ParseTarget(t.To)
	if err != nil {
		return err
	}
	if len(t.Places) == 0 {
		return fmt.Errorf("no listener serves a policy")
	}
	i := pick(t.Places, t.At, target.Host())
	t.Places[i].Selected = true
	place := t.Places[i]
	link := url.Values{"from": {t.From}, "to": {t.To}}
	if t.At != "" {
		link.Set("at", t.At)
	}
	t.Link = "/?" + link.Encode() + "#try"
	t.Judged = fmt.Sprintf("%s (%s)", place.Name, place.policy.answer.Digest()[:12])
	given := player.Given{Policy: place.policy.answer.Document()}
	if target.IsSocket() {
		given.ServedFrom = place.listener.ServedFrom
	} else {
		t.Note = "A URL is decided by the site's own /crossdomain.xml. This is the verdict if the policy above were that file."
	}
	question := player.Question{From: from, Target: target}
	if origin, err := player.ParseLocation(t.From); err == nil {
		question.Origin = origin
	}
	for _, p := range player.Profiles() {
		q := question
		q.Client = p
		table, err := given.Apply(&q)
		if err != nil {
			return err
		}
		verdict := player.Decide(ctx, table, q)
		switch verdict.Answer {
		case player.Permitted:
			t.Permitted++
		case player.Denied:
			t.Denied++
		}
		t.Verdicts = append(t.Verdicts, verdictOf(verdict))
	}
	return nil
}

func verdictOf(v *player.Verdict) tryVerdict {
	out := tryVerdict{
		Name: v.Client.Name, Title: v.Client.Title, Answer: v.Answer.String(), Because: v.Because,
		Event: v.Event(), Advice: player.Advise(v),
	}
	for _, s := range v.Steps {
		out.Steps = append(out.Steps, tryStep{string(s.Kind), s.Text})
	}
	for _, n := range v.Notes {
		out.Notes = append(out.Notes, n.Text)
	}
	return out
}
