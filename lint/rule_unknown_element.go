package lint

import "github.com/port843/port843/policy"

var ruleUnknownElement = &Rule{
	Code: "unknown-element", Name: "no such element", Group: Form, Severity: Warning,
	Finds:    `An element that the format does not have. It is ignored with all that is in it.`,
	Gain:     "nothing; but a rule or a limit that was meant is not there",
	Clients:  clientsAll,
	Fix:      "correct the name; case counts",
	Bad:      Example{Text: socketExample(`<allow-acces-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeUnknownElement},
	extra: func(s *subject, p *policy.Problem) string {
		return suggestion(p.Element, s.elementNames())
	},
}
