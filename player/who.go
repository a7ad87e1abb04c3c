package player

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/port843/port843/policy"
)

// Permit is one rule that lets somebody reach the target.
type Permit struct {
	Domain string // as the rule means it; printable
	Secure bool   // over https only
	Rule   string // with its place; printable
	By     *Source
	Addrs  []netip.Addr // at which it was found; none offline
}

// Roll is everybody whom the policies of a target permit.
type Roll struct {
	Target  Target
	Client  *Profile
	Permits []Permit
	// Why says why nobody is permitted, or what keeps the roll from being
	// complete; empty otherwise. Printable.
	Why      string
	Complete bool // every place that the client asks could be asked
	Steps    []Step
	Notes    []Note
}

// Who asks every policy that the client may decide by, and collects the rules
// that let somebody reach the target. It has the guarantees of [Decide].
func Who(ctx context.Context, f Fetcher, q Question) *Roll {
	v := newVerdict(q)
	r := &Roll{Target: q.Target, Client: v.Client}
	v.Question.From = policy.Requestor{}
	if v.Question.ByPolicy = true; v.beforeAsking() {
		r.Why, r.Steps = v.Because, v.Steps
		return r
	}
	start := time.Now()
	addrs, err := v.addresses(ctx, f)
	if err != nil {
		v.unresolved(ctx, err)
		r.Why, r.Steps = v.Because, v.Steps
		return r
	}
	walks := v.walks(f, addrs, time.Since(start))
	permits := make([][]Permit, len(walks))
	var wg sync.WaitGroup
	for i, w := range walks {
		wg.Go(func() {
			w.search(ctx, func(s *Source) bool {
				permits[i] = append(permits[i], w.permits(s)...)
				return false
			})
		})
	}
	wg.Wait()
	r.Complete = true
	for i, w := range walks {
		v.join(w)
		r.merge(permits[i])
		if w.over && w.find.Answer == Undetermined || len(w.find.Sources) == 0 {
			r.Complete = false
		}
		if w.over {
			r.Why = w.find.Because
		}
	}
	r.Steps, r.Notes = v.Steps, v.Notes
	if len(r.Permits) == 0 && r.Why == "" {
		r.Why = fmt.Sprintf("no rule permits anybody to reach %s", q.Target)
	}
	return r
}

// merge joins what was found at several addresses.
func (r *Roll) merge(found []Permit) {
	for _, p := range found {
		i := slices.IndexFunc(r.Permits, func(x Permit) bool {
			return x.Rule == p.Rule && x.By.Location == p.By.Location
		})
		if i >= 0 {
			r.Permits[i].Addrs = append(r.Permits[i].Addrs, p.Addrs...)
			continue
		}
		r.Permits = append(r.Permits, p)
	}
}

// permits returns the rules of a policy that open the target to somebody.
func (w *walk) permits(s *Source) []Permit {
	var addrs []netip.Addr
	if s.Addr.IsValid() {
		addrs = []netip.Addr{s.Addr}
	}
	var out []Permit
	if s.Access != nil {
		for _, r := range s.Access.Rules {
			if !r.Ports.Contains(w.q.Target.Port()) {
				continue
			}
			for _, uri := range r.From {
				out = append(out, Permit{Domain: printable(uri), Rule: r.Pos.String() + " <policy> " + printable(uri), By: s, Addrs: addrs})
			}
		}
		return out
	}
	for i := range s.Policy.Rules {
		r := &s.Policy.Rules[i]
		domain, ok := w.opens(s, r)
		if !ok {
			continue
		}
		secure := r.Secure == policy.SecureTrue
		if !s.Location.IsSocket() {
			secure = secure || r.Secure == policy.SecureUnset && s.Location.Scheme == "https"
		}
		out = append(out, Permit{Domain: domain, Secure: secure, Rule: ruleText(s, r), By: s, Addrs: addrs})
	}
	return out
}

// opens reports whether a rule grants the target to whomever its domain
// matches, and what that is.
func (w *walk) opens(s *Source, r *policy.Rule) (string, bool) {
	if !w.q.Target.IsSocket() || s.Role == RoleOldHTTP {
		return r.Domain.String(), !r.Dead
	}
	if top, ok := w.p.topLevel(s.Policy.Doc, r); ok {
		from := policy.Requestor{Scheme: "https", Host: "x" + top}
		return "*" + printable(top), w.p.miss(s, r, from, w.q.Target.Port()) == policy.MissNothing
	}
	// A requestor that the domain is sure to match: only the rest is left to miss.
	from := policy.Requestor{Scheme: "https", Host: r.Domain.Host()}
	if r.Domain.Scheme() == policy.SchemeHTTP {
		from.Scheme = "http"
	}
	m := w.p.miss(s, r, from, w.q.Target.Port())
	return r.Domain.String(), m == policy.MissNothing
}
