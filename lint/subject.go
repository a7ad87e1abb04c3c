package lint

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// subject is a file as the rules see it: who may reach what, whatever the
// format says it in, with the places where it is said.
type subject struct {
	opt      *Options
	data     []byte
	kind     Kind // never KindAuto
	doc      *policy.Document
	flash    *policy.Policy // nil for Silverlight
	problems policy.Problems
	void     bool // not one well-formed document within the bounds

	grants  []grant
	ports   []portList
	headers []headerList

	rule *Rule // the rule that is being asked
	out  []Finding
}

// grant is one pattern of requestors with what it may reach.
type grant struct {
	elem   *policy.Element
	attr   *policy.Attr   // domain, or Silverlight's uri; nil where it is missing
	domain policy.Domain  // the zero value where it has a mistake
	ports  policy.PortSet // empty for URLs
	secure policy.Secure
	group  int          // grants of one Silverlight policy have the same; 0 for Flash
	rule   *policy.Rule // what it was made from; nil for Silverlight
	dead   bool         // a mistake elsewhere in the rule: it grants nothing
}

// portList is one attribute that lists ports.
type portList struct {
	elem   *policy.Element
	attr   *policy.Attr
	set    policy.PortSet
	anyone bool // granted to every requestor
}

// headerList is one attribute that lists request headers.
type headerList struct {
	elem    *policy.Element
	attr    *policy.Attr // of the headers
	domain  *policy.Attr // nil for Silverlight, where domains are elements
	anyone  bool
	all     bool // a lone "*" among them
	headers []string
}

// read reads data as what it is, or as what opt says.
func read(data []byte, opt *Options) *subject {
	p, err := policy.Parse(data)
	s := &subject{opt: opt, data: data, doc: p.Doc, flash: p, problems: policy.ProblemsOf(err)}
	s.void = slices.ContainsFunc(s.problems, func(p *policy.Problem) bool {
		return p.Effect == policy.EffectVoid && p.Code != policy.CodeRoot
	})
	s.kind = s.kindOf()
	if s.kind == KindSilverlight {
		s.flash = nil
		s.readSilverlight()
		return s
	}
	s.readFlash()
	return s
}

func (s *subject) on() kinds { return 1 << s.kind }

// kindOf tells the kind from the root, then the name, then the content: a
// to-ports, or what looks like one misspelled, is a socket policy's.
func (s *subject) kindOf() Kind {
	if s.opt.Kind != KindAuto {
		return s.opt.Kind
	}
	if len(s.doc.Elements) > 0 && s.doc.Elements[0].Name == "access-policy" {
		return KindSilverlight
	}
	if s.opt.URL != "" || strings.EqualFold(path.Base(strings.ReplaceAll(s.opt.File, `\`, "/")), "crossdomain.xml") {
		return KindURL
	}
	if s.opt.ServedFrom != 0 {
		return KindSocket
	}
	rules := 0
	for i := range s.doc.Elements {
		e := &s.doc.Elements[i]
		if e.Name != "allow-access-from" {
			continue
		}
		rules++
		for k := range e.Attrs {
			if strings.Contains(e.Attrs[k].Name, "port") {
				return KindSocket
			}
		}
	}
	if rules > 0 || len(s.flash.Headers) > 0 || s.flash.Meta == policy.MetaByContentType || s.flash.Meta == policy.MetaByFTPFilename {
		return KindURL
	}
	return KindSocket
}

// readFlash finds the elements of the policy's rules: both are in the order
// of the file.
func (s *subject) readFlash() {
	p := s.flash
	s.grants = make([]grant, 0, len(p.Rules))
	if s.kind == KindSocket {
		s.ports = make([]portList, 0, len(p.Rules))
	}
	rules, headers := p.Rules, p.Headers
	for i := range s.doc.Elements {
		e := &s.doc.Elements[i]
		switch {
		case len(rules) > 0 && rules[0].Pos == e.Pos:
			s.addRule(e, &rules[0])
			rules = rules[1:]
		case len(headers) > 0 && headers[0].Pos == e.Pos:
			s.addHeaders(e, &headers[0])
			headers = headers[1:]
		}
	}
}

func (s *subject) addRule(e *policy.Element, r *policy.Rule) {
	g := grant{elem: e, attr: e.Attr("domain"), domain: r.Domain, secure: r.Secure, rule: r, dead: r.Dead}
	if s.kind == KindSocket {
		g.ports = r.Ports
		g.dead = g.dead || r.NoPorts
		if a := e.Attr("to-ports"); a != nil && !r.Ports.IsEmpty() {
			s.ports = append(s.ports, portList{e, a, r.Ports, r.Domain.Kind() == policy.DomainAny})
		}
	}
	s.grants = append(s.grants, g)
}

func (s *subject) addHeaders(e *policy.Element, h *policy.HeaderRule) {
	if h.Dead {
		return
	}
	s.headers = append(s.headers, headerList{
		elem: e, attr: e.Attr("headers"), domain: e.Attr("domain"),
		anyone: h.Domain.Kind() == policy.DomainAny, all: slices.Contains(h.Headers, "*"), headers: h.Headers,
	})
}

// siteControls returns the elements that carry a meta-policy.
func (s *subject) siteControls() []*policy.Element {
	var out []*policy.Element
	for i := range s.doc.Elements {
		if e := &s.doc.Elements[i]; e.Name == "site-control" && e.Parent == 0 {
			out = append(out, e)
		}
	}
	return out
}

// master reports whether the file is the host's master policy; known is false
// where nobody said where it is served from.
func (s *subject) master() (master, known bool) {
	if s.kind == KindSocket {
		return s.opt.ServedFrom == policy.MasterPort, s.opt.ServedFrom != 0
	}
	if u := s.url(); u != nil {
		return u.Path == "/crossdomain.xml", true
	}
	return false, false
}

// url returns where the file is served at, or nil.
func (s *subject) url() *url.URL {
	if s.opt.URL == "" {
		return nil
	}
	u, err := url.Parse(s.opt.URL)
	if err != nil {
		return nil
	}
	return u
}
