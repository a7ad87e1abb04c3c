package lint

import (
	"slices"

	"github.com/port843/port843/policy"
)

var ruleUntrustedDomain = &Rule{
	Code: "untrusted-domain", Name: "a domain outside the trusted list", Group: Grants, Severity: Warning,
	Finds:   `A domain that none of the trusted ones covers, where a list was given (--trust). "*" is any-domain.`,
	Gain:    "someone whom nobody decided to trust is let in: a former partner, a typing error, a domain that has lapsed and can be bought",
	Clients: clientsAll,
	Fix:     "remove the rule, or add the domain to the trusted list",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.net" to-ports="9000"/>`), Options: Options{Kind: KindSocket, Trusted: mustDomains("*.example.com")}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket, Trusted: mustDomains("*.example.com")}},
	on:      onAll,
	check: func(s *subject) {
		if len(s.opt.Trusted) == 0 {
			return
		}
		for i := range s.grants {
			g := &s.grants[i]
			if kind := g.domain.Kind(); kind == policy.DomainAny || kind == policy.DomainNone {
				continue
			}
			if !slices.ContainsFunc(s.opt.Trusted, func(t policy.Domain) bool { return t.Covers(g.domain) }) {
				s.report(s.value(g.attr), g.domain.String()+" is not among the trusted domains")
			}
		}
	},
}

// mustDomains is for patterns of this package's own.
func mustDomains(patterns ...string) []policy.Domain {
	var out []policy.Domain
	for _, p := range patterns {
		d, err := policy.ParseDomain(p)
		if err != nil {
			panic(err)
		}
		out = append(out, d)
	}
	return out
}
