package lint

import "github.com/port843/port843/policy"

var rulePortsValue = &Rule{
	Code: "ports-value", Name: "no ports", Group: Form, Severity: Error,
	Finds:    `Ports that are no list of ports and ranges: empty, not numbers, 0 or above 65535, a range that runs backwards. About these Adobe says nothing; this program takes them as granting nothing.`,
	Gain:     "nothing in a careful client; others make something of it that nobody has decided",
	Clients:  clientsAll,
	Fix:      "write ascending ports with commas between them",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000-"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodePortsEmpty, policy.CodePortsSyntax, policy.CodePortsRange, policy.CodePortsReversed},
}
