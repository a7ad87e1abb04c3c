package lint

var ruleShippedDefault = &Rule{
	Code: "shipped-default", Name: "a product's default, unedited", Group: Grants, Severity: Note,
	Finds:   `A file that grants exactly what a known product or a much copied manual ships, whatever it looks like.`,
	Gain:    "it is known in advance what is open, wherever the product runs",
	Clients: clientsAll,
	Fix:     "write the policy for this host: its own pages, its own ports",
	Bad: Example{Text: "<!-- port843:ignore meta-absent the example is about something else -->\n" + flashFile(
		`<!-- port843:ignore any-domain the example is about something else -->`, `<allow-access-from domain="*" to-ports="1935" secure="false"/>`), Options: Options{Kind: KindSocket}, At: "2:1"},
	Good: Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="1935"/>`), Options: Options{Kind: KindSocket}},
	on:   onAll,
	check: func(s *subject) {
		if product := s.shippedDefault(); product != "" {
			s.report(s.file(), "this is exactly "+product)
		}
	},
}
