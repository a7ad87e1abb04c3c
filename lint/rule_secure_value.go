package lint

import "github.com/port843/port843/policy"

var ruleSecureValue = &Rule{
	Code: "secure-value", Name: "neither true nor false", Group: Form, Severity: Error,
	Finds:    `A secure that is neither "true" nor "false"; case counts.`,
	Gain:     `what secure="true" should have kept out, in a client that takes anything else for false`,
	Clients:  clientsFlash,
	Fix:      "write true or false",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000" secure="yes"/>`), Options: Options{Kind: KindSocket}, At: "3:71"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000" secure="true"/>`), Options: Options{Kind: KindSocket}},
	on:       onFlash,
	problems: []policy.Code{policy.CodeSecure},
}
