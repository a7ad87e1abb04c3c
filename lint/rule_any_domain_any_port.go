package lint

import "github.com/port843/port843/policy"

var ruleAnyDomainAnyPort = &Rule{
	Code: "any-domain-any-port", Name: "anyone may reach everything", Group: Grants, Severity: Error,
	Finds:   `The domain "*" together with the ports "*", or with every port from 1 to 65535.`,
	Gain:    "any page that a user opens may talk to every TCP service of this host as that user's machine: mail, databases, administration, from inside the firewall",
	Clients: clientsSocket,
	Fix:     "name the domains of your own pages and the ports that have a service for them",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="*" to-ports="*" secure="true"/>`), Options: Options{Kind: KindSocket}, At: "3:22"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket | onSilverlight,
	check: func(s *subject) {
		for i := range s.grants {
			g := &s.grants[i]
			if g.domain.Kind() == policy.DomainAny && g.ports.IsAll() && !g.dead {
				first, last := g.elem.Attrs[0], g.elem.Attrs[len(g.elem.Attrs)-1]
				s.report(span{first.Pos, s.advance(last.ValuePos, len(last.Raw)+1)}, "every site may connect to every port")
			}
		}
	},
}
