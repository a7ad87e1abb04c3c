package lint

import "github.com/port843/port843/policy"

var ruleMetaWide = &Rule{
	Code: "meta-wide", Name: "every other policy file counts", Group: Meta, Severity: Warning,
	Finds:   `The meta-policy "all", written out.`,
	Gain:    "over sockets any user of the machine who opens a port, over HTTP any user who can upload a file, writes policy for the whole host",
	Clients: clientsFlash,
	Fix:     "write master-only, and put every grant into the master policy",
	Bad:     Example{Text: flashFile(`<site-control permitted-cross-domain-policies="all"/>`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "2:50"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onFlash,
	check: func(s *subject) {
		if s.flash.Meta != policy.MetaAll {
			return
		}
		what := "every port of the host may serve a policy"
		if s.kind == KindURL {
			what = "every file of the host may be a policy"
		}
		for _, e := range s.siteControls() {
			if a := e.Attr("permitted-cross-domain-policies"); a != nil {
				s.report(s.value(a), what)
				return
			}
		}
	},
}
