package config

import (
	"strings"

	"github.com/port843/port843/policy"
)

// Site is a virtual host on the web with its /crossdomain.xml: what SWFs of
// others may load from there. That is another list than who may open sockets.
type Site struct {
	Host    string
	Owner   string
	Allow   []policy.Domain
	Headers []string // request headers that they may send: names, "X-Foo*", "*"
	// Secure lets in only what came over HTTPS. Without it that is so where
	// the file itself is loaded over HTTPS (Adobe's guide).
	Secure bool
}

// Policy returns the site's policy file: a master that lets no other file on
// the host count.
func (s *Site) Policy() *policy.Policy {
	p := &policy.Policy{Meta: policy.MetaMasterOnly}
	secure := policy.SecureUnset
	if s.Secure {
		secure = policy.SecureTrue
	}
	for _, d := range s.Allow {
		p.Rules = append(p.Rules, policy.Rule{Domain: d, Secure: secure, NoPorts: true})
		if len(s.Headers) > 0 {
			p.Headers = append(p.Headers, policy.HeaderRule{Domain: d, Headers: s.Headers, Secure: secure})
		}
	}
	return p
}

type rawSite struct {
	at             item
	host, owner    text
	allow, headers []text
	secure         bool
}

func (s *section) site() rawSite {
	return rawSite{at: s.item, host: s.text("host"), owner: s.text("owner"), allow: s.texts("allow"), headers: s.texts("headers"), secure: s.truth("secure")}
}

// site checks a site against its owner: its host must be one of the owner's,
// where the owner has any, and whom it lets in must be within the owner's
// domains.
func (v *validator) site(r *rawSite, hosts map[string]bool) {
	s := Site{Owner: r.owner.s, Secure: r.secure}
	key := func(name string) string { return r.at.key + "." + name }
	i, known := v.owners[s.Owner]
	switch {
	case !r.owner.set():
		v.missing(r.at, "owner")
	case !known:
		v.add(r.owner.pos, key("owner"), CodeNoOwner, s.Owner, "no [[owner]] has that name")
	}
	if !r.host.set() {
		v.missing(r.at, "host")
	} else if host, ok := v.host(r.host, key("host")); ok {
		s.Host = host
		if hosts[host] {
			v.add(r.host.pos, key("host"), CodeTwice, host, "a second site of that host")
		}
		hosts[host] = true
		if known && len(v.c.Owners[i].Hosts) > 0 && !has(v.c.Owners[i].Hosts, host) {
			v.add(r.host.pos, key("host"), CodeBounds, host, "not a host of its owner")
		}
	}
	var pos []policy.Pos
	s.Allow, pos = v.domains(r.allow, r.at, "allow")
	if known {
		bounds := policy.NewDomains(v.c.Owners[i].Domains...)
		for j, d := range s.Allow {
			if !bounds.Covers(policy.NewDomains(d)) {
				v.add(pos[j], key("allow"), CodeBounds, d.String(), "beyond the domains of its owner")
			}
		}
	}
	for _, t := range r.headers {
		if !headerPattern(t.s) {
			v.add(t.pos, key("headers"), CodeName, t.s, `the name of a header, such as "X-Token", or "X-Foo*", or "*"`)
		}
		s.Headers = append(s.Headers, t.s)
	}
	v.c.Sites = append(v.c.Sites, s)
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// headerPattern reports whether s is a field name (RFC 9110, section 5.6.2) or
// such a prefix with a star.
func headerPattern(s string) bool {
	if s == "*" {
		return true
	}
	s = strings.TrimSuffix(s, "*")
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}*&'`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
