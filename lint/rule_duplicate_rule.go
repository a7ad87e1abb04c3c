package lint

import "github.com/port843/port843/policy"

var ruleDuplicateRule = &Rule{
	Code: "duplicate-rule", Name: "the same rule twice", Group: Grants, Severity: Warning,
	Finds:   `A rule that means the same as an earlier one: the same domain, ports and secure, however they are spelled.`,
	Gain:    "nothing; but who revokes one of them has revoked nothing",
	Clients: clientsAll,
	Fix:     "remove the second one",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`, `<allow-access-from domain="WWW.example.com" to-ports="9001,9000"/>`), Options: Options{Kind: KindSocket}, At: "4:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		s.eachCovered(func(wide, narrow *grant) {
			if !sameMeaning(wide, narrow) {
				return
			}
			f := s.report(s.tag(narrow.elem), "means the same as the rule at "+wide.elem.Pos.String())
			if edit, ok := s.removal(narrow.elem); ok && narrow.elem.StartEnd == narrow.elem.End && sameForEveryKind(wide, narrow) {
				f.fix("remove the second of two rules that mean the same", edit)
			}
		})
	},
}

// sameForEveryKind reports whether two rules mean the same whatever kind of
// policy the file is taken for: the kind may have been guessed, and one file
// may be served both ways.
func sameForEveryKind(a, b *grant) bool {
	return a.rule == nil || a.rule.NoPorts == b.rule.NoPorts && a.rule.Ports.Equal(b.rule.Ports) && a.secure == b.secure
}

func sameMeaning(a, b *grant) bool {
	return a.domain == b.domain && a.ports.Equal(b.ports) && (a.secure == b.secure || socketSecure(a) == socketSecure(b) && !a.ports.IsEmpty())
}

// socketSecure is secure with the default that sockets have.
func socketSecure(g *grant) policy.Secure {
	if g.secure == policy.SecureUnset {
		return policy.SecureFalse
	}
	return g.secure
}
