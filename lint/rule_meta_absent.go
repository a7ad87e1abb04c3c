package lint

import "github.com/port843/port843/policy"

var ruleMetaAbsent = &Rule{
	Code: "meta-absent", Name: "no meta-policy", Group: Meta, Severity: Warning,
	Finds:   `A socket policy without site-control, unless it is known to be no master (--served-from): for sockets the default is "all". For URLs the default is master-only since Flash Player 10, and nothing is said.`,
	Gain:    "any user of the machine who opens a port there may serve a second policy, and grant what this one does not; Flash Player goes and asks the destination port",
	Clients: clientsSocket,
	Fix:     `put <site-control permitted-cross-domain-policies="master-only"/> first into the master policy`,
	Bad:     Example{Text: flashFile(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "1:1"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket,
	check: func(s *subject) {
		master, known := s.master()
		if s.flash.Meta == policy.MetaUnset && !s.flash.Void && (master || !known) {
			s.report(s.file(), `there is no site-control, which for sockets means "all"`)
		}
	},
}
