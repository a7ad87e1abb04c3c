package lint

import (
	"fmt"

	"github.com/port843/port843/policy"
)

// wideRange is the longest run of ports that passes for one service's. Known
// products use a handful (Photon 5, SmartFoxServer 1); a department that is
// given a block is given a hundred.
const wideRange = 100

var ruleWideRange = &Rule{
	Code: "wide-range", Name: "a range wider than needed", Group: Grants, Severity: Warning,
	Finds:   fmt.Sprintf(`A run of more than %d ports; and, where the ports that are needed were said (--needs), every port beyond them. Every port at once is any-port.`, wideRange),
	Gain:    "whatever starts to listen in the range later is open to these domains without anybody's decision",
	Clients: clientsSocket,
	Fix:     "grant the ports that have a service, one by one",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="10000-10999"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket | onSilverlight,
	check: func(s *subject) {
		for i := range s.ports {
			p := &s.ports[i]
			if p.set.IsAll() {
				continue
			}
			if !s.opt.Needed.IsEmpty() {
				if extra := p.set.Subtract(s.opt.Needed); !extra.IsEmpty() {
					s.report(s.value(p.attr), "no service needs "+portsText(extra))
				}
				continue
			}
			if run, n := longestRun(p.set); n > wideRange {
				s.report(s.value(p.attr), fmt.Sprintf("%d-%d are %d ports in a row", run.Lo, run.Hi, n))
			}
		}
	},
}

func longestRun(set policy.PortSet) (run policy.PortRange, n int) {
	for r := range set.All() {
		if size := int(r.Hi) - int(r.Lo) + 1; size > n {
			run, n = r, size
		}
	}
	return run, n
}
