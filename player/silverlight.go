package player

import (
	"net/netip"
	"strings"

	"github.com/port843/port843/policy"
)

// Silverlight's figures (Microsoft's "Network Security Access Restrictions in
// Silverlight").
const (
	AccessPort   = 943
	AccessPortLo = 4502
	AccessPortHi = 4534
)

// AccessPolicy is Silverlight's clientaccesspolicy as far as it speaks of
// sockets.
type AccessPolicy struct {
	// Void is why the whole file grants nothing, or empty; printable.
	Void  string
	Rules []AccessRule
}

// AccessRule is one <policy>: whoever is in From may reach Ports.
type AccessRule struct {
	From  []string // uri of <domain>, as written
	Ports policy.PortSet
	Pos   policy.Pos
}

// Elements of the schema: each with its parent.
var accessParent = map[string]string{
	"access-policy": "", "cross-domain-access": "access-policy", "policy": "cross-domain-access",
	"allow-from": "policy", "domain": "allow-from", "grant-to": "policy",
	"socket-resource": "grant-to", "resource": "grant-to",
}

// ParseAccess reads a clientaccesspolicy. One port outside 4502 to 4534, or one
// that is no port, voids the whole file, as Moonlight has it; so does an
// element in the wrong place, about which Microsoft says nothing. The result is
// never nil.
func ParseAccess(data []byte) *AccessPolicy {
	p := &AccessPolicy{}
	doc, problems := policy.ParseDocument(data)
	for _, problem := range problems {
		if problem.Effect == policy.EffectVoid {
			p.Void = problem.Error()
			return p
		}
	}
	if len(doc.Elements) == 0 || doc.Elements[0].Name != "access-policy" {
		p.Void = "the root element is not access-policy"
		return p
	}
	at := map[int]int{} // index of a <policy> -> index of its rule
	for i := range doc.Elements {
		e := &doc.Elements[i]
		parent := ""
		if e.Parent >= 0 {
			parent = doc.Elements[e.Parent].Name
		}
		want, known := accessParent[e.Name]
		if !known {
			continue
		}
		if parent != want {
			return &AccessPolicy{Void: e.Pos.String() + ": <" + e.Name + "> stands inside <" + want + ">"}
		}
		if e.Name == "policy" {
			at[i] = len(p.Rules)
			p.Rules = append(p.Rules, AccessRule{Pos: e.Pos})
		}
		if e.Name != "domain" && e.Name != "socket-resource" {
			continue
		}
		rule := &p.Rules[at[doc.Elements[e.Parent].Parent]]
		if void := rule.add(e); void != "" {
			return &AccessPolicy{Void: e.Pos.String() + ": " + void}
		}
	}
	return p
}

// add reads a <domain> or a <socket-resource>, and returns what voids the file.
func (r *AccessRule) add(e *policy.Element) string {
	if e.Name == "domain" {
		if a := e.Attr("uri"); a != nil {
			r.From = append(r.From, a.Value)
		}
		return ""
	}
	port, protocol := e.Attr("port"), e.Attr("protocol")
	if protocol == nil || protocol.Value != "tcp" {
		return "the protocol of a socket-resource is tcp"
	}
	if port == nil {
		return "a socket-resource has a port"
	}
	ports, err := policy.ParsePorts(port.Value)
	if err != nil || !accessPorts.Covers(ports) {
		return "a port outside 4502-4534 voids the file"
	}
	r.Ports = r.Ports.Union(ports)
	return ""
}

var accessPorts = policy.PortRanges(policy.PortRange{Lo: AccessPortLo, Hi: AccessPortHi})

// miss returns why the rule does not grant, or MissNothing.
func (r *AccessRule) miss(from policy.Requestor, port uint16) policy.Miss {
	matched := false
	for _, uri := range r.From {
		matched = matched || accessMatches(uri, from)
	}
	switch {
	case !matched:
		return policy.MissHost
	case !r.Ports.Contains(port):
		return policy.MissPort
	}
	return policy.MissNothing
}

// accessMatches matches the uri of a <domain>: "*" is everybody; otherwise a
// scheme, and a host that may begin with "*.", which covers names below it and
// not the name itself. A port in it is not looked at: a requestor has none.
func accessMatches(uri string, from policy.Requestor) bool {
	uri = strings.ToLower(strings.TrimSpace(uri))
	if uri == "*" {
		return true
	}
	scheme, host, found := strings.Cut(uri, "://")
	if !found || scheme != from.Scheme {
		return false
	}
	host = strings.TrimSuffix(host, "/")
	if ap, err := netip.ParseAddrPort(host); err == nil {
		host = ap.Addr().String()
	} else if name, port, found := strings.Cut(host, ":"); found && strings.Trim(port, "0123456789") == "" && !strings.Contains(name, "[") {
		host = name
	}
	switch rest, wild := strings.CutPrefix(host, "*."); {
	case host == "*" || host == "" && scheme == "file":
		return true
	case wild:
		return rest != "" && strings.HasSuffix(from.Host, "."+rest)
	}
	return strings.Trim(host, "[]") == from.Host && from.Host != ""
}
