package lint

import (
	"strings"

	"github.com/port843/port843/policy"
)

var ruleEntity = &Rule{
	Code: "entity", Name: "an entity", Group: Form, Severity: Error,
	Finds:    `A reference to an entity other than XML's own five, or "&" that begins none. Nothing is ever expanded. References to characters are character-reference.`,
	Gain:     "a value that reviewers do not see, in a client that expands it",
	Clients:  clientsAll,
	Fix:      `write the value itself, and "&amp;" for the character "&"; the whole file grants nothing until then`,
	Bad:      Example{Text: strings.Replace(socketExample(), "<cross-domain-policy>", `<cross-domain-policy xmlns:p="&partners;">`, 1), Options: Options{Kind: KindSocket}, At: "1:31"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeEntity},
}
