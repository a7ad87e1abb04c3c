package lint

var ruleMetaNotMaster = &Rule{
	Code: "meta-not-master", Name: "a meta-policy outside the master", Group: Meta, Severity: Error,
	Finds:   `A site-control in a policy that is known to be no master: one served from another port than 843, or from another path than /crossdomain.xml.`,
	Gain:    "nothing; but a limit that was meant is none: only the master's site-control counts",
	Clients: "Flash Player ignores it; Lightspark then ignores the whole file",
	Fix:     "move it into the master policy",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket, ServedFrom: 9000}, At: "2:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket, ServedFrom: 843}},
	on:      onFlash,
	check: func(s *subject) {
		if master, known := s.master(); master || !known {
			return
		}
		for _, e := range s.siteControls() {
			s.report(s.tag(e), "a site-control counts only in the master policy")
		}
	},
}
