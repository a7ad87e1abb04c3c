package lint

import (
	"golang.org/x/net/publicsuffix"

	"github.com/port843/port843/policy"
)

var rulePublicSuffix = &Rule{
	Code: "public-suffix", Name: "everyone below a public suffix", Group: Grants, Severity: Error,
	Finds:   `A wildcard over a name under which anybody may register one, by the public suffix list: "*.com", "*.co.uk", "*.github.io".`,
	Gain:    "anyone who registers a name there, often for nothing, is let in",
	Clients: clientsAll + `; of a single label, such as "*.com", Flash Player makes nothing and Lightspark everything`,
	Fix:     "name your own domain below the suffix",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="*.co.uk" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.co.uk" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.grants {
			if g := &s.grants[i]; g.domain.Kind() == policy.DomainSuffix && isPublicSuffix(g.domain.Host()) {
				s.report(s.value(g.attr), "anybody may register a name below "+g.domain.Host())
			}
		}
	},
	problems: []policy.Code{policy.CodeDomainTopLevel},
}

func isPublicSuffix(host string) bool {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return suffix == host
}
