package lint

import "github.com/port843/port843/policy"

var ruleNotWellFormed = &Rule{
	Code: "not-well-formed", Name: "not well-formed XML", Group: Form, Severity: Error,
	Finds:    `What is no single well-formed XML document: a tag or quote without its end, a second root, text around the root, bytes before the XML declaration, an empty file.`,
	Gain:     "nothing in a client that is strict; in one that is not, whatever it makes out",
	Clients:  clientsAll,
	Fix:      "repair it at this place; the whole file grants nothing until then",
	Bad:      Example{Text: "<cross-domain-policy>\n  <site-control permitted-cross-domain-policies=\"master-only\">\n</cross-domain-policy>\n", Options: Options{Kind: KindSocket}, At: "2:3"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeSyntax, policy.CodeEmpty, policy.CodeLeadingBytes, policy.CodeTrailing, policy.CodeSecondRoot},
}
