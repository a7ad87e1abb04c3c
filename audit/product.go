package audit

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// product is a device or program that is known by the policy it is shipped with.
type product struct {
	name string
	// like reports whether the document is that default. p is what it means,
	// text what it looks like without the white space around it.
	like func(p *policy.Policy, text string) bool
}

// products are known by exact defaults only: a policy that somebody wrote by
// hand must not be taken for a printer. The devices are those of nmap 7.93's
// service fingerprints; the programs' defaults are in their sources.
var products = []product{
	{"Konica Minolta printer", func(p *policy.Policy, text string) bool {
		return p.Meta == policy.MetaMasterOnly && onlyRule(p, "*", "59160") && strings.HasPrefix(text, "<?xml version=\"1.0\"?>\r\n<cross-domain-policy>\r\n    <site-control")
	}},
	{"Snom 870 VoIP phone", func(p *policy.Policy, text string) bool {
		return strings.Contains(text, "<!-- This will allow access to port 1800 -->") && strings.Contains(text, `SYSTEM "/xml/dtds/cross-domain-policy.dtd"`)
	}},
	{"Brass Monkey game controller", func(p *policy.Policy, text string) bool {
		return p.Meta == policy.MetaUnset && onlyRule(p, "*", "1008-49151") && strings.HasPrefix(text, `<?xml version="1.0"?><cross-domain-policy>`)
	}},
	{"Facebook", func(p *policy.Policy, text string) bool {
		return p.Meta == policy.MetaMasterOnly && onlyRule(p, "www.facebook.com", "443") && strings.Contains(text, "<!DOCTYPE")
	}},
	{"Unity's sample policy server (sockpol)", func(p *policy.Policy, text string) bool {
		return len(p.Rules) == 1 && p.Meta == policy.MetaUnset && unityShape.MatchString(text)
	}},
	{"policyfile (npm)", func(p *policy.Policy, text string) bool {
		return p.Meta == policy.MetaUnset && strings.HasPrefix(text, `<?xml version="1.0"?><!DOCTYPE cross-domain-policy SYSTEM "http://www.macromedia.com/xml/dtds/cross-domain-policy.dtd"><cross-domain-policy><allow-access-from domain="`) &&
			!strings.Contains(text, "secure=") && !strings.ContainsAny(text, "\r\n")
	}},
	{"Ratchet (PHP)", func(p *policy.Policy, text string) bool {
		return strings.HasPrefix(text, "<?xml version=\"1.0\"?>\n<!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\">\n<cross-domain-policy><site-control permitted-cross-domain-policies=\"") &&
			strings.Contains(text, `" secure="`)
	}},
	{"efps (Erlang)", func(_ *policy.Policy, text string) bool {
		return text == `<cross-domain-policy><allow-access-from domain="*" to-ports="*" /></cross-domain-policy>`
	}},
}

var unityShape = regexp.MustCompile(`^<\?xml version='1\.0'\?>\n<cross-domain-policy>\n {8}<allow-access-from domain="[^"]*" to-ports="[^"]*" />\n</cross-domain-policy>$`)

func onlyRule(p *policy.Policy, domain, ports string) bool {
	return len(p.Rules) == 1 && p.Rules[0].Domain.String() == domain && p.Rules[0].PortsText == ports
}

// productOf names the device or program that sent the document, or returns "".
func productOf(f found, faults []Fault) string {
	if f.silverlight || slices.Contains(faults, CutShort) || slices.Contains(faults, FaultEndless) {
		return ""
	}
	p, _ := policy.Parse(f.doc)
	text := string(bytes.TrimSpace(f.doc))
	for _, each := range products {
		if each.like(p, text) {
			return each.name
		}
	}
	return ""
}

// productOfBanner takes what a server calls itself out of its greeting.
func productOfBanner(class Class, data []byte) string {
	line, _, _ := bytes.Cut(data[:min(len(data), 1024)], []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	switch class {
	case ClassSSH:
		if at := sshBanner.FindIndex(data); at != nil {
			line, _, _ = bytes.Cut(data[at[1]:min(len(data), at[1]+256)], []byte("\n"))
			return escape.Text(bytes.TrimRight(line, "\r"), 80)
		}
	case ClassMySQL:
		if len(data) > 5 && data[4] <= 10 {
			version, _, _ := bytes.Cut(data[5:min(len(data), 128)], []byte{0})
			return escape.Text(version, 80)
		}
	case ClassHTTP:
		if r, _, _ := response(data); r != nil {
			return escape.Text(r.Header.Get("Server"), 80)
		}
	case ClassSMTP, ClassFTP, ClassVNC:
		return escape.Text(line, 80)
	}
	return ""
}
