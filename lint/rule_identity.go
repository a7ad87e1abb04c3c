package lint

var ruleIdentity = &Rule{
	Code: "identity", Name: "a grant to a signature", Group: Grants, Severity: Note,
	Finds:   `allow-access-from-identity: a grant to whoever signed a document with a certificate. Flash Player ignores it.`,
	Gain:    "any PDF that bears a signature of that certificate, however it reached its reader, reads from this site as that reader",
	Clients: "Acrobat and Reader today; nobody else",
	Fix:     "remove it where no signed PDF needs it; otherwise keep the certificate's key as safe as a password of the site",
	Bad:     Example{Text: flashFile(`<allow-access-from-identity><signatory><certificate fingerprint="01:23" fingerprint-algorithm="sha-1"/></signatory></allow-access-from-identity>`), Options: Options{Kind: KindURL}, At: "2:3"},
	Good:    Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL}},
	on:      onFlash,
	check: func(s *subject) {
		for i := range s.doc.Elements {
			if e := &s.doc.Elements[i]; e.Name == "allow-access-from-identity" && e.Parent == 0 {
				s.report(s.tag(e), "documents signed with this certificate are let in by Acrobat and Reader")
			}
		}
	},
}
