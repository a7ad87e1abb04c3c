package lint

import "github.com/port843/port843/policy"

var ruleIPAddress = &Rule{
	Code: "ip-address", Name: "an address where a name was meant", Group: Grants, Severity: Note,
	Finds:   `A public IP address as domain. A private one is private-host.`,
	Gain:    "little: but the address may be given to somebody else one day, who is then let in",
	Clients: clientsAll + "; it matches only a requestor that was itself loaded from the address, never one that was loaded by name",
	Fix:     "grant the name that your pages are served from",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="192.0.2.10" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.grants {
			if g := &s.grants[i]; g.domain.Kind() == policy.DomainIP && !isPrivate(g.domain) && !g.dead {
				s.report(s.value(g.attr), "only what was loaded from the address itself matches "+g.domain.Host()+", nothing that was loaded by name")
			}
		}
	},
}
