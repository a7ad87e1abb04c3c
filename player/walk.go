package player

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// walk is the client's way through the policies at one address.
type walk struct {
	q     *Question
	p     *Profile
	f     Fetcher
	clock time.Duration // the client's time so far
	find  Finding
	steps []Step
	notes []Note
	over  bool // the find has its answer
}

// visit looks at a policy that counts, and reports whether the search is over.
type visit func(*Source) bool

// decide searches until a rule grants, and gives the finding.
func (w *walk) decide(ctx context.Context) {
	w.search(ctx, w.judge)
	w.find.Wait = w.clock
	if !w.over {
		w.denied(ctx)
	}
	if w.find.Answer == Permitted && w.q.Connect && w.q.Target.IsSocket() {
		w.reach(ctx)
	}
}

func (w *walk) search(ctx context.Context, look visit) {
	if w.q.Target.IsSocket() {
		w.sockets(ctx, look)
	} else {
		w.urls(ctx, look)
	}
}

func (w *walk) note(code NoteCode, format string, args ...any) {
	w.notes = append(w.notes, Note{code, fmt.Sprintf(format, args...)})
}

func (w *walk) step(s Step) {
	s.At, s.Addr = w.clock, w.find.Addr
	w.clock += s.Took
	w.steps = append(w.steps, s)
}

func (w *walk) end(a Answer, r Reason, by *Source, format string, args ...any) {
	w.find.Answer, w.find.Reason, w.find.By, w.find.Because = a, r, by, fmt.Sprintf(format, args...)
	w.over = true
}

// ignore tells of a location that the client does not even ask.
func (w *walk) ignore(l Location, meta policy.MetaPolicy, why string) {
	w.step(Step{Kind: StepIgnore, Place: l, Meta: meta, Text: fmt.Sprintf("%s is left out: %s", escape.Text(l.String(), 160), why)})
}

// ask asks one place as the client does, and reads what it reads.
func (w *walk) ask(ctx context.Context, role Role, l Location) *Source {
	limits := w.p.limits(role)
	o := w.f.Fetch(ctx, Query{Location: l, Addr: w.find.Addr, Request: w.p.Request, Limits: limits, TLS: role == RoleMaster})
	s := &Source{Role: role, Location: l, Addr: w.find.Addr, Observation: o.within(limits)}
	w.find.Sources = append(w.find.Sources, s)
	w.step(Step{Kind: StepAsk, Source: s, Took: o.cost(limits), Text: fmt.Sprintf("%s: %s", placeText(s), s.Observation)})
	w.read(s)
	switch {
	case s.Observation.Outcome == OutcomeCancelled || ctx.Err() != nil:
		w.end(Undetermined, ReasonCancelled, nil, "the check was cancelled")
	case s.Observation.Outcome == OutcomeFailed:
		w.end(Undetermined, ReasonFailed, nil, "%s could not be asked from here: %s", l, s.Observation.Err)
	case w.hangs(s, limits):
		w.end(Denied, ReasonHangs, s, "%s waits for %s for ever", w.p.Title, l)
	case s.Observation.Outcome == OutcomeUnknown:
		w.offline(s)
	}
	return s
}

// placeText names a place with the address at which it was asked.
func placeText(s *Source) string {
	text := escape.Text(s.Location.String(), 160)
	if s.Addr.IsValid() && s.Addr.String() != s.Location.Host {
		text += " at " + s.Addr.String()
	}
	return text
}

// hangs reports whether the client still waits for this place.
func (w *walk) hangs(s *Source, l Limits) bool {
	if l.Answer > 0 || !s.Location.IsSocket() {
		return false
	}
	switch o := s.Observation; o.Outcome {
	case OutcomeSilent:
		return true
	case OutcomeUnfinished, OutcomeNoNUL:
		return w.p.Reads == ReadsToEnd && w.p.NeedsNUL && !o.Closed
	}
	return false
}

// offline tells what is assumed of a master that was not given.
func (w *walk) offline(s *Source) {
	if s.Role == RoleMaster {
		w.note(NoteOffline, "no master policy was given: it is taken as one that permits other policy files and has no rule for this")
	}
}

// read parses what came, and says whether the client decides by it.
func (w *walk) read(s *Source) {
	o := s.Observation
	switch {
	case !w.p.usable(o):
		s.Why = notUsable[o.Outcome]
		if s.Why == "" {
			s.Why = "no policy came"
		}
		if s.Why == whyNoNUL && o.Closed {
			s.Why += ", and the connection is closed"
		}
		if notUsable[o.Outcome] != "" {
			w.step(Step{Kind: StepRule, Source: s, Text: "it does not count: " + s.Why})
		}
		return
	case w.p.Access:
		s.Access = ParseAccess(w.p.received(o))
		s.Counts, s.Why = s.Access.Void == "", s.Access.Void
		if !s.Counts {
			w.step(Step{Kind: StepRule, Source: s, Text: "the file grants nothing: " + s.Why})
		}
		return
	}
	pol, problems, cut := w.p.read(o)
	s.Policy, s.Cut = pol, cut
	s.Counts = !pol.Void
	if cut {
		w.note(NoteClient, "%s stops reading at the first short piece: of %d bytes it has read %d. In which pieces an answer arrives, chance decides", w.p.Title, len(o.Data), len(w.p.received(o)))
	}
	w.problems(s, problems)
	switch {
	case pol.Void && cut:
		s.Why = "the client has read a part of it only"
	case pol.Void:
		s.Why = "the file is not well-formed, so the whole of it grants nothing"
	case s.Role != RoleMaster && w.p.MetaVoids && pol.Meta != policy.MetaUnset:
		s.Counts, s.Why = false, fmt.Sprintf("%s voids a policy with site-control that does not come from port %d", w.p.Title, w.p.MasterPort)
	case s.Role != RoleMaster && pol.Meta == policy.MetaNone:
		s.Counts, s.Why = false, "its own site-control is none"
		w.note(NoteSilent, "site-control belongs into a master; what \"none\" means in another file is not documented: that file is taken to grant nothing")
	}
	if !s.Counts {
		w.step(Step{Kind: StepRule, Source: s, Text: s.Why})
	}
}

const whyNoNUL = "there is no NUL behind it, so the client waits for more"

var notUsable = map[Outcome]string{
	OutcomeNoNUL:    whyNoNUL,
	OutcomeLate:     "it came after the client had given up",
	OutcomeOversize: "it is larger than any client reads",
}

// problems notes the mistakes of a file, and the readings that are disputed.
func (w *walk) problems(s *Source, problems policy.Problems) {
	const most = 20
	for i, p := range problems {
		if i == most {
			w.note(NoteProblem, "%s: and %d more mistakes", s.Location, len(problems)-most)
			break
		}
		w.note(NoteProblem, "%s: %s (%s)", s.Location, p.Error(), p.Effect)
	}
	for _, p := range problems {
		switch {
		case p.Code == policy.CodeDomainTopLevel:
			w.note(NoteDisputed, "a wildcard over one label, such as *.com, matches nothing in Flash Player by the specification, and everything below it in Lightspark")
		case p.Attribute == "to-ports":
			w.note(NoteDisputed, "of white space, 0, reversed or impossible ports in to-ports Adobe says nothing, and readers disagree: such a rule is taken to grant nothing")
		case p.Effect == policy.EffectVoid:
			w.note(NoteDisputed, "readers disagree about files that are not well-formed: the whole file is taken to grant nothing")
		case p.Effect == policy.EffectIgnored:
			w.note(NoteDisputed, "unknown elements and attributes are ignored, and reported")
		}
	}
}

// judge looks for a rule that grants, and keeps the nearest that does not.
func (w *walk) judge(s *Source) bool {
	if s.Access != nil {
		return w.judgeAccess(s)
	}
	var nearest *policy.Rule
	var miss policy.Miss
	for i := range s.Policy.Rules {
		r := &s.Policy.Rules[i]
		m := w.miss(s, r)
		if m == policy.MissNothing {
			w.granted(s, r, ruleText(s, r))
			return true
		}
		if nearest == nil || w.nearer(s, r, m, nearest, miss) {
			nearest, miss = r, m
		}
	}
	w.near(s, nearest, miss)
	return false
}

// nearer reports whether a rule comes nearer to granting than the nearest so
// far. What is advised is to change that rule, so one that lacks nothing but
// HTTPS is nearer than one for other ports, and among those for other ports
// one for "*" is the last: to add a port to it would let everybody in.
func (w *walk) nearer(s *Source, r *policy.Rule, m policy.Miss, than *policy.Rule, miss policy.Miss) bool {
	rank := func(r *policy.Rule, m policy.Miss) int {
		if m == policy.MissSecure && w.missFrom(policy.Requestor{Scheme: "https", Host: w.q.From.Host}, s, r) == policy.MissNothing {
			return 2*int(policy.MissPort) + 1
		}
		return 2 * int(m)
	}
	if a, b := rank(r, m), rank(than, miss); a != b {
		return a > b
	}
	return m == policy.MissPort && r.Domain.Kind() > than.Domain.Kind()
}

// miss returns why the rule does not grant this question in this client.
func (w *walk) miss(s *Source, r *policy.Rule) policy.Miss { return w.missFrom(w.q.From, s, r) }

// missFrom is miss for another requestor.
func (w *walk) missFrom(from policy.Requestor, s *Source, r *policy.Rule) policy.Miss {
	if !w.q.Target.IsSocket() {
		return r.URLMiss(from, s.Location.Scheme == "https")
	}
	if s.Role == RoleOldHTTP {
		return r.URLMiss(from, false)
	}
	return w.p.miss(s, r, from, w.q.Target.Port())
}

func (w *walk) judgeAccess(s *Source) bool {
	miss := policy.MissHost
	for i := range s.Access.Rules {
		r := &s.Access.Rules[i]
		m := r.miss(w.q.From, w.q.Target.Port())
		if m == policy.MissNothing {
			w.granted(s, nil, fmt.Sprintf("%s <policy>", r.Pos))
			return true
		}
		miss = max(miss, m)
	}
	w.near(s, nil, miss)
	return false
}

func (w *walk) granted(s *Source, r *policy.Rule, text string) {
	w.step(Step{Kind: StepRule, Source: s, Text: text + " permits"})
	w.find.Rule, w.find.Miss = r, policy.MissNothing
	if t := w.q.Target; t.IsSocket() && t.Port() < 1024 && w.p.Loads && w.p.PrivilegedRule {
		w.note(NoteDisputed, "the last players (2017) are reported to refuse a list of well-known ports whatever a policy says; which ports, no documentation tells")
	}
	w.end(Permitted, ReasonRule, s, "%s of %s", text, placeText(s))
}

// near tells why no rule of the file grants, and keeps the nearest of all.
func (w *walk) near(s *Source, r *policy.Rule, miss policy.Miss) {
	text := "there is no rule in it"
	switch {
	case r != nil:
		text = fmt.Sprintf("no rule permits; nearest is %s: %s", ruleText(s, r), w.missText(s, miss))
	case s.Access != nil && len(s.Access.Rules) > 0:
		text = "no rule permits: " + w.missText(s, miss)
	}
	w.step(Step{Kind: StepRule, Source: s, Text: text})
	if w.find.By == nil || miss > w.find.Miss {
		w.find.Rule, w.find.Miss, w.find.By = r, miss, s
	}
}

// denied gives the finding of a search without success.
func (w *walk) denied(ctx context.Context) {
	counted := false
	for _, s := range w.find.Sources {
		counted = counted || s.Counts
	}
	by := w.find.By
	switch {
	case ctx.Err() != nil:
		w.end(Undetermined, ReasonCancelled, nil, "the check was cancelled")
	case w.find.Reason == ReasonMasterOnly:
		w.end(Denied, ReasonMasterOnly, by, "no rule of %s permits, and by its meta-policy no other file counts%s", placeText(w.find.Sources[0]), w.nearText())
	case counted:
		w.end(Denied, ReasonNoRule, by, "no rule permits %s to reach %s%s", shown(w.q.From), w.q.Target, w.nearText())
	case !slices.ContainsFunc(w.find.Sources, func(s *Source) bool { return s.Observation.Outcome != OutcomeUnreachable }):
		w.end(Undetermined, ReasonUnroutable, nil, "there is no way to %s from here: %s", w.find.Addr, w.find.Sources[0].Observation.Err)
	default:
		w.end(Denied, ReasonNoPolicy, nil, "there is no policy to decide by: %s", w.whyNone())
	}
}

// whyNone says of each place why there is no policy.
func (w *walk) whyNone() string {
	var parts []string
	for _, s := range w.find.Sources {
		why := s.Observation.String()
		if s.Observation.Outcome == OutcomePolicy || notUsable[s.Observation.Outcome] != "" {
			why = s.Why
		}
		parts = append(parts, placeText(s)+": "+why)
	}
	return strings.Join(parts, "; ")
}

func (w *walk) nearText() string {
	if w.find.By == nil || w.find.Rule == nil {
		return ""
	}
	return fmt.Sprintf(": %s: %s", ruleText(w.find.By, w.find.Rule), w.missText(w.find.By, w.find.Miss))
}

// reach tries the destination, as the client does once it may.
func (w *walk) reach(ctx context.Context) {
	t := w.q.Target
	limits := w.p.Destination
	if limits.Connect == 0 {
		limits = w.p.Master
	}
	o := w.f.Reach(ctx, Query{Location: t.Location(), Addr: w.find.Addr, Limits: limits})
	w.find.Reach = o
	if o.Outcome == OutcomeUnknown {
		return
	}
	place := t.String()
	if w.find.Addr.IsValid() {
		place = netip.AddrPortFrom(w.find.Addr, t.Port()).String()
	}
	w.step(Step{Kind: StepConnect, Took: o.cost(limits), Text: fmt.Sprintf("%s: %s", place, o)})
}
