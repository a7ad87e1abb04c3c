package policy

import (
	"fmt"
	"strings"
)

// Format writes a policy in canonical form, the one that every known client
// reads alike: ASCII, an XML declaration, one element a line, attributes in
// the order domain, to-ports, secure; domains in lower case; ports ascending,
// without spaces, runs up to [SmallRange] as single ports. Rules keep their
// order. What grants nothing is left out, so Format(Parse(Format(p))) is
// Format(p), and both decide alike. A void policy becomes one without rules.
//
// The output has no NUL; [Response] adds it.
func Format(p *Policy) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<" + elemRoot + ">\n")
	if p.Void {
		p = &Policy{}
	}
	if p.Meta != MetaUnset {
		writeElement(&b, elemSiteControl, "permitted-cross-domain-policies", p.Meta.String())
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		switch {
		case r.Dead || r.Domain.kind == DomainNone:
		case !r.Ports.IsEmpty():
			writeElement(&b, elemAllow, "domain", r.Domain.String(), "to-ports", r.Ports.Enumerated(), "secure", secureText[r.Secure])
		case r.NoPorts:
			writeElement(&b, elemAllow, "domain", r.Domain.String(), "secure", secureText[r.Secure])
		}
	}
	for i := range p.Headers {
		if h := &p.Headers[i]; !h.Dead && h.Domain.kind != DomainNone && len(h.Headers) > 0 {
			writeElement(&b, elemHeaders, "domain", h.Domain.String(), "headers", strings.Join(h.Headers, ","), "secure", secureText[h.Secure])
		}
	}
	for _, id := range p.Identities {
		b.WriteString("<" + elemIdentity + "><" + elemSignatory + ">")
		writeElement(&b, elemCertificate, "fingerprint", id.Fingerprint, "fingerprint-algorithm", id.Algorithm)
		b.WriteString("</" + elemSignatory + "></" + elemIdentity + ">\n")
	}
	b.WriteString("</" + elemRoot + ">\n")
	return []byte(b.String())
}

var secureText = [...]string{SecureUnset: "", SecureTrue: "true", SecureFalse: "false"}

// writeElement writes an empty element with the attributes whose values are
// not empty, given as pairs.
func writeElement(b *strings.Builder, name string, attrs ...string) {
	b.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			b.WriteString(" " + attrs[i] + `="`)
			writeValue(b, attrs[i+1])
			b.WriteString(`"`)
		}
	}
	b.WriteString("/>\n")
}

// writeValue escapes what XML wants escaped and what is not printable ASCII.
func writeValue(b *strings.Builder, v string) {
	for _, r := range v {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '"':
			b.WriteString("&quot;")
		case r < ' ' || r > '~':
			fmt.Fprintf(b, "&#x%X;", r)
		default:
			b.WriteRune(r)
		}
	}
}

// DenyAll is the policy that permits nothing and says so at once: no rule, and
// the meta-policy none, so that no client goes on to ask anywhere else.
func DenyAll() *Policy { return &Policy{Meta: MetaNone} }
