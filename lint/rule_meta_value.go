package lint

import "github.com/port843/port843/policy"

var ruleMetaValue = &Rule{
	Code: "meta-value", Name: "no such meta-policy", Group: Meta, Severity: Error,
	Finds:    `A permitted-cross-domain-policies that is none of all, master-only, by-content-type, by-ftp-filename and none. This program takes it for none.`,
	Gain:     "perhaps everything, in a client that falls back to its default",
	Clients:  clientsFlash,
	Fix:      "write master-only",
	Bad:      Example{Text: flashFile(`<site-control permitted-cross-domain-policies="master"/>`), Options: Options{Kind: KindSocket}, At: "2:50"},
	Good:     Example{Text: flashFile(`<site-control permitted-cross-domain-policies="master-only"/>`), Options: Options{Kind: KindSocket}},
	on:       onFlash,
	problems: []policy.Code{policy.CodeMeta},
}
