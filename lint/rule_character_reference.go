package lint

import "strings"

var ruleCharacterReference = &Rule{
	Code: "character-reference", Name: "a value behind references", Group: Form, Severity: Warning,
	Finds:   `A value in which a printable character is written as a reference, such as "&#42;" for "*".`,
	Gain:    "a wildcard that a search for it does not find",
	Clients: clientsAll,
	Fix:     "write the character itself",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.e&#120;ample.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.doc.Elements {
			for k := range s.doc.Elements[i].Attrs {
				a := &s.doc.Elements[i].Attrs[k]
				if !strings.Contains(a.Raw, "&#") || strings.ContainsFunc(a.Value, func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`<&"'`, c) }) {
					continue
				}
				f := s.report(s.value(a), quote(a.Raw)+" is "+quote(a.Value))
				at := int(a.ValuePos.Offset)
				f.fix("write the characters themselves", Edit{at, at + len(a.Raw), a.Value})
			}
		}
	},
}
