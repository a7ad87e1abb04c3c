package lint

import "github.com/port843/port843/policy"

var ruleDuplicateAttribute = &Rule{
	Code: "duplicate-attribute", Name: "an attribute twice", Group: Form, Severity: Error,
	Finds:    `An attribute that stands twice in one tag, which no XML allows.`,
	Gain:     "nothing in a client that is strict; a lenient one takes the first or the last of both, so that reviewers and clients may see different rules",
	Clients:  clientsAll,
	Fix:      "keep one of them; the whole file grants nothing until then",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" domain="*" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:47"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeDuplicateAttr},
}
