package lint

var ruleMissingToPorts = &Rule{
	Code: "missing-to-ports", Name: "a socket rule without ports", Group: Form, Severity: Error,
	Finds:   `A rule of a socket policy that has no to-ports.`,
	Gain:    "nothing in Flash Player, where the rule grants nothing",
	Clients: clientsSocket,
	Fix:     `add to-ports with the ports of the service, such as to-ports="9000"`,
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket,
	check: func(s *subject) {
		for i := range s.grants {
			if e := s.grants[i].elem; e.Attr("to-ports") == nil {
				s.report(s.tag(e), "without to-ports the rule grants no socket")
			}
		}
	},
}
