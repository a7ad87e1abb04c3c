package lint

import "github.com/port843/port843/policy"

var ruleInsecure = &Rule{
	Code: "insecure", Name: "HTTP may read HTTPS", Group: Grants, Severity: Warning,
	Finds:   `secure="false" in a URL policy, unless it is known to be served over plain HTTP, where it means nothing; in Silverlight's file on HTTPS a requestor over http://. For sockets "false" is the default and says nothing.`,
	Gain:    "whoever can change what a user receives over HTTP, on a shared network or as a proxy, reads what the site gives that user over HTTPS",
	Clients: clientsURL,
	Fix:     `remove secure="false", and serve the pages that ask over HTTPS`,
	Bad:     Example{Text: flashFile(`<allow-access-from domain="www.example.com" secure="false"/>`), Options: Options{Kind: KindURL}, At: "2:55"},
	Good:    Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL}},
	on:      onURL | onSilverlight,
	check: func(s *subject) {
		u := s.url()
		if s.kind == KindSilverlight {
			if u == nil || u.Scheme != "https" {
				return
			}
			for i := range s.grants {
				if g := &s.grants[i]; g.domain.Scheme() == policy.SchemeHTTP {
					s.report(s.value(g.attr), "what comes over plain HTTP may read from this site over HTTPS")
				}
			}
			return
		}
		if u != nil && u.Scheme == "http" {
			return
		}
		for i := range s.doc.Elements {
			e := &s.doc.Elements[i]
			if e.Name != "allow-access-from" && e.Name != "allow-http-request-headers-from" {
				continue
			}
			if a := e.Attr("secure"); a != nil && a.Value == "false" {
				s.report(s.value(a), "what comes over plain HTTP may read from this site over HTTPS")
			}
		}
	},
}
