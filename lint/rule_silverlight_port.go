package lint

var ruleSilverlightPort = &Rule{
	Code: "silverlight-port", Name: "a port that Silverlight does not reach", Group: Form, Severity: Error,
	Finds:   `A socket-resource with a port outside 4502-4534: one such port voids the file. "*" is any-port.`,
	Gain:    "nothing: the whole file grants nothing",
	Clients: clientsSilverlight,
	Fix:     "put the service on a port from 4502 to 4534, and name it",
	Bad:     Example{Text: silverlightExample(`<allow-from><domain uri="http://www.example.com"/></allow-from>`, `<grant-to><socket-resource port="4502-4600" protocol="tcp"/></grant-to>`), At: "5:40"},
	Good:    Example{Text: silverlightExample(`<allow-from><domain uri="http://www.example.com"/></allow-from>`, `<grant-to><socket-resource port="4502-4506" protocol="tcp"/></grant-to>`)},
	on:      onSilverlight,
	check: func(s *subject) {
		for i := range s.ports {
			p := &s.ports[i]
			if extra := p.set.Subtract(silverlightPorts); !extra.IsEmpty() && !p.set.IsAll() {
				s.report(s.value(p.attr), "Silverlight reaches 4502-4534 only, not "+portsText(extra))
			}
		}
	},
}
