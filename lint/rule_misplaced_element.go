package lint

import "github.com/port843/port843/policy"

var ruleMisplacedElement = &Rule{
	Code: "misplaced-element", Name: "an element in the wrong place", Group: Form, Severity: Warning,
	Finds:    `An element of the format inside another one than its own. It is ignored.`,
	Gain:     "nothing; but a rule or a limit that was meant is not there",
	Clients:  clientsAll,
	Fix:      "move it to where it belongs",
	Bad:      Example{Text: socketExample(`<signatory/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeMisplaced},
}
