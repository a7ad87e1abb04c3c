package lint

import "strings"

var ruleIPWildcard = &Rule{
	Code: "ip-wildcard", Name: "a wildcard within an address", Group: Grants, Severity: Error,
	Finds:   `A wildcard inside an IP address, such as "192.0.2.*": it matches nothing.`,
	Gain:    `nothing; but the next to edit the file, finding that it does not work, is tempted to write "*"`,
	Clients: clientsAll,
	Fix:     "grant the names that your pages are served from; a network cannot be granted",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="192.0.2.*" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
}

// wildcardInAddress reports whether a domain with a misplaced wildcard is an
// address rather than a name.
func wildcardInAddress(domain string) bool {
	if _, rest, found := strings.Cut(domain, "://"); found {
		domain = rest
	}
	return strings.Trim(domain, "0123456789.*") == "" && strings.ContainsAny(domain, "0123456789")
}
