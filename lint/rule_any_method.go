package lint

import "strings"

var ruleAnyMethod = &Rule{
	Code: "any-method", Name: "every request method", Group: Grants, Severity: Warning,
	Finds:   `Silverlight's http-methods="*". Without the attribute GET and POST are granted.`,
	Gain:    "a page of these domains deletes and replaces, with DELETE and PUT, what its visitors may",
	Clients: clientsSilverlight,
	Fix:     "leave the attribute out, or name the methods that are needed",
	Bad:     Example{Text: silverlightExample(`<allow-from http-methods="*"><domain uri="http://www.example.com"/></allow-from>`, `<grant-to><resource path="/api/" include-subpaths="true"/></grant-to>`), At: "4:33"},
	Good:    Example{Text: silverlightExample(`<allow-from><domain uri="http://www.example.com"/></allow-from>`, `<grant-to><resource path="/api/" include-subpaths="true"/></grant-to>`)},
	on:      onSilverlight,
	check: func(s *subject) {
		for i := range s.doc.Elements {
			if e := &s.doc.Elements[i]; e.Name == "allow-from" {
				if a := e.Attr("http-methods"); a != nil && strings.Contains(a.Value, "*") {
					s.report(s.value(a), "every request method may be used")
				}
			}
		}
	},
}
