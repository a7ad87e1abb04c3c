package lint

import "github.com/port843/port843/policy"

var ruleNoneWithGrants = &Rule{
	Code: "none-with-grants", Name: "nothing permitted beside grants", Group: Meta, Severity: Error,
	Finds:   `The meta-policy none beside rules that grant something: none takes all of them back.`,
	Gain:    "nothing in Flash Player, which permits nothing; a client that does not know meta-policies honours the rules",
	Clients: clientsFlash,
	Fix:     "write master-only where the rules are meant, or remove the rules",
	Bad:     Example{Text: flashFile(`<site-control permitted-cross-domain-policies="none"/>`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "2:50"},
	Good:    Example{Text: flashFile(`<site-control permitted-cross-domain-policies="none"/>`), Options: Options{Kind: KindSocket}},
	on:      onFlash,
	check: func(s *subject) {
		grants := len(s.headers)
		for i := range s.grants {
			if !s.grants[i].dead {
				grants++
			}
		}
		if s.flash.Meta != policy.MetaNone || grants == 0 {
			return
		}
		for _, e := range s.siteControls() {
			if a := e.Attr("permitted-cross-domain-policies"); a != nil && a.Value == "none" {
				s.report(s.value(a), "none takes back what the rules below it grant")
				return
			}
		}
	},
}
