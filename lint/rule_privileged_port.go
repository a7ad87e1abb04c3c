package lint

import "github.com/port843/port843/policy"

var privilegedPorts = policy.PortRanges(policy.PortRange{Lo: 1, Hi: 1023})

var rulePrivilegedPort = &Rule{
	Code: "privileged-port", Name: "a port below 1024 from above", Group: Grants, Severity: Error,
	Finds:   `A port below 1024 in a policy that is served from port 1024 or above (--served-from): Flash Player does not honour it. "*" is not reported: it then means the ports from 1024.`,
	Gain:    "nothing in Flash Player, where the grant is without effect; Lightspark does not enforce the rule and connects",
	Clients: "Lightspark; Flash Player ignores the grant",
	Fix:     "serve the policy from port 843, or take the port out",
	Bad:     Example{Text: flashFile(`<allow-access-from domain="www.example.com" to-ports="80,9000"/>`), Options: Options{Kind: KindSocket, ServedFrom: 9000}, At: "2:57"},
	Good:    Example{Text: flashFile(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket, ServedFrom: 9000}},
	on:      onSocket,
	check: func(s *subject) {
		if s.opt.ServedFrom < 1024 {
			return
		}
		for i := range s.ports {
			p := &s.ports[i]
			if hit := p.set.Intersect(privilegedPorts); !hit.IsEmpty() && !p.set.IsAll() {
				s.report(s.value(p.attr), portsText(hit)+" cannot be granted by a policy from port "+policy.Ports(s.opt.ServedFrom).String())
			}
		}
	},
}
