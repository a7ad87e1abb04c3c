package lint

import "github.com/port843/port843/policy"

var ruleShadowedRule = &Rule{
	Code: "shadowed-rule", Name: "a rule that another one covers", Group: Grants, Severity: Note,
	Finds:   `A rule of which another one grants everything, and more. Rules only add: a narrow one beside a wide one restricts nothing.`,
	Gain:    "what the wider rule grants, while the narrower one looks as if it were the limit",
	Clients: clientsAll,
	Fix:     "remove the wider rule where the narrower one is what was meant, or the narrower one where it is not",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`, `<allow-access-from domain="www.example.com" to-ports="9001"/>`), Options: Options{Kind: KindSocket}, At: "4:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		s.eachCovered(func(wide, narrow *grant) {
			if !sameMeaning(wide, narrow) {
				s.report(s.tag(narrow.elem), "the rule at "+wide.elem.Pos.String()+" grants all of it")
			}
		})
	},
}

// eachCovered calls f for each grant that a single other one covers, with that
// other one; of two that mean the same the later is covered. The work is
// bounded: candidates for a grant are those of the patterns above its own, and
// of one pattern at most coverCandidates.
func (s *subject) eachCovered(f func(wide, narrow *grant)) {
	if len(s.grants) < 2 {
		return
	}
	byDomain := make(map[policy.Domain][]int, len(s.grants))
	for i := range s.grants {
		g := &s.grants[i]
		if list := byDomain[g.domain]; !g.dead && g.domain.Kind() != policy.DomainNone && len(list) < coverCandidates {
			byDomain[g.domain] = append(list, i)
		}
	}
	for i := range s.grants {
		narrow := &s.grants[i]
		if narrow.dead || narrow.domain.Kind() == policy.DomainNone {
			continue
		}
		for d := range narrow.domain.Above() {
			if k := s.covering(byDomain[d], i); k >= 0 {
				f(&s.grants[k], narrow)
				break
			}
		}
	}
}

// coverCandidates bounds how many grants of one pattern are compared with
// another grant. A hand-written file has a few.
const coverCandidates = 64

// covering returns the first of the candidates that covers the grant at i, or -1.
func (s *subject) covering(candidates []int, i int) int {
	narrow := &s.grants[i]
	for _, k := range candidates {
		wide := &s.grants[k]
		if k == i || wide.group != narrow.group || !wide.ports.Covers(narrow.ports) || !secureCovers(wide, narrow) {
			continue
		}
		if sameMeaning(wide, narrow) && k > i {
			continue
		}
		return k
	}
	return -1
}

// secureCovers reports whether wide lets in whatever narrow does, as far as
// secure goes. In a URL policy an absent one depends on how it is served.
func secureCovers(wide, narrow *grant) bool {
	if wide.secure == narrow.secure || narrow.secure == policy.SecureTrue || wide.secure == policy.SecureFalse {
		return true
	}
	return !wide.ports.IsEmpty() && wide.secure == policy.SecureUnset
}
