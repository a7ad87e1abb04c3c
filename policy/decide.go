package policy

import "strings"

// Reason says why a decision is as it is.
type Reason uint8

const (
	ReasonRule Reason = iota // a rule grants
	ReasonNone               // no rule grants; Decision.Rule is the nearest, where there is one
	ReasonMeta               // the meta-policy is none: nothing is permitted
	ReasonVoid               // the file is void
)

// Miss says why a rule does not grant, in the order in which it is asked: the
// later, the nearer it came.
type Miss uint8

const (
	MissNothing    Miss = iota // it grants
	MissDead                   // a mistake in the rule: it grants nothing
	MissNoPorts                // a socket rule without to-ports
	MissHost                   // the domain does not match the requestor's host
	MissScheme                 // the host matches, the scheme of the domain does not
	MissSecure                 // the rule wants HTTPS, and the requestor did not come over it
	MissPort                   // the destination port is not in to-ports
	MissPrivileged             // a port below 1024, and the policy came from 1024 or above
)

// Decision is what a policy says to one question.
type Decision struct {
	Allowed bool
	Reason  Reason
	Rule    *Rule // the rule that grants; without one, the rule that came nearest; nil where there is none
	Miss    Miss  // why that nearest rule does not grant
}

// Allows decides whether a SWF from the requestor may connect a socket to the
// destination port, by this policy alone, which came from servedFrom
// ([MasterPort] or the destination port itself). The caller sees to the master
// policy's own meta-policy where this is another file.
//
// The rules are Adobe's guide's ("Connecting to sockets"): the domain matches,
// the port is in to-ports, a port below 1024 only by a policy from a port
// below 1024, and secure="true" only for a requestor over HTTPS. The default
// of secure is false for sockets, whatever the DTD says.
func (p *Policy) Allows(from Requestor, port, servedFrom uint16) Decision {
	return p.decide(p.SocketMeta(), func(r *Rule) Miss { return r.SocketMiss(from, port, servedFrom) })
}

// AllowsURL decides whether a SWF from the requestor may load from a URL that
// this policy covers. https says that the policy came over HTTPS, where the
// default of secure is true. Scope and meta-policy of other files are the
// caller's.
func (p *Policy) AllowsURL(from Requestor, https bool) Decision {
	return p.decide(p.URLMeta(), func(r *Rule) Miss { return r.URLMiss(from, https) })
}

func (p *Policy) decide(meta MetaPolicy, miss func(*Rule) Miss) Decision {
	if p.Void {
		return Decision{Reason: ReasonVoid}
	}
	if meta == MetaNone || meta == MetaNoneThisResponse {
		return Decision{Reason: ReasonMeta}
	}
	d := Decision{Reason: ReasonNone}
	for i := range p.Rules {
		r := &p.Rules[i]
		m := miss(r)
		if m == MissNothing {
			return Decision{Allowed: true, Reason: ReasonRule, Rule: r}
		}
		if d.Rule == nil || m > d.Miss {
			d.Rule, d.Miss = r, m
		}
	}
	return d
}

// SocketMiss returns why the rule does not grant a socket, or MissNothing.
func (r *Rule) SocketMiss(from Requestor, port, servedFrom uint16) Miss {
	if r.NoPorts && !r.Dead {
		return MissNoPorts
	}
	if m := r.matchMiss(from, r.Secure == SecureTrue); m != MissNothing {
		return m
	}
	switch {
	case !r.Ports.Contains(port):
		return MissPort
	case port < 1024 && servedFrom >= 1024:
		return MissPrivileged
	}
	return MissNothing
}

// URLMiss returns why the rule does not grant a URL, or MissNothing.
func (r *Rule) URLMiss(from Requestor, https bool) Miss {
	return r.matchMiss(from, r.Secure == SecureTrue || r.Secure == SecureUnset && https)
}

// matchMiss looks at the requestor alone.
func (r *Rule) matchMiss(from Requestor, secure bool) Miss {
	switch {
	case r.Dead:
		return MissDead
	case !r.Domain.matchesHost(from.Host):
		return MissHost
	case !r.Domain.Matches(from):
		return MissScheme
	case secure && !from.Secure():
		return MissSecure
	}
	return MissNothing
}

// AllowsHeader decides whether a SWF from the requestor may send the named
// header with a request to a URL that this policy covers. It returns the rule
// that grants, or nil.
func (p *Policy) AllowsHeader(from Requestor, https bool, header string) *HeaderRule {
	if meta := p.URLMeta(); p.Void || meta == MetaNone || meta == MetaNoneThisResponse {
		return nil
	}
	for i := range p.Headers {
		h := &p.Headers[i]
		secure := h.Secure == SecureTrue || h.Secure == SecureUnset && https
		if h.Dead || !h.Domain.Matches(from) || secure && !from.Secure() {
			continue
		}
		for _, pattern := range h.Headers {
			prefix, wild := strings.CutSuffix(pattern, "*")
			if strings.EqualFold(header, pattern) || wild && len(header) >= len(prefix) && strings.EqualFold(header[:len(prefix)], prefix) {
				return h
			}
		}
	}
	return nil
}
