package lint

import "github.com/port843/port843/policy"

var ruleUnknownAttribute = &Rule{
	Code: "unknown-attribute", Name: "no such attribute", Group: Form, Severity: Warning,
	Finds:    `An attribute that the element does not have, such as ports for to-ports. It is ignored. What belongs to XML itself (xmlns, xsi:…) is not reported.`,
	Gain:     "nothing; but a limit that was meant is not there",
	Clients:  clientsAll,
	Fix:      "correct the name; case counts",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000" secured="true"/>`), Options: Options{Kind: KindSocket}, At: "3:63"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000" secure="true"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeUnknownAttribute},
	extra: func(s *subject, p *policy.Problem) string {
		return suggestion(p.Attribute, s.attributeNames(p.Element))
	},
}
