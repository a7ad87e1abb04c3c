package lint

import "github.com/port843/port843/policy"

var ruleMetaTwice = &Rule{
	Code: "meta-twice", Name: "two meta-policies", Group: Meta, Severity: Error,
	Finds:    `A second site-control. This program takes the stricter of both; what a client does is nowhere documented.`,
	Gain:     "perhaps the wider of both, in a client that takes the other one",
	Clients:  clientsFlash,
	Fix:      "keep one of them",
	Bad:      Example{Text: flashFile(`<site-control permitted-cross-domain-policies="master-only"/>`, `<site-control permitted-cross-domain-policies="none"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:     Example{Text: flashFile(`<site-control permitted-cross-domain-policies="none"/>`), Options: Options{Kind: KindSocket}},
	on:       onFlash,
	problems: []policy.Code{policy.CodeMetaTwice},
}
