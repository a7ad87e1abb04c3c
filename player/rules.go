package player

import (
	"fmt"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// miss returns why a socket rule does not grant in this client.
func (p *Profile) miss(s *Source, r *policy.Rule, from policy.Requestor, port uint16) policy.Miss {
	rule := p.reading(r)
	if p.AnyDomainOnly && rule.Domain != policy.AnyDomain() && !rule.Dead {
		return policy.MissHost
	}
	servedFrom := s.Location.Port
	if !p.PrivilegedRule {
		servedFrom = policy.MasterPort
	}
	if top, ok := p.topLevel(s.Policy.Doc, r); ok && strings.HasSuffix(from.Host, top) {
		rule.Domain, rule.Dead = policy.AnyDomain(), false
	}
	return rule.SocketMiss(from, port, servedFrom)
}

// reading returns the rule as this client reads its ports.
func (p *Profile) reading(r *policy.Rule) policy.Rule {
	rule := *r
	if p.Ranges == RangesWhole || rule.NoPorts || rule.Dead || rule.Ports.IsAll() {
		return rule
	}
	rule.Ports = p.Ranges.read(rule.PortsText)
	return rule
}

// read reads a to-ports that has no mistake.
func (how Ranges) read(text string) policy.PortSet {
	var ports policy.PortSet
	for item := range strings.SplitSeq(text, ",") {
		set, err := policy.ParsePorts(item)
		if err != nil || set.IsEmpty() {
			continue
		}
		if strings.Contains(item, "-") {
			x := set.Ranges()[0]
			if how == RangesFirst {
				x.Hi = x.Lo
			} else if x.Hi == x.Lo {
				continue
			} else {
				x.Hi--
			}
			set = policy.PortRanges(x)
		}
		ports = ports.Union(set)
	}
	return ports
}

// topLevel returns ".com" for a rule whose only mistake is the domain "*.com",
// where the client takes that for a wildcard.
func (p *Profile) topLevel(doc *policy.Document, r *policy.Rule) (string, bool) {
	if !p.TopLevelWildcards || !r.Dead || r.NoPorts || doc == nil {
		return "", false
	}
	e := elementAt(doc, r.Pos)
	if e == nil || e.Attr("domain") == nil {
		return "", false
	}
	domain := strings.ToLower(e.Attr("domain").Value)
	_, err := policy.ParseDomain(domain)
	v, ok := err.(*policy.ValueError)
	if !ok || v.Code != policy.CodeDomainTopLevel || strings.Contains(domain, "://") {
		return "", false
	}
	if secure := e.Attr("secure"); r.Ports.IsEmpty() || secure != nil && secure.Value != "true" && secure.Value != "false" {
		return "", false
	}
	return strings.TrimPrefix(domain, "*"), true
}

func elementAt(doc *policy.Document, pos policy.Pos) *policy.Element {
	if doc == nil {
		return nil
	}
	for i := range doc.Elements {
		if doc.Elements[i].Pos == pos {
			return &doc.Elements[i]
		}
	}
	return nil
}

// ruleText shows a rule with its place, as it is written.
func ruleText(s *Source, r *policy.Rule) string {
	var b strings.Builder
	if r.Pos.IsValid() {
		b.WriteString(r.Pos.String() + " ")
	}
	b.WriteString("<allow-access-from")
	if e := elementAt(s.Policy.Doc, r.Pos); e != nil {
		for i, a := range e.Attrs {
			if i == 6 {
				b.WriteString(" ...")
				break
			}
			fmt.Fprintf(&b, ` %s="%s"`, escape.Text(a.Name, 40), escape.Text(a.Value, 80))
		}
	} else {
		fmt.Fprintf(&b, ` domain="%s" to-ports="%s"`, r.Domain, r.Ports)
	}
	b.WriteString(">")
	return b.String()
}

// missText says why the nearest rule does not grant.
func (w *walk) missText(s *Source, m policy.Miss) string {
	port := w.q.Target.Port()
	switch m {
	case policy.MissDead:
		return "it has a mistake in it, so it grants nothing"
	case policy.MissNoPorts:
		return "it has no to-ports, without which it grants no socket"
	case policy.MissHost:
		if w.q.From.Host == "" {
			return fmt.Sprintf("only \"*\" matches a SWF from %s", shown(w.q.From))
		}
		if w.p.AnyDomainOnly {
			return fmt.Sprintf("%s takes rules for \"*\" only", w.p.Title)
		}
		return fmt.Sprintf("its domain does not match %s", escape.Text(w.q.From.Host, 120))
	case policy.MissScheme:
		return fmt.Sprintf("its domain is for another scheme than %s", escape.Text(w.q.From.Scheme, 20))
	case policy.MissSecure:
		return fmt.Sprintf("it is for SWFs over https, and this one came over %s", escape.Text(w.q.From.Scheme, 20))
	case policy.MissPort:
		return w.portText(port)
	case policy.MissPrivileged:
		return fmt.Sprintf("port %d is below 1024, and the policy came from port %d, which is not", port, s.Location.Port)
	}
	return "it permits"
}

func (w *walk) portText(port uint16) string {
	text := fmt.Sprintf("port %d is not in its ports", port)
	switch w.p.Ranges {
	case RangesFirst:
		return text + fmt.Sprintf(", as %s reads them: of a range the first port alone", w.p.Title)
	case RangesWithoutEnd:
		return text + fmt.Sprintf(", as %s reads them: of a range without its last port", w.p.Title)
	}
	return text
}
