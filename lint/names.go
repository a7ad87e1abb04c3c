package lint

import (
	"slices"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/nearest"
	"github.com/port843/port843/policy"
)

// flashAttributes is Flash's format: each element with its attributes.
var flashAttributes = map[string][]string{
	"cross-domain-policy":             nil,
	"site-control":                    {"permitted-cross-domain-policies"},
	"allow-access-from":               {"domain", "to-ports", "secure"},
	"allow-http-request-headers-from": {"domain", "headers", "secure"},
	"allow-access-from-identity":      nil,
	"signatory":                       nil,
	"certificate":                     {"fingerprint", "fingerprint-algorithm"},
}

func (s *subject) elementNames() []string {
	var names []string
	if s.kind == KindSilverlight {
		for name := range silverlightGrammar {
			names = append(names, name)
		}
	} else {
		for name := range flashAttributes {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *subject) attributeNames(element string) []string {
	if s.kind == KindSilverlight {
		return silverlightGrammar[element].attrs
	}
	return flashAttributes[element]
}

// meant are names that people write for others, beyond mere typing errors.
var meant = map[string]string{
	"ports": "to-ports", "port": "to-ports", "toports": "to-ports", "to_ports": "to-ports", "to-port": "to-ports",
	"host": "domain", "domains": "domain", "url": "uri", "from": "domain",
	"headers-from": "allow-http-request-headers-from", "allow-from": "allow-access-from",
	"meta-policy": "site-control",
}

// suggestion returns "; did you mean ...?" for a name that is not among names
// but close to one of them, else "".
func suggestion(name string, names []string) string {
	name = strings.ToLower(name)
	best := nearest.Word(name, names)
	if m := meant[name]; m != "" && slices.Contains(names, m) {
		best = m
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// portsText is a port set for a message: "port 80", "ports 80,81", cut where
// it is long.
func portsText(set policy.PortSet) string {
	if set.IsAll() {
		return "every port"
	}
	word := "ports "
	if set.Len() == 1 {
		word = "port "
	}
	return word + escape.Text(set.String(), 60)
}
