package lint

import "github.com/port843/port843/policy"

var ruleBOM = &Rule{
	Code: "bom", Name: "a byte order mark", Group: Form, Severity: Warning,
	Finds:    `The bytes EF BB BF at the beginning.`,
	Gain:     "nothing; but Unity and Moonlight cannot read the file",
	Clients:  clientsAll,
	Fix:      "save the file without a byte order mark",
	Bad:      Example{Text: "\ufeff" + socketExample(), Options: Options{Kind: KindSocket}, At: "1:1"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeBOM},
}
