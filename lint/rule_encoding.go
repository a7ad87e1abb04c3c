package lint

import "github.com/port843/port843/policy"

var ruleEncoding = &Rule{
	Code: "encoding", Name: "an encoding that clients do not read", Group: Form, Severity: Error,
	Finds:    `UTF-16, bytes that are not in the declared encoding, or a declared encoding that nobody reads.`,
	Gain:     "nothing in clients that read the file as ASCII; a way to hide rules from reviewers' tools",
	Clients:  clientsAll,
	Fix:      "save the file as ASCII",
	Bad:      Example{Text: "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n" + socketExample(), Options: Options{Kind: KindSocket}, At: "1:31"},
	Good:     Example{Text: "<?xml version=\"1.0\"?>\n" + socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeEncoding, policy.CodeUTF16},
}
