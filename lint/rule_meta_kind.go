package lint

import "github.com/port843/port843/policy"

var ruleMetaKind = &Rule{
	Code: "meta-kind", Name: "a meta-policy of another kind", Group: Meta, Severity: Error,
	Finds:   `by-content-type or by-ftp-filename in a socket policy; by-ftp-filename in a policy that is served over HTTP.`,
	Gain:    "nothing: the strictest is taken, and all is refused; who tries to repair it is tempted by \"all\"",
	Clients: clientsFlash,
	Fix:     "write master-only",
	Bad:     Example{Text: flashFile(`<site-control permitted-cross-domain-policies="by-content-type"/>`), Options: Options{Kind: KindSocket}, At: "2:50"},
	Good:    Example{Text: flashFile(`<site-control permitted-cross-domain-policies="master-only"/>`), Options: Options{Kind: KindSocket}},
	on:      onFlash,
	check: func(s *subject) {
		meta := s.flash.Meta
		switch {
		case s.kind == KindSocket && (meta == policy.MetaByContentType || meta == policy.MetaByFTPFilename):
		case s.kind == KindURL && meta == policy.MetaByFTPFilename && s.url() != nil && s.url().Scheme != "ftp":
		default:
			return
		}
		for _, e := range s.siteControls() {
			if a := e.Attr("permitted-cross-domain-policies"); a != nil && a.Value == meta.String() {
				s.report(s.value(a), meta.String()+" has no meaning here")
			}
		}
	},
}
