package web

import (
	"net/netip"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// MaxReloads is how many reloads a source remembers: a day of an ordinary
// department.
const MaxReloads = 20

// maxTerms and maxChanges bound what is kept of one reload; "port843 diff"
// shows everything.
const (
	maxTerms   = 50
	maxChanges = 20
)

// Reload is one time that a source was read anew. It is read only.
type Reload struct {
	At      time.Time `json:"at"`
	Why     string    `json:"why"`
	Error   string    `json:"error,omitempty"`   // why it was refused; the rest is empty then
	Refused []string  `json:"refused,omitempty"` // parts that were refused
	Changes []Change  `json:"changes,omitempty"` // empty: nothing changed in meaning
	More    int       `json:"more_changes,omitempty"`
}

// Change is what one policy means that it did not before.
type Change struct {
	Address string `json:"address"` // the policy's; "all addresses"
	Before  string `json:"before"`  // SHA-256 of the policy, in hexadecimal
	After   string `json:"after"`
	Granted []Term `json:"granted,omitempty"` // permitted now and not before
	Revoked []Term `json:"revoked,omitempty"` // permitted before and not now
	More    int    `json:"more_terms,omitempty"`
}

// Term is one line of a change. Its texts are fit to be shown.
type Term struct {
	Text    string   `json:"text"`
	Origins []string `json:"origins,omitempty"` // owners and places that say so
}

// Compare returns what changes in meaning from one to the other, when the
// policies are served from that port. A policy whose text alone differs is
// among the changes, without terms.
func Compare(from, to InService, servedFrom uint16) (changes []Change, more int) {
	old, new := from.Policies, to.Policies
	seen := map[netip.Addr]bool{}
	for _, p := range append(policiesOf(new), policiesOf(old)...) {
		if seen[p.addr] {
			continue
		}
		seen[p.addr] = true
		before, after := answerAt(old, p.addr), answerAt(new, p.addr)
		if before == after || before.Digest() == after.Digest() {
			continue
		}
		if len(changes) == maxChanges {
			more++
			continue
		}
		c := Change{Address: aggregate.AddressName(p.addr), Before: before.Digest(), After: after.Digest()}
		diff := aggregate.Compare(before.Policy().Grants(servedFrom), after.Policy().Grants(servedFrom))
		c.Granted = c.terms(diff.Granted, to, p.addr)
		c.Revoked = c.terms(diff.Revoked, from, p.addr)
		changes = append(changes, c)
	}
	return changes, more
}

// answerAt returns what clients of an address are answered.
func answerAt(p server.Policies, a netip.Addr) *server.Answer {
	if answer := p.ByAddress[a]; answer != nil {
		return answer
	}
	return p.Default
}

func (c *Change) terms(terms []policy.Term, in InService, a netip.Addr) []Term {
	var out []Term
	for _, t := range terms {
		if len(out) == maxTerms {
			c.More++
			continue
		}
		out = append(out, Term{Text: t.String(), Origins: originsOf(in, a, t)})
	}
	return out
}

// maxOrigins is how many places are named for one cell or term.
const maxOrigins = 3

// originsOf returns who says a term, and where: the owners and lines of the
// table that the policy was built from. A policy that is a file has none.
func originsOf(in InService, a netip.Addr, t policy.Term) []string {
	if in.Tables == nil || in.Tables.Config.Serve.Policy != "" {
		return nil
	}
	var out []string
	inputs := in.Tables.Result.Lookup(a).Origins(t)
	for _, input := range inputs[:min(len(inputs), maxOrigins)] {
		out = append(out, escape.Text(input.String(), 1024))
	}
	if n := len(inputs) - maxOrigins; n > 0 {
		out = append(out, "and "+Grouped(uint64(n))+" more")
	}
	return out
}
