package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Term is one line of a description of [Grants]. Terms are read in order: a
// later one speaks of a part of what an earlier one speaks of, and adds ports
// to it or takes ports away.
type Term struct {
	Domain Domain
	Ports  PortSet
	Except bool // these ports are taken away again
}

func (t Term) String() string {
	verb := "may reach"
	if t.Except {
		verb = "but not"
	}
	return fmt.Sprintf("%s %s %s", t.Domain, verb, t.Ports)
}

// unnamed behind the key of a pattern is the key of a host below it that no
// pattern can name, since "~" may not stand in one.
const unnamed = "~"

// Terms describes g by the fewest patterns, from the general to the special.
// What a single policy permits never needs an exception; a difference of two
// may. A pattern with the scheme "other:" stands for requestors that came
// neither over HTTP nor over HTTPS; no policy can name them alone.
func (g Grants) Terms() []Term {
	nodes := g.nodes()
	var out []Term
	type frame struct {
		prefix string
		ports  [schemes]PortSet
	}
	var stack []frame // the suffix patterns around the current node
	for _, d := range nodes {
		lo, _ := d.Interval()
		for len(stack) > 0 && !strings.HasPrefix(lo, stack[len(stack)-1].prefix) {
			stack = stack[:len(stack)-1]
		}
		var around, here [schemes]PortSet
		if n := len(stack); n > 0 {
			around = stack[n-1].ports
		}
		probe := lo
		if d.kind == DomainSuffix || d.kind == DomainAny {
			probe = lo + unnamed
		}
		for at := range here {
			here[at] = lookup(g.by[at], probe)
		}
		out = appendTerms(out, d, here, around, false)
		out = appendTerms(out, d, around, here, true)
		if d.kind == DomainSuffix || d.kind == DomainAny {
			stack = append(stack, frame{lo, here})
		}
	}
	return out
}

// appendTerms appends what more permits and less does not.
func appendTerms(out []Term, d Domain, more, less [schemes]PortSet, except bool) []Term {
	var extra [schemes]PortSet
	for at := range extra {
		extra[at] = more[at].Subtract(less[at])
	}
	all := extra[atHTTP].Intersect(extra[atHTTPS]).Intersect(extra[atOther])
	if !all.IsEmpty() {
		out = append(out, Term{d, all, except})
	}
	for at, scheme := range [...]Scheme{atHTTP: SchemeHTTP, atHTTPS: SchemeHTTPS, atOther: SchemeOther} {
		if rest := extra[at].Subtract(all); !rest.IsEmpty() {
			out = append(out, Term{Domain{d.kind, scheme, d.host}, rest, except})
		}
	}
	return out
}

// nodes returns the patterns at whose borders the permission changes, each
// before those within it.
func (g Grants) nodes() []Domain {
	seen := map[Domain]bool{AnyDomain(): true}
	for at := range g.by {
		for _, s := range g.by[at] {
			for _, key := range [...]string{s.lo, s.hi} {
				for _, d := range bordering(key) {
					seen[d] = true
				}
			}
		}
	}
	nodes := make([]Domain, 0, len(seen))
	for d := range seen {
		nodes = append(nodes, d)
	}
	slices.SortFunc(nodes, func(a, b Domain) int {
		alo, ahi := a.Interval()
		blo, bhi := b.Interval()
		if c := strings.Compare(alo, blo); c != 0 {
			return c
		}
		return strings.Compare(bhi, ahi)
	})
	return nodes
}

// bordering returns the patterns that have the key as a border.
func bordering(key string) []Domain {
	key = strings.TrimSuffix(key, "\x00")
	key = strings.TrimSuffix(key, pastEnd)
	switch {
	case key == "" || key == endKey:
		return nil
	case strings.HasPrefix(key, addrKey):
		return []Domain{{kind: DomainIP, host: key[len(addrKey):]}}
	}
	host := keyName(key)
	return []Domain{{kind: DomainSuffix, host: host}, {kind: DomainExact, host: host}}
}

// Domains is a set of requestors: everything that a list of patterns matches,
// closed under the set operations. The zero value is empty; it is immutable
// and may be shared between goroutines.
type Domains struct{ g Grants }

// NewDomains returns the union of the patterns.
func NewDomains(patterns ...Domain) Domains {
	grants := make([]Grant, len(patterns))
	for i, d := range patterns {
		grants[i] = Grant{Domain: d, Ports: AllPorts()}
	}
	return Domains{NewGrants(grants)}
}

// Matches reports whether the requestor is in the set.
func (d Domains) Matches(from Requestor) bool { return !d.g.Ports(from).IsEmpty() }

// Union returns the requestors of d or e.
func (d Domains) Union(e Domains) Domains { return Domains{d.g.Union(e.g)} }

// Intersect returns the requestors of both d and e.
func (d Domains) Intersect(e Domains) Domains { return Domains{d.g.Intersect(e.g)} }

// Subtract returns the requestors of d that are not in e.
func (d Domains) Subtract(e Domains) Domains { return Domains{d.g.Subtract(e.g)} }

// Covers reports whether every requestor of e is in d.
func (d Domains) Covers(e Domains) bool { return d.g.Covers(e.g) }

// Equal reports whether both hold the same requestors.
func (d Domains) Equal(e Domains) bool { return d.g.Equal(e.g) }

// IsEmpty reports whether no requestor is in the set.
func (d Domains) IsEmpty() bool { return d.g.IsEmpty() }

// String returns the patterns of the set, comma separated, such as
// "*.example.com, !old.example.com": a pattern behind "!" is taken away again.
func (d Domains) String() string {
	terms := d.g.Terms()
	parts := make([]string, len(terms))
	for i, t := range terms {
		if t.Except {
			parts[i] = "!"
		}
		parts[i] += t.Domain.String()
	}
	return strings.Join(parts, ", ")
}
