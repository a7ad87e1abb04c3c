package lint

import (
	"strings"

	"github.com/port843/port843/policy"
)

var ruleWrongRoot = &Rule{
	Code: "wrong-root", Name: "another root element", Group: Form, Severity: Error,
	Finds:    `A root element that is not cross-domain-policy, or access-policy in Silverlight's file; case counts.`,
	Gain:     "nothing: the file grants nothing",
	Clients:  "none honours it",
	Fix:      "name the root cross-domain-policy; for Silverlight access-policy",
	Bad:      Example{Text: "<Cross-Domain-Policy/>\n", Options: Options{Kind: KindSocket}, At: "1:1"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeRoot},
	extra: func(s *subject, p *policy.Problem) string {
		if strings.EqualFold(p.Element, "html") {
			return "; this is a web page, perhaps one that says that the file was not found"
		}
		return ""
	},
}
