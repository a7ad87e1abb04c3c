package aggregate

import (
	"github.com/port843/port843/policy"
)

// Change is what differs between two policies in meaning. Each list is read in
// order, as [policy.Grants.Terms] has it: a later term speaks of a part of an
// earlier one. Both are empty exactly where the two decide alike.
type Change struct {
	Granted []policy.Term // permitted by the new one and not by the old one
	Revoked []policy.Term // permitted by the old one and not by the new one
}

// IsEmpty reports whether both decide alike.
func (c Change) IsEmpty() bool { return len(c.Granted)+len(c.Revoked) == 0 }

// Compare returns what changes from one policy to the other.
func Compare(from, to policy.Grants) Change {
	return Change{Granted: to.Subtract(from).Terms(), Revoked: from.Subtract(to).Terms()}
}

// Origins returns the inputs of the table that permit a part of what the term
// says, in the order of the table. Of an exception there are none: it says
// what is not permitted.
func (t *Table) Origins(term policy.Term) []*Input {
	if term.Except {
		return nil
	}
	any := term.Domain.WithScheme(policy.SchemeAny)
	via := termRequestors(term)
	var out []*Input
	for _, in := range t.Inputs {
		d := in.Grant.Domain.WithScheme(policy.SchemeAny)
		if requestors(in.Grant)&via != 0 && (d.Covers(any) || any.Covers(d)) && !in.Grant.Ports.Intersect(term.Ports).IsEmpty() {
			out = append(out, in)
		}
	}
	return out
}

func termRequestors(t policy.Term) schemes {
	if t.Domain.Scheme() == policy.SchemeOther {
		return viaOther
	}
	return requestors(policy.Grant{Domain: t.Domain})
}
