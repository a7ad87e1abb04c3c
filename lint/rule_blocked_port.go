package lint

import "github.com/port843/port843/policy"

// blockedPorts is Adobe's list of ports that no URL is fetched from (AIR
// documentation, "Restricting networking APIs", HTTP and FTP). By that page
// sockets are exempt; the last players, of 2017, are reported to apply such a
// list to sockets too.
var blockedPorts = policy.Ports(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 77, 79, 87, 95, 101, 102, 103, 104,
	109, 110, 111, 113, 115, 117, 119, 123, 135, 139, 143, 179, 389, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 556,
	563, 587, 601, 636, 993, 995, 2049, 4045, 6000)

var refusedPorts = blockedPorts.Subtract(sensitivePorts)

var ruleBlockedPort = &Rule{
	Code: "blocked-port", Name: "a port that players refuse", Group: Grants, Severity: Note,
	Finds:   `A port of Adobe's list of blocked ports that is no sensitive-port: ` + refusedPorts.String() + `. Every port at once is any-port.`,
	Gain:    "nothing in the last players, which refuse it; in older ones the service behind it",
	Clients: "Flash Player before 2017 honours the grant, later ones are reported to refuse it",
	Fix:     "take the port out; put a service for web pages on a port above 1023",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="119"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket,
	check: func(s *subject) {
		for i := range s.ports {
			p := &s.ports[i]
			if p.set.IsAll() {
				continue
			}
			if hit := p.set.Intersect(refusedPorts); !hit.IsEmpty() {
				s.report(s.value(p.attr), "the last players are reported to refuse "+portsText(hit))
			}
		}
	},
}
