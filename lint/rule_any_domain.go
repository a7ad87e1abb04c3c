package lint

import "github.com/port843/port843/policy"

var ruleAnyDomain = &Rule{
	Code: "any-domain", Name: "anyone may ask", Group: Grants, Severity: Warning,
	Finds:   `The domain "*" (Silverlight: uri "*", "http://*" or "https://*"), however it is spelled: "&#42;" is the same. With every port at once it is any-domain-any-port. What stands in a comment is no rule.`,
	Gain:    "any page that a user opens may use that user's network position, and over HTTP that user's cookies, to reach what the rule names and to read the answers",
	Clients: clientsAll,
	Fix:     "name the domains that your own pages are served from",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="*" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<!-- <allow-access-from domain="*" to-ports="9000"/> -->`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.grants {
			g := &s.grants[i]
			if g.domain.Kind() != policy.DomainAny || g.dead || g.ports.IsAll() {
				continue
			}
			switch {
			case s.kind == KindURL:
				s.report(s.value(g.attr), "every site may read from this one, with its visitors' cookies")
			case g.ports.IsEmpty():
				s.report(s.value(g.attr), "every site may read the resources that are granted here")
			default:
				s.report(s.value(g.attr), "every site may connect to "+portsText(g.ports))
			}
		}
	},
}
