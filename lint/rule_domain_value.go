package lint

import "github.com/port843/port843/policy"

var ruleDomainValue = &Rule{
	Code: "domain-value", Name: "no domain", Group: Form, Severity: Error,
	Finds:    `A domain that is no pattern: empty, with a port or a path, with another scheme than http:// and https://, with a wildcard in the middle or at the end. It matches nothing.`,
	Gain:     `nothing; but the next to edit the file, finding that it does not work, is tempted to write "*"`,
	Clients:  clientsAll,
	Fix:      `write "*", "*.example.com" or a whole host name`,
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.*" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeDomainEmpty, policy.CodeDomainScheme, policy.CodeDomainSyntax, policy.CodeDomainWildcard},
}
