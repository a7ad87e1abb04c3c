package policy

import (
	"iter"
	"net/netip"
	"strings"
)

// DomainKind is the form of a domain pattern.
type DomainKind uint8

const (
	DomainNone   DomainKind = iota // the zero value: matches nothing
	DomainAny                      // *
	DomainSuffix                   // *.example.com: any depth, and example.com itself
	DomainExact                    // www.example.com
	DomainIP                       // 192.0.2.1 or [2001:db8::1]
)

// Scheme restricts a domain to requestors that came over one scheme.
type Scheme uint8

const (
	SchemeAny   Scheme = iota // no restriction
	SchemeHTTP                // http:// before the domain
	SchemeHTTPS               // https:// before the domain
	SchemeOther               // neither of them, such as file:; no pattern can be written for it
)

var schemePrefix = [...]string{SchemeAny: "", SchemeHTTP: "http://", SchemeHTTPS: "https://", SchemeOther: "other:"}

// Domain is the pattern of a domain attribute. The zero value matches nothing.
// It is comparable: equal values match alike.
type Domain struct {
	kind   DomainKind
	scheme Scheme
	host   string // lower case; of a suffix without "*."; of an IP as netip writes it
}

// ParseDomain reads a domain attribute. Case does not matter.
//
// Permitted:
//
//	*
//	*.example.com
//	www.example.com
//	localhost
//	192.0.34.166
//	[::1]
//	http://www.example.com
//	https://*.example.com
//
// Prohibited, since they match nothing in Flash Player (no wildcard inside a
// name or an IP address, and none over a single label), or stand for more or
// less than a host:
//
//	(empty)
//	*.com
//	www.example.*
//	*foo.com
//	a*b.com
//	192.0.34.*
//	www.example.com:8080
//	www.example.com/path
//	ftp://example.com
//	 * (padded)
//	bücher.example (write it as xn--bcher-kva.example)
//
// The error is a [*ValueError].
func ParseDomain(s string) (Domain, error) {
	fail := func(code Code, msg string) (Domain, error) { return Domain{}, &ValueError{code, s, msg} }
	if s == "" {
		return fail(CodeDomainEmpty, "no domain is named")
	}
	if isSpace(s[0]) || isSpace(s[len(s)-1]) {
		return fail(CodeDomainPadding, "white space around the domain")
	}
	host, scheme := strings.ToLower(s), SchemeAny
	if before, after, found := strings.Cut(host, "://"); found {
		switch host = after; before {
		case "http":
			scheme = SchemeHTTP
		case "https":
			scheme = SchemeHTTPS
		default:
			return fail(CodeDomainScheme, "only http:// and https:// may stand before a domain")
		}
	}
	if host == "" {
		return fail(CodeDomainSyntax, "no host follows the scheme")
	}
	if host == "*" {
		return Domain{DomainAny, scheme, ""}, nil
	}
	if strings.LastIndexByte(host, '*') > 0 || host[0] == '*' && !strings.HasPrefix(host, "*.") {
		return fail(CodeDomainWildcard, `a wildcard is "*" alone or "*." before a name; elsewhere it matches nothing`)
	}
	if rest, found := strings.CutPrefix(host, "*."); found {
		if msg := checkHost(rest); msg != "" {
			return fail(CodeDomainSyntax, msg)
		}
		if looksNumeric(rest) {
			return fail(CodeDomainWildcard, "no wildcard may stand in an IP address")
		}
		if !strings.Contains(rest, ".") {
			return fail(CodeDomainTopLevel, "a wildcard over a single label matches nothing in Flash Player, and everything below it in Lightspark")
		}
		return Domain{DomainSuffix, scheme, rest}, nil
	}
	if addr, ok := parseIPHost(host); ok {
		return Domain{DomainIP, scheme, addr}, nil
	}
	if msg := checkHost(host); msg != "" {
		return fail(CodeDomainSyntax, msg)
	}
	if looksNumeric(host) {
		return fail(CodeDomainSyntax, "neither a name nor an IP address")
	}
	return Domain{DomainExact, scheme, host}, nil
}

// AnyDomain returns the pattern "*".
func AnyDomain() Domain { return Domain{kind: DomainAny} }

// parseIPHost returns the canonical text of an IP literal, IPv6 in brackets or
// bare. Adobe's documentation shows IPv4 only and compares text; of an IPv6
// address there are many spellings, so both sides are brought to one.
func parseIPHost(host string) (string, bool) {
	if inner, found := strings.CutPrefix(host, "["); found {
		if inner, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(inner, ":") {
			return "", false
		}
		host = inner
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return "", false
	}
	return addr.String(), true
}

// looksNumeric reports whether the last label is all digits, as in an IPv4
// address and in no name.
func looksNumeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

// checkHost returns what is wrong with a host name, or "".
func checkHost(host string) string {
	if len(host) > 253 {
		return "a host name has at most 253 characters"
	}
	label := 0
	for i := 0; i <= len(host); i++ {
		if i == len(host) || host[i] == '.' {
			if label == 0 {
				return "a label of the name is empty"
			}
			if label > 63 {
				return "a label of a name has at most 63 characters"
			}
			label = 0
			continue
		}
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			label++
		case c >= 0x80:
			return "only ASCII: write an international name in its xn-- form"
		case c == ':':
			return "a domain has no port: ports are in to-ports"
		case c == '/':
			return "a domain has no path"
		default:
			return "not a host name, an IP address or a wildcard"
		}
	}
	return ""
}

// Kind returns the form of the pattern.
func (d Domain) Kind() DomainKind { return d.kind }

// Scheme returns the scheme that the pattern is restricted to.
func (d Domain) Scheme() Scheme { return d.scheme }

// WithScheme returns the pattern restricted to that scheme in place of its own.
func (d Domain) WithScheme(s Scheme) Domain { return Domain{d.kind, s, d.host} }

// Host returns the name or address without scheme, wildcard and brackets; it
// is empty for "*".
func (d Domain) Host() string { return d.host }

// String returns the canonical spelling, lower case, IPv6 in brackets.
func (d Domain) String() string {
	p := schemePrefix[d.scheme]
	switch d.kind {
	case DomainAny:
		return p + "*"
	case DomainSuffix:
		return p + "*." + d.host
	case DomainIP:
		if strings.Contains(d.host, ":") {
			return p + "[" + d.host + "]"
		}
	}
	return p + d.host
}

// Matches reports whether the requestor's scheme and host match the pattern.
func (d Domain) Matches(from Requestor) bool {
	return (d.scheme == SchemeAny || d.scheme == from.scheme()) && d.matchesHost(from.Host)
}

func (d Domain) matchesHost(host string) bool {
	switch d.kind {
	case DomainAny:
		return true
	case DomainSuffix:
		n := len(host) - len(d.host)
		return host == d.host || n > 0 && host[n-1] == '.' && host[n:] == d.host
	case DomainExact, DomainIP:
		return host == d.host
	}
	return false
}

// Covers reports whether d matches every requestor that e matches.
func (d Domain) Covers(e Domain) bool {
	if e.kind == DomainNone {
		return true
	}
	if d.scheme != SchemeAny && d.scheme != e.scheme {
		return false
	}
	switch e.kind {
	case DomainAny:
		return d.kind == DomainAny
	case DomainSuffix:
		return d.kind == DomainAny || d.kind == DomainSuffix && d.matchesHost(e.host)
	}
	return d.matchesHost(e.host)
}

// Above yields the patterns that cover d, d itself first, then ever wider
// ones; for the zero value none. They are what has to be looked up in a table
// of patterns to find all that match at least what d matches.
func (d Domain) Above() iter.Seq[Domain] {
	return func(yield func(Domain) bool) {
		if d.kind == DomainNone {
			return
		}
		each := func(kind DomainKind, host string) bool {
			return yield(Domain{kind, d.scheme, host}) && (d.scheme == SchemeAny || yield(Domain{kind, SchemeAny, host}))
		}
		if !each(d.kind, d.host) || d.kind == DomainAny {
			return
		}
		if d.kind == DomainExact && !each(DomainSuffix, d.host) {
			return
		}
		if d.kind != DomainIP {
			for host := d.host; ; {
				_, parent, found := strings.Cut(host, ".")
				if !found {
					break
				}
				if host = parent; !each(DomainSuffix, host) {
					return
				}
			}
		}
		each(DomainAny, "")
	}
}
