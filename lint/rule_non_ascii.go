package lint

import "github.com/port843/port843/policy"

var ruleNonASCII = &Rule{
	Code: "non-ascii", Name: "not ASCII", Group: Form, Severity: Note,
	Finds:    `A character beyond ASCII, in a comment or anywhere else; the first is reported.`,
	Gain:     "nothing; but some clients read nothing else",
	Clients:  clientsAll,
	Fix:      "write ASCII; an international name in its xn-- form",
	Bad:      Example{Text: socketExample("<!-- caf\u00e9 -->"), Options: Options{Kind: KindSocket}, At: "3:11"},
	Good:     Example{Text: socketExample("<!-- cafe -->"), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeNonASCII},
}
