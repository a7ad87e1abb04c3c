package lint

import "github.com/port843/port843/policy"

var ruleDeadRule = &Rule{
	Code: "dead-rule", Name: "a rule that never counts", Group: Grants, Severity: Warning,
	Finds:   `allow-http-request-headers-from in a socket policy; secure="true" for a domain with http:// before it; to-ports in a URL policy, where it has no meaning; in Silverlight's file a policy without a domain or without anything granted.`,
	Gain:    "nothing; but whoever wrote the rule believes in something that is not so",
	Clients: "none honours it: that is what is wrong",
	Fix:     "remove it, or write what was meant",
	Bad:     Example{Text: socketExample(`<allow-http-request-headers-from domain="www.example.com" headers="SOAPAction"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		switch s.kind {
		case KindSocket:
			for i := range s.headers {
				s.report(s.tag(s.headers[i].elem), "request headers mean nothing to a socket")
			}
		case KindURL:
			for i := range s.grants {
				if a := s.grants[i].elem.Attr("to-ports"); a != nil {
					s.report(s.name(a), "to-ports has no meaning in a URL policy")
				}
			}
		case KindSilverlight:
			s.emptyPolicies()
			return
		}
		for i := range s.grants {
			if g := &s.grants[i]; g.secure == policy.SecureTrue && g.domain.Scheme() == policy.SchemeHTTP {
				s.report(s.tag(g.elem), "the domain wants HTTP and secure wants HTTPS: nothing matches both")
			}
		}
	},
}

// emptyPolicies reports Silverlight's policies in which nobody, or nothing, is
// named.
func (s *subject) emptyPolicies() {
	elements := s.doc.Elements
	for i := range elements {
		if elements[i].Name != "policy" || elements[i].Depth != 3 {
			continue
		}
		domains, grants := 0, 0
		for k := i + 1; k < len(elements) && elements[k].Depth > 3; k++ {
			switch elements[k].Name {
			case "domain":
				domains++
			case "resource", "socket-resource":
				grants++
			}
		}
		switch {
		case domains == 0:
			s.report(s.tag(&elements[i]), "the policy names nobody")
		case grants == 0:
			s.report(s.tag(&elements[i]), "the policy grants nothing")
		}
	}
}
