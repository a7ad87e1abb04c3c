package lint

var ruleAnyPort = &Rule{
	Code: "any-port", Name: "every port", Group: Grants, Severity: Warning,
	Finds:   `The ports "*", or every port from 1 to 65535, for domains that are named.`,
	Gain:    "whoever controls, or breaks into, one of those domains reaches every TCP service of this host from its visitors' machines",
	Clients: clientsSocket,
	Fix:     "name the ports that have a service for these domains",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="*"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket | onSilverlight,
	check: func(s *subject) {
		for i := range s.ports {
			if p := &s.ports[i]; p.set.IsAll() && !p.anyone {
				s.report(s.value(p.attr), "every port is granted")
			}
		}
	},
}
