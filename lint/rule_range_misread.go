package lint

import (
	"fmt"

	"github.com/port843/port843/policy"
)

var ruleRangeMisread = &Rule{
	Code: "range-misread", Name: "a range that clients misread", Group: Form, Severity: Note,
	Finds:    fmt.Sprintf(`A range of ports in a socket policy. It is as Adobe's guide has it, but Lightspark honours only its first port and Unity leaves its last one out. A range of more than %d ports is wide-range.`, wideRange),
	Gain:     "nothing; but the same file grants less to some clients",
	Clients:  "Lightspark and the Unity Web Player misread it; Flash Player does not",
	Fix:      "write the ports one by one",
	Bad:      Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000-9003"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001,9002,9003"/>`), Options: Options{Kind: KindSocket}},
	on:       onSocket,
	problems: []policy.Code{policy.CodeRange},
	check: func(s *subject) {
		for i := range s.ports {
			p := &s.ports[i]
			if p.set.IsAll() || !hasRange(p.attr.Value) {
				continue
			}
			if _, n := longestRun(p.set); n > wideRange {
				continue
			}
			f := s.report(s.value(p.attr), "Lightspark reads only the first port of a range, Unity not the last one")
			if p.set.Portable() {
				at := int(p.attr.ValuePos.Offset)
				f.fix("write the ports of the range one by one", Edit{at, at + len(p.attr.Raw), p.set.Enumerated()})
			}
		}
	},
}

// hasRange reports whether ports, which are well-formed, have a range of more
// than one port.
func hasRange(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '-' {
			return true
		}
	}
	return false
}
