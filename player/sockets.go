package player

import (
	"context"
	"fmt"

	"github.com/port843/port843/policy"
)

// sockets is the search for a socket's policy (Adobe's guide, "Connecting to
// sockets"): the master, then by its meta-policy the destination port and the
// locations of loadPolicyFile.
func (w *walk) sockets(ctx context.Context, look visit) {
	t := w.q.Target
	master := w.ask(ctx, RoleMaster, SocketLocation(t.Host(), w.p.MasterPort))
	if w.over {
		return
	}
	if master.Observation.Outcome == OutcomeTLS {
		w.note(NoteDisputed, "one source reports that SecureSocket asks port %d over TLS, no other does: it is taken to ask in the clear, as all sockets do", w.p.MasterPort)
	}
	meta := w.socketMeta(master)
	if meta == policy.MetaNone {
		w.end(Denied, ReasonMetaNone, master, "the meta-policy of %s is none: nothing is permitted, its own rules included", placeText(master))
		return
	}
	granted := master.Counts && look(master)
	if granted && w.p.Fallback != FallbackAlways {
		return
	}
	if meta == policy.MetaMasterOnly {
		w.masterOnly(granted)
		return
	}
	if w.askDestination(ctx, look, granted) || granted {
		return
	}
	if w.p.Loads {
		for _, l := range w.q.Load {
			if w.loadSocket(ctx, l, look) {
				return
			}
		}
	}
	w.oldHTTP(ctx, look)
}

// socketMeta returns the meta-policy that the master sets; without a master it
// is the default, all.
func (w *walk) socketMeta(master *Source) policy.MetaPolicy {
	if !master.Counts || master.Policy == nil {
		return policy.MetaAll
	}
	meta := master.Policy.SocketMeta()
	said := "site-control is " + meta.String()
	switch {
	case master.Policy.Meta == policy.MetaUnset:
		said = "no site-control: for sockets that is all"
	case master.Policy.Meta != meta:
		said = fmt.Sprintf("site-control is %s, which sockets do not have: taken as %s", master.Policy.Meta, meta)
		w.note(NoteSilent, "what %s means for sockets is not documented: it is taken as none", master.Policy.Meta)
	}
	w.step(Step{Kind: StepMeta, Source: master, Meta: meta, Text: said})
	return meta
}

// masterOnly ends the search at the master.
func (w *walk) masterOnly(granted bool) {
	if granted {
		return
	}
	for _, l := range w.q.Load {
		w.ignore(l, policy.MetaMasterOnly, "the meta-policy is master-only")
	}
	w.find.Reason = ReasonMasterOnly
}

// askDestination asks the destination port itself, and reports whether the
// search is over.
func (w *walk) askDestination(ctx context.Context, look visit, granted bool) bool {
	t := w.q.Target
	if w.p.Fallback == FallbackNone || t.Port() == w.p.MasterPort {
		return false
	}
	if granted {
		w.note(NoteClient, "with the meta-policy all, %s asks the destination port before it decides, even where the master grants", w.p.Title)
		kept := w.find
		w.over = false
		w.ask(ctx, RoleDestination, t.Location())
		if !w.over {
			kept.Sources = w.find.Sources
			w.find, w.over = kept, true
		}
		return true
	}
	d := w.ask(ctx, RoleDestination, t.Location())
	if w.over {
		return true
	}
	switch d.Observation.Outcome {
	case OutcomeSilent, OutcomeLate, OutcomeUnfinished, OutcomeDropped:
		w.note(NoteSilent, "how long %s waits for the policy of the destination port is not documented: the default of Socket.timeout is taken", w.p.Title)
	}
	if w.find.By != nil {
		w.note(NoteDisputed, "no rule in the master: Adobe's guide goes on to the destination port, an older article calls the master final; the guide is followed")
	}
	return d.Counts && look(d)
}

// loadSocket asks a location of Security.loadPolicyFile, and reports whether
// the search is over.
func (w *walk) loadSocket(ctx context.Context, l Location, look visit) bool {
	t := w.q.Target
	switch {
	case !l.IsSocket() && w.p.OldHTTP && l == oldDefault(t.Host()):
		return false // it is asked in any case
	case !l.IsSocket():
		w.ignore(l, policy.MetaUnset, "a policy over HTTP authorises no socket")
		return false
	case l.Host != t.Host():
		w.ignore(l, policy.MetaUnset, "a policy speaks for the host that it came from only")
		w.note(NoteSilent, "hosts of loadPolicyFile and of the connect are compared by their text")
		return false
	case l.Port == w.p.MasterPort || l.Port == t.Port() && w.p.Fallback != FallbackNone:
		return false // it has been asked
	}
	s := w.ask(ctx, RoleLoaded, l)
	return w.over || s.Counts && look(s)
}

// oldDefault is where players before 9.0.124 found a policy for sockets too.
func oldDefault(host string) Location {
	return Location{Scheme: "http", Host: host, Port: 80, Path: MasterPath}
}

// oldHTTP asks the old default location (AS3 reference, loadPolicyFile): what
// it permits are the ports from 1024 up, and its to-ports are not looked at.
func (w *walk) oldHTTP(ctx context.Context, look visit) {
	if !w.p.OldHTTP || w.q.Target.Port() < 1024 {
		return
	}
	w.note(NoteSilent, "when %s turns to /crossdomain.xml on port 80 for a socket is not documented: it is asked last", w.p.Title)
	s := w.ask(ctx, RoleOldHTTP, oldDefault(w.q.Target.Host()))
	if w.over || !s.Counts {
		return
	}
	if why := contentTypeMiss(s.Observation, policy.MetaAll); why != "" {
		s.Counts, s.Why = false, why
		w.step(Step{Kind: StepRule, Source: s, Text: why})
		return
	}
	look(s)
}
