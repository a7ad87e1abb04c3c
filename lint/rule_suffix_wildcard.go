package lint

import "github.com/port843/port843/policy"

var ruleSuffixWildcard = &Rule{
	Code: "suffix-wildcard", Name: "every name below a domain", Group: Grants, Severity: Note,
	Finds:   `A wildcard before a name, such as "*.example.com". Over a public suffix it is public-suffix.`,
	Gain:    "whoever gets a page onto any name below the domain, by a forgotten subdomain, a user's home page or a hosted service, is let in",
	Clients: clientsAll,
	Fix:     "name the hosts that your pages are served from",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="*.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.grants {
			if g := &s.grants[i]; g.domain.Kind() == policy.DomainSuffix && !g.dead && !isPublicSuffix(g.domain.Host()) {
				s.report(s.value(g.attr), "every name below "+g.domain.Host()+" is let in, and "+g.domain.Host()+" itself")
			}
		}
	},
}
