package lint

import (
	"net/netip"
	"strings"

	"github.com/port843/port843/policy"
)

var rulePrivateHost = &Rule{
	Code: "private-host", Name: "a host that means another machine elsewhere", Group: Grants, Severity: Warning,
	Finds:   `A loopback, private or link-local address, localhost, a single label, or a name under .local, .internal, .lan, .home.arpa, .localhost or .localdomain.`,
	Gain:    "the name is compared as text: on every network there may be another machine of that name or address, and a page from it is let in",
	Clients: clientsAll,
	Fix:     "serve your pages from a name of your own, and grant that; leave test hosts out of what is published",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="localhost" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:30"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
	check: func(s *subject) {
		for i := range s.grants {
			if g := &s.grants[i]; isPrivate(g.domain) && !g.dead {
				s.report(s.value(g.attr), g.domain.Host()+" is a different machine on every network")
			}
		}
	},
}

var privateSuffixes = []string{"local", "internal", "lan", "home.arpa", "localhost", "localdomain"}

func isPrivate(d policy.Domain) bool {
	host := d.Host()
	switch d.Kind() {
	case policy.DomainIP:
		addr, err := netip.ParseAddr(host)
		return err == nil && isPrivateAddr(addr)
	case policy.DomainExact:
		if !strings.Contains(host, ".") {
			return true
		}
	case policy.DomainSuffix:
	default:
		return false
	}
	for _, suffix := range privateSuffixes {
		if rest, found := strings.CutSuffix(host, suffix); found && strings.HasSuffix(rest, ".") {
			return true
		}
	}
	return false
}

func isPrivateAddr(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}
