package lint

import (
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// Silverlight's grammar (Microsoft, "Network Security Access Restrictions in
// Silverlight"): each element with its parents and its attributes.
var silverlightGrammar = map[string]struct {
	parents []string
	attrs   []string
}{
	"access-policy":       {[]string{""}, nil},
	"cross-domain-access": {[]string{"access-policy"}, nil},
	"policy":              {[]string{"cross-domain-access"}, nil},
	"allow-from":          {[]string{"policy"}, []string{"http-request-headers", "http-methods"}},
	"domain":              {[]string{"allow-from"}, []string{"uri"}},
	"grant-to":            {[]string{"policy"}, nil},
	"resource":            {[]string{"grant-to"}, []string{"path", "include-subpaths"}},
	"socket-resource":     {[]string{"grant-to"}, []string{"port", "protocol"}},
}

// silverlightPorts is what Silverlight lets anybody reach over TCP; one port
// outside voids the file.
var silverlightPorts = policy.PortRanges(policy.PortRange{Lo: 4502, Hi: 4534})

// readSilverlight makes grants out of an access-policy. The reader of Flash's
// format has complained about the root, and read no further.
func (s *subject) readSilverlight() {
	s.problems = slices.DeleteFunc(s.problems, func(p *policy.Problem) bool { return p.Code == policy.CodeRoot })
	elements := s.doc.Elements
	if len(elements) == 0 {
		return
	}
	if root := &elements[0]; root.Name != "access-policy" {
		s.problem(policy.Problem{Code: policy.CodeRoot, Pos: root.Pos, Element: root.Name, Msg: "the root element is not access-policy"})
		return
	}
	known := make([]bool, len(elements))
	for i := range elements {
		known[i] = s.silverlightElement(i, known)
	}
	for i := range elements {
		if known[i] && elements[i].Name == "policy" {
			s.silverlightPolicy(i, known)
		}
	}
}

func (s *subject) problem(p policy.Problem) { s.problems = append(s.problems, &p) }

// silverlightElement checks one element against the grammar and reports
// whether it stands where it should.
func (s *subject) silverlightElement(i int, known []bool) bool {
	e := &s.doc.Elements[i]
	parent := ""
	if e.Parent >= 0 {
		if !known[e.Parent] {
			return false
		}
		parent = s.doc.Elements[e.Parent].Name
	}
	g, ok := silverlightGrammar[e.Name]
	switch {
	case !ok:
		s.problem(policy.Problem{Code: policy.CodeUnknownElement, Pos: e.Pos, Element: e.Name, Msg: "no such element"})
		return false
	case !slices.Contains(g.parents, parent):
		s.problem(policy.Problem{Code: policy.CodeMisplaced, Pos: e.Pos, Element: e.Name, Msg: "the element stands inside <" + g.parents[0] + ">, not there"})
		return false
	}
	if e.Text.IsValid() {
		s.problem(policy.Problem{Code: policy.CodeText, Pos: e.Text, Element: e.Name, Msg: "text stands where only elements may"})
	}
	for _, a := range e.Attrs {
		if !slices.Contains(g.attrs, a.Name) && !strings.HasPrefix(a.Name, "xml") && !strings.HasPrefix(a.Name, "xsi:") {
			s.problem(policy.Problem{Code: policy.CodeUnknownAttribute, Pos: a.Pos, Element: e.Name, Attribute: a.Name, Value: a.Value,
				Msg: "<" + e.Name + "> has no such attribute"})
		}
	}
	return true
}

// silverlightPolicy makes a grant of each domain of a policy, with all ports
// of it.
func (s *subject) silverlightPolicy(at int, known []bool) {
	elements := s.doc.Elements
	firstGrant, firstPorts := len(s.grants), len(s.ports)
	inside := func(i int) bool {
		p := elements[i].Parent
		return known[i] && p >= 0 && elements[p].Parent == at
	}
	ports := policy.PortSet{}
	for i := at + 1; i < len(elements) && elements[i].Depth > elements[at].Depth; i++ {
		if !inside(i) {
			continue
		}
		switch e := &elements[i]; e.Name {
		case "domain":
			s.silverlightDomain(e, at)
		case "socket-resource":
			ports = ports.Union(s.silverlightSocket(e))
		}
	}
	anyone := false
	for i := range s.grants[firstGrant:] {
		g := &s.grants[firstGrant+i]
		g.ports = ports
		anyone = anyone || g.domain.Kind() == policy.DomainAny
	}
	for i := range s.ports[firstPorts:] {
		s.ports[firstPorts+i].anyone = anyone
	}
	for i := at + 1; i < len(elements) && elements[i].Depth > elements[at].Depth; i++ {
		if e := &elements[i]; e.Name == "allow-from" && e.Parent == at {
			s.silverlightHeaders(e, anyone)
		}
	}
}

func (s *subject) silverlightDomain(e *policy.Element, group int) {
	a := e.Attr("uri")
	if a == nil {
		s.problem(policy.Problem{Code: policy.CodeMissingAttribute, Pos: e.Pos, Element: e.Name, Msg: "the attribute uri is missing"})
		s.grants = append(s.grants, grant{elem: e, group: group, dead: true})
		return
	}
	g := grant{elem: e, attr: a, group: group}
	var code policy.Code
	var msg string
	if g.domain, code, msg = silverlightURI(a.Value); code != "" {
		g.dead = true
		s.problem(policy.Problem{Code: code, Pos: a.ValuePos, Element: e.Name, Attribute: a.Name, Value: a.Value, Msg: msg})
	}
	s.grants = append(s.grants, g)
}

// silverlightURI reads a uri attribute: "*", or a scheme and a host, perhaps
// with a port, which narrows the requestors in a way that policy.Domain does
// not know. file:/// stands for local files.
func silverlightURI(text string) (d policy.Domain, code policy.Code, msg string) {
	scheme, host, found := strings.Cut(text, "://")
	if found && strings.EqualFold(scheme, "file") {
		return policy.Domain{}, "", ""
	}
	if found {
		host = strings.TrimSuffix(host, "/")
		if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") && strings.Trim(host[i+1:], "0123456789*") == "" {
			host = host[:i]
		}
		text = scheme + "://" + host
	}
	d, err := policy.ParseDomain(text)
	if err != nil {
		v := err.(*policy.ValueError)
		return d, v.Code, v.Msg
	}
	return d, "", ""
}

func (s *subject) silverlightSocket(e *policy.Element) policy.PortSet {
	a := e.Attr("port")
	if a == nil {
		s.problem(policy.Problem{Code: policy.CodeMissingAttribute, Pos: e.Pos, Element: e.Name, Msg: "the attribute port is missing"})
		return policy.PortSet{}
	}
	set, err := policy.ParsePorts(a.Value)
	if err != nil {
		v := err.(*policy.ValueError)
		s.problem(policy.Problem{Code: v.Code, Pos: a.ValuePos, Element: e.Name, Attribute: a.Name, Value: a.Value, Msg: v.Msg})
		return policy.PortSet{}
	}
	s.ports = append(s.ports, portList{elem: e, attr: a, set: set})
	return set
}

func (s *subject) silverlightHeaders(e *policy.Element, anyone bool) {
	a := e.Attr("http-request-headers")
	if a == nil {
		return
	}
	var headers []string
	for name := range strings.SplitSeq(a.Value, ",") {
		headers = append(headers, strings.TrimSpace(name))
	}
	s.headers = append(s.headers, headerList{elem: e, attr: a, anyone: anyone, all: slices.Contains(headers, "*"), headers: headers})
}
