package lint

import "github.com/port843/port843/policy"

var ruleInternalSubset = &Rule{
	Code: "internal-subset", Name: "declarations of its own", Group: Form, Severity: Error,
	Finds:    `A document type with declarations between "[" and "]". They are skipped, and the file grants nothing.`,
	Gain:     "entities and default attributes that turn the rules into others, in a client that honours them",
	Clients:  clientsAll,
	Fix:      "remove the brackets with what is in them",
	Bad:      Example{Text: "<!DOCTYPE cross-domain-policy [ <!ENTITY all \"*\"> ]>\n" + socketExample(), Options: Options{Kind: KindSocket}, At: "1:31"},
	Good:     Example{Text: "<!DOCTYPE cross-domain-policy>\n" + socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeInternalSubset},
}
