package lint

import "github.com/port843/port843/policy"

// shipped is what a product ships, or a manual shows, written down as facts:
// its meta-policy and its grants, whatever the file looks like.
type shipped struct {
	product string // completes "this is exactly ..."
	kind    Kind
	meta    policy.MetaPolicy
	rules   []shippedRule
	headers bool // beside the rules, any request header from anyone
}

type shippedRule struct {
	domain, ports string
	secure        policy.Secure
}

// shippedDefaults: the comments say where each was seen.
var shippedDefaults = []shipped{
	// Adobe's sample servers (Python, Perl) of "Setting up a socket policy file
	// server"; the npm module policyfile with its default origins *:*, without
	// master-only; ws-based servers that copied either.
	{product: "what Adobe's sample server and many copies of it ship: everything for everyone", kind: KindSocket,
		rules: []shippedRule{{"*", "*", 0}}},
	// npm policyfile 0.0.6 (socket.io 0.x) and what copied it: xitrum, pomelo demos.
	{product: "the default of npm's policyfile, and so of socket.io 0.x and xitrum", kind: KindSocket, meta: policy.MetaMasterOnly,
		rules: []shippedRule{{"*", "*", 0}}},
	// GatewayWorker/Workerman's chat examples.
	{product: "what Workerman's examples ship", kind: KindSocket, meta: policy.MetaAll,
		rules: []shippedRule{{"*", "*", 0}}},
	// rtmplite's rtmp.py and its descendants.
	{product: "the default of rtmplite and of RTMP servers like it", kind: KindSocket,
		rules: []shippedRule{{"*", "1935", policy.SecureFalse}}},
	// Openfire 3, FlashCrossDomainHandler: the client listener's port.
	{product: "the default of Openfire's Flash cross-domain handler", kind: KindSocket,
		rules: []shippedRule{{"*", "5222", 0}}},
	// SmartFoxServer 1, whose XMLSocket port is 9339; transcripts of it and of
	// servers that stand in for it.
	{product: "the default of SmartFoxServer 1", kind: KindSocket,
		rules: []shippedRule{{"*", "9339", 0}}},
	// ActionScript documentation of Flash MX 2004 and 8, "XMLSocket policy file".
	{product: "the example of Adobe's documentation, with its *.foo.com", kind: KindSocket,
		rules: []shippedRule{{"*", "507", 0}, {"*.foo.com", "507,516", 0}, {"*.bar.com", "516-523", 0}, {"www.foo.com", "507,516-523", 0}, {"www.bar.com", "*", 0}}},
	// Adobe's ActionScript 3 developer's guide.
	{product: "the example of Adobe's guide, with its *.example.com", kind: KindSocket,
		rules: []shippedRule{{"*", "507", 0}, {"*.example.com", "507,516", 0}, {"*.example2.com", "516-523", 0}, {"www.example2.com", "507,516-523", 0}, {"www.example3.com", "*", 0}}},
	// OpenStack Swift, the middleware crossdomain without cross_domain_policy.
	{product: "the default of OpenStack Swift's crossdomain middleware", kind: KindURL,
		rules: []shippedRule{{"*", "", policy.SecureFalse}}},
	// HTML5 Boilerplate up to version 3, its "least restrictive" part switched
	// on; the widest example of Adobe's specification, in many web frameworks.
	{product: "the widest example of Adobe's specification, and HTML5 Boilerplate's \"least restrictive policy\"", kind: KindURL, meta: policy.MetaAll, headers: true,
		rules: []shippedRule{{"*", "", policy.SecureFalse}}},
	// JW Player, Longtail Video: documentation of cross-domain file loading; and
	// nearly every tutorial.
	{product: "what player tutorials tell to copy: everything for everyone", kind: KindURL,
		rules: []shippedRule{{"*", "", 0}}},
	// Cooliris' Media RSS documentation.
	{product: "what Cooliris' documentation tells to copy", kind: KindURL,
		rules: []shippedRule{{"*.cooliris.com", "", policy.SecureFalse}}},
	// Microsoft's documentation of sockets in Silverlight; Moonlight's tests;
	// SuperSocket's Silverlight policy server.
	{product: "the example of Microsoft's documentation: every Silverlight port for everyone", kind: KindSilverlight,
		rules: []shippedRule{{"*", "4502-4534", 0}}},
}

// compiled is a shipped default as rules compare it.
type compiled struct {
	*shipped
	grants policy.Grants
}

var compiledDefaults = func() []compiled {
	var out []compiled
	for i := range shippedDefaults {
		d := &shippedDefaults[i]
		var grants []policy.Grant
		for _, r := range d.rules {
			grants = append(grants, meaning(mustDomains(r.domain)[0], mustPorts(r.ports), r.secure, d.kind))
		}
		out = append(out, compiled{d, policy.NewGrants(grants)})
	}
	return out
}()

// mustPorts is for ports of this package's own.
func mustPorts(text string) policy.PortSet {
	if text == "" {
		return policy.PortSet{}
	}
	set, err := policy.ParsePorts(text)
	if err != nil {
		panic(err)
	}
	return set
}

// meaning is a rule as a grant. For URLs the ports mean nothing, and what
// secure means depends on where the file is served: its three values are told
// apart by ports that stand for them.
func meaning(d policy.Domain, ports policy.PortSet, secure policy.Secure, kind Kind) policy.Grant {
	if kind == KindURL {
		return policy.Grant{Domain: d, Ports: policy.Ports(uint16(secure) + 1)}
	}
	return policy.Grant{Domain: d, Ports: ports, Secure: secure == policy.SecureTrue}
}

// maxShippedRules is more than any of the defaults has; a longer file is none.
const maxShippedRules = 8

// shippedDefault returns whose default the file is, or "".
func (s *subject) shippedDefault() string {
	if len(s.grants) == 0 || len(s.grants) > maxShippedRules || s.flash != nil && (s.flash.Void || len(s.flash.Identities) > 0) {
		return ""
	}
	headers := false
	for i := range s.headers {
		if h := &s.headers[i]; s.kind == KindURL {
			if !h.all || !h.anyone {
				return ""
			}
			headers = true
		}
	}
	var grants policy.Grants
	done := false
	for i := range compiledDefaults {
		d := &compiledDefaults[i]
		if d.kind != s.kind || d.headers != headers || s.flash != nil && s.flash.Meta != d.meta {
			continue
		}
		if !done {
			grants, done = s.meaning(), true
		}
		if grants.Equal(d.grants) {
			return d.product
		}
	}
	return ""
}

// meaning is everything that the file grants.
func (s *subject) meaning() policy.Grants {
	var list []policy.Grant
	for i := range s.grants {
		if g := &s.grants[i]; !g.dead {
			list = append(list, meaning(g.domain, g.ports, g.secure, s.kind))
		}
	}
	return policy.NewGrants(list)
}
