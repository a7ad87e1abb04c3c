package policy

import (
	"fmt"
	"slices"
	"strings"
)

// MetaPolicy says which other policy files of a host count.
type MetaPolicy uint8

// The meta-policies, from "nothing is said" through the strictest to the
// widest; where two are said, the stricter counts (see [MetaPolicy.Stricter]).
const (
	MetaUnset            MetaPolicy = iota // no site-control: all for sockets, master-only for URLs since Flash Player 10
	MetaNone                               // no policy file at all, this one's own rules included
	MetaNoneThisResponse                   // this response is no policy file; only in an HTTP header
	MetaMasterOnly                         // only the master
	MetaByContentType                      // URL only: files served as text/x-cross-domain-policy
	MetaByFTPFilename                      // FTP only: files named crossdomain.xml
	MetaAll                                // every policy file
)

var metaNames = [...]string{"", "none", "none-this-response", "master-only", "by-content-type", "by-ftp-filename", "all"}

func (m MetaPolicy) String() string { return metaNames[m] }

// ParseMetaPolicy reads a meta-policy by its name. The empty string is none.
func ParseMetaPolicy(s string) (MetaPolicy, error) {
	if i := slices.Index(metaNames[1:], s); i >= 0 {
		return MetaPolicy(i + 1), nil
	}
	return MetaUnset, &ValueError{CodeMeta, s, "a meta-policy is all, master-only or none; for URLs also by-content-type or by-ftp-filename"}
}

// Stricter returns the stricter of two meta-policies. What is unset is not
// stricter than anything.
func (m MetaPolicy) Stricter(n MetaPolicy) MetaPolicy {
	if m == MetaUnset || n != MetaUnset && n < m {
		return n
	}
	return m
}

// Secure is the secure attribute of a rule. What its absence means depends on
// where the policy comes from: false for sockets, true for HTTPS.
type Secure uint8

const (
	SecureUnset Secure = iota
	SecureTrue
	SecureFalse
)

// Policy is a policy file. Its exported fields may be filled by a program that
// makes one; after that, and after [Parse], it is read only and may be shared.
type Policy struct {
	Meta       MetaPolicy
	Rules      []Rule       // allow-access-from
	Headers    []HeaderRule // allow-http-request-headers-from; URL policies only
	Identities []Identity   // allow-access-from-identity; Acrobat and Reader only

	// Void says that the file is not well-formed or not a policy file at all:
	// the whole grants nothing.
	Void bool

	MetaPos Pos       // of the value of site-control
	Doc     *Document // what it was read from; nil where it was made
}

// Rule is one allow-access-from.
type Rule struct {
	Domain Domain
	Ports  PortSet // destination ports; means nothing in a URL policy
	Secure Secure

	// Dead says that an attribute has a mistake: the rule grants nothing.
	Dead bool
	// NoPorts says that there is no to-ports: for sockets the rule grants
	// nothing, for URLs it is as it should be.
	NoPorts bool
	// PortsText is to-ports as written; clients differ in how they read it.
	PortsText string

	Pos       Pos
	DomainPos Pos
	PortsPos  Pos
}

// HeaderRule is one allow-http-request-headers-from.
type HeaderRule struct {
	Domain  Domain
	Headers []string // names, "X-Foo*" for a prefix, "*" for all
	Secure  Secure
	Dead    bool
	Pos     Pos
}

// Identity is one allow-access-from-identity with its certificate. It has no
// part in any decision here: Flash Player ignores it.
type Identity struct {
	Fingerprint string
	Algorithm   string
	Pos         Pos
}

// Parse reads a policy file, for sockets or for URLs. The Policy is never nil:
// with mistakes it is what a careful client makes of the file, so a client
// uses it whatever err is. A server should refuse to serve it where
// ProblemsOf(err).Refusing() is not empty.
//
// The error is nil or [Problems]. It does not contain what only matters for
// one kind of policy; for that, ask [Policy.CheckSocket].
func Parse(data []byte) (*Policy, error) {
	doc, problems := ParseDocument(data)
	r := reader{p: &Policy{Doc: doc}, problems: problems}
	r.read()
	r.p.Void = len(r.problems.void()) > 0
	if len(r.problems) == 0 {
		return r.p, nil
	}
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return int(a.Pos.Offset) - int(b.Pos.Offset) })
	return r.p, r.problems
}

// reader makes a Policy out of a Document.
type reader struct {
	p        *Policy
	problems Problems
}

func (r *reader) add(p Problem) {
	if len(r.problems) <= MaxProblems {
		r.problems = append(r.problems, &p)
	}
}

const (
	elemRoot        = "cross-domain-policy"
	elemSiteControl = "site-control"
	elemAllow       = "allow-access-from"
	elemHeaders     = "allow-http-request-headers-from"
	elemIdentity    = "allow-access-from-identity"
	elemSignatory   = "signatory"
	elemCertificate = "certificate"
)

// grammar is the DTD: each element with its parent and its attributes.
var grammar = map[string]struct {
	parent string
	attrs  []string
}{
	elemRoot:        {"", nil},
	elemSiteControl: {elemRoot, []string{"permitted-cross-domain-policies"}},
	elemAllow:       {elemRoot, []string{"domain", "to-ports", "secure"}},
	elemHeaders:     {elemRoot, []string{"domain", "headers", "secure"}},
	elemIdentity:    {elemRoot, nil},
	elemSignatory:   {elemIdentity, nil},
	elemCertificate: {elemSignatory, []string{"fingerprint", "fingerprint-algorithm"}},
}

func (r *reader) read() {
	elements := r.p.Doc.Elements
	if len(elements) == 0 {
		return
	}
	if root := &elements[0]; root.Name != elemRoot {
		r.add(Problem{Code: CodeRoot, Effect: EffectVoid, Pos: root.Pos, Element: root.Name, Msg: "the root element is not cross-domain-policy"})
		return
	}
	rules := 0
	for i := range elements {
		if elements[i].Name == elemAllow {
			rules++
		}
	}
	r.p.Rules = make([]Rule, 0, rules)
	known := make([]bool, len(elements))
	for i := range elements {
		known[i] = r.element(elements, i, known)
	}
}

// element reads one element and reports whether it stands where it should.
func (r *reader) element(elements []Element, i int, known []bool) bool {
	e := &elements[i]
	if e.Parent >= 0 && !known[e.Parent] || i > 0 && e.Parent < 0 {
		return false
	}
	g, ok := grammar[e.Name]
	if !ok {
		r.add(Problem{Code: CodeUnknownElement, Effect: EffectIgnored, Pos: e.Pos, Element: e.Name, Msg: "no such element: it is ignored"})
		return false
	}
	parent := ""
	if e.Parent >= 0 {
		parent = elements[e.Parent].Name
	}
	if parent != g.parent {
		r.add(Problem{Code: CodeMisplaced, Effect: EffectIgnored, Pos: e.Pos, Element: e.Name,
			Msg: fmt.Sprintf("the element stands inside <%s>, not there: it is ignored", g.parent)})
		return false
	}
	if e.Text.IsValid() {
		r.add(Problem{Code: CodeText, Effect: EffectIgnored, Pos: e.Text, Element: e.Name, Msg: "text stands where only elements may: it is ignored"})
	}
	for _, a := range e.Attrs {
		if !slices.Contains(g.attrs, a.Name) && !isNamespaceAttr(a.Name) {
			r.add(Problem{Code: CodeUnknownAttribute, Effect: EffectIgnored, Pos: a.Pos, Element: e.Name, Attribute: a.Name, Value: a.Value,
				Msg: fmt.Sprintf("<%s> has no such attribute: it is ignored", e.Name)})
		}
	}
	switch e.Name {
	case elemSiteControl:
		r.siteControl(e)
	case elemAllow:
		r.p.Rules = append(r.p.Rules, r.rule(e))
	case elemHeaders:
		r.p.Headers = append(r.p.Headers, r.headerRule(e))
	case elemCertificate:
		r.p.Identities = append(r.p.Identities, r.identity(e))
	}
	return true
}

// isNamespaceAttr reports whether an attribute is XML's own affair, such as
// xsi:noNamespaceSchemaLocation, which many files carry.
func isNamespaceAttr(name string) bool {
	return name == "xmlns" || strings.HasPrefix(name, "xmlns:") || strings.HasPrefix(name, "xsi:") || strings.HasPrefix(name, "xml:")
}

// require returns the attribute, or nil after it has reported that it is missing.
func (r *reader) require(e *Element, name string) *Attr {
	a := e.Attr(name)
	if a == nil {
		r.add(Problem{Code: CodeMissingAttribute, Effect: EffectNoGrant, Pos: e.Pos, Element: e.Name,
			Msg: fmt.Sprintf("the attribute %s is missing", name)})
	}
	return a
}

// invalid reports a value that was refused.
func (r *reader) invalid(e *Element, a *Attr, code Code, msg string) {
	r.add(Problem{Code: code, Effect: EffectNoGrant, Pos: a.ValuePos, Element: e.Name, Attribute: a.Name, Value: a.Value, Msg: msg})
}

// siteControl reads the meta-policy. About a value that does not exist Adobe
// says nothing: the strictest is taken. Of two the stricter counts.
func (r *reader) siteControl(e *Element) {
	a := r.require(e, "permitted-cross-domain-policies")
	if a == nil {
		r.p.Meta = MetaNone
		return
	}
	m, err := ParseMetaPolicy(a.Value)
	if err != nil || m == MetaNoneThisResponse {
		r.invalid(e, a, CodeMeta, "a meta-policy is all, master-only or none; for URLs also by-content-type or by-ftp-filename")
		m = MetaNone
	}
	if r.p.MetaPos.IsValid() {
		r.add(Problem{Code: CodeMetaTwice, Effect: EffectNoGrant, Pos: e.Pos, Element: e.Name, Msg: "a second site-control: the stricter of both counts"})
	}
	r.p.Meta = r.p.Meta.Stricter(m)
	r.p.MetaPos = a.ValuePos
}

func (r *reader) rule(e *Element) Rule {
	rule := Rule{Pos: e.Pos}
	rule.Domain, rule.DomainPos, rule.Dead = r.domain(e)
	a := e.Attr("to-ports")
	if a == nil {
		rule.NoPorts = true
	} else {
		rule.PortsText, rule.PortsPos = a.Value, a.ValuePos
		ports, err := ParsePorts(a.Value)
		if err != nil {
			rule.Dead = true
			v := err.(*ValueError)
			r.invalid(e, a, v.Code, v.Msg)
		}
		rule.Ports = ports
	}
	var ok bool
	if rule.Secure, ok = r.secure(e); !ok {
		rule.Dead = true
	}
	return rule
}

func (r *reader) domain(e *Element) (d Domain, pos Pos, dead bool) {
	a := r.require(e, "domain")
	if a == nil {
		return Domain{}, e.Pos, true
	}
	d, err := ParseDomain(a.Value)
	if err != nil {
		v := err.(*ValueError)
		r.invalid(e, a, v.Code, v.Msg)
	}
	return d, a.ValuePos, err != nil
}

func (r *reader) secure(e *Element) (Secure, bool) {
	a := e.Attr("secure")
	switch {
	case a == nil:
		return SecureUnset, true
	case a.Value == "true":
		return SecureTrue, true
	case a.Value == "false":
		return SecureFalse, true
	}
	r.invalid(e, a, CodeSecure, "secure is true or false")
	return SecureUnset, false
}

func (r *reader) headerRule(e *Element) HeaderRule {
	h := HeaderRule{Pos: e.Pos}
	h.Domain, _, h.Dead = r.domain(e)
	if a := r.require(e, "headers"); a == nil {
		h.Dead = true
	} else if headers, ok := parseHeaders(a.Value); ok {
		h.Headers = headers
	} else {
		r.invalid(e, a, CodeHeaders, `headers is a comma list of header names, of which each may end with "*"`)
		h.Dead = true
	}
	var ok bool
	if h.Secure, ok = r.secure(e); !ok {
		h.Dead = true
	}
	return h
}

// parseHeaders reads a headers attribute: names with a comma and, as Adobe's
// own examples have it, perhaps a space between them.
func parseHeaders(s string) ([]string, bool) {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		name := strings.TrimSuffix(item, "*")
		if item == "" || strings.ContainsFunc(name, func(c rune) bool {
			return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}*`, c)
		}) {
			return nil, false
		}
		out = append(out, item)
	}
	return out, true
}

func (r *reader) identity(e *Element) Identity {
	id := Identity{Pos: e.Pos}
	if a := r.require(e, "fingerprint"); a != nil {
		id.Fingerprint = a.Value
	}
	if a := r.require(e, "fingerprint-algorithm"); a != nil {
		id.Algorithm = a.Value
	}
	return id
}

// SocketMeta returns the meta-policy as it counts for sockets: the default is
// all (Adobe's guide). About one that sockets do not have Adobe says nothing;
// the strictest is taken, none.
func (p *Policy) SocketMeta() MetaPolicy {
	switch p.Meta {
	case MetaUnset:
		return MetaAll
	case MetaMasterOnly, MetaAll:
		return p.Meta
	}
	return MetaNone
}

// URLMeta returns the meta-policy as it counts for URLs: the default is
// master-only since Flash Player 10 (Adobe's guide).
func (p *Policy) URLMeta() MetaPolicy {
	if p.Meta == MetaUnset {
		return MetaMasterOnly
	}
	return p.Meta
}

// CheckSocket returns the mistakes that a file has as a socket policy only:
// rules without to-ports, and a meta-policy that sockets do not have.
func (p *Policy) CheckSocket() Problems {
	var out Problems
	if p.Meta == MetaByContentType || p.Meta == MetaByFTPFilename {
		out = append(out, &Problem{Code: CodeMetaKind, Effect: EffectNoGrant, Pos: p.MetaPos, Element: elemSiteControl, Value: p.Meta.String(),
			Attribute: "permitted-cross-domain-policies", Msg: "for sockets the meta-policy is all, master-only or none"})
	}
	for i := range p.Rules {
		if r := &p.Rules[i]; r.NoPorts {
			out = append(out, &Problem{Code: CodeMissingAttribute, Effect: EffectNoGrant, Pos: r.Pos, Element: elemAllow,
				Msg: "the attribute to-ports is missing: a socket rule without it grants nothing"})
		}
	}
	slices.SortStableFunc(out, func(a, b *Problem) int { return int(a.Pos.Offset) - int(b.Pos.Offset) })
	return out
}
