package lint

import "github.com/port843/port843/policy"

var ruleHeadersValue = &Rule{
	Code: "headers-value", Name: "no header names", Group: Form, Severity: Error,
	Finds:    `A headers that is no comma list of header names, each perhaps with "*" at its end.`,
	Gain:     "nothing: the rule grants nothing",
	Clients:  clientsURL,
	Fix:      "write the names with commas between them",
	Bad:      Example{Text: flashFile(`<allow-http-request-headers-from domain="www.example.com" headers="SOAPAction,,X-Key"/>`), Options: Options{Kind: KindURL}, At: "2:70"},
	Good:     Example{Text: flashFile(`<allow-http-request-headers-from domain="www.example.com" headers="SOAPAction,X-Key"/>`), Options: Options{Kind: KindURL}},
	on:       onURL,
	problems: []policy.Code{policy.CodeHeaders},
}
