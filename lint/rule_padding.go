package lint

import "github.com/port843/port843/policy"

var rulePadding = &Rule{
	Code: "padding", Name: "white space within a value", Group: Form, Severity: Error,
	Finds:    `White space around a domain (" * ") or among ports ("80, 81"). About it Adobe says nothing; this program takes such a value as granting nothing.`,
	Gain:     "nothing in a client that reads the value as it stands; in one that trims it, what stands between: reviewers cannot know",
	Clients:  clientsAll,
	Fix:      "remove the white space",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000, 9001"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeDomainPadding, policy.CodePortsPadding},
}
