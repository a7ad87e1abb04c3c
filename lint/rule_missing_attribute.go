package lint

import "github.com/port843/port843/policy"

var ruleMissingAttribute = &Rule{
	Code: "missing-attribute", Name: "a required attribute is missing", Group: Form, Severity: Error,
	Finds:    `A rule without its domain, headers, uri or port, a site-control without its value. to-ports is missing-to-ports.`,
	Gain:     "nothing: the rule grants nothing",
	Clients:  clientsAll,
	Fix:      "add the attribute, or remove the rule",
	Bad:      Example{Text: socketExample(`<allow-access-from to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeMissingAttribute},
}
