package lint

import "github.com/port843/port843/policy"

var ruleStrayText = &Rule{
	Code: "stray-text", Name: "text among the elements", Group: Form, Severity: Warning,
	Finds:    `Text or a CDATA section inside the policy, where only elements may stand. It is ignored.`,
	Gain:     "nothing; but a rule that lost its brackets is no rule",
	Clients:  clientsAll,
	Fix:      "remove it, or make it a comment",
	Bad:      Example{Text: socketExample("do not edit"), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:     Example{Text: socketExample("<!-- do not edit -->"), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeText},
}
