package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/port843/port843/player"
)

// PolicyGatewayOptions are those of [NewPolicyGateway].
type PolicyGatewayOptions struct {
	// Also are ranges that may be reached although they are no public ones.
	Also []netip.Prefix
	// Fetcher looks names up and asks for policies; nil: the network.
	Fetcher player.Fetcher
	Limits  Limits
	Notify  func(Event)
}

// NewPolicyGateway returns a gateway that reaches hosts which are in no table:
// a request for /to/HOST/PORT is connected to that host and port, if the
// host's own socket policy, asked for as Flash Player asks, permits the page's
// Origin.
//
// Think before you use it. Whoever opens a page makes this machine connect to
// hosts of the page's choice, and the policy that permits it is the target's,
// which its owner may have written for a world in which every visitor came
// from an address of his own: behind this gateway all of them come from yours.
// An attacker who serves a policy on a host of his uses the gateway as a relay
// to it; who controls a name tries to make it lead inwards. So every range
// that is not public (private, loopback, link-local, shared, documentation,
// mapped and translated forms of them) is refused unless Also lists it; a name
// is looked up once, and exactly the address that permitted is dialled.
func NewPolicyGateway(o PolicyGatewayOptions) (*Gateway, error) {
	f := o.Fetcher
	if f == nil {
		f = &player.Network{}
	}
	for _, p := range o.Also {
		if !p.IsValid() {
			return nil, errors.New("frontdoor: an invalid range among those that may be reached")
		}
	}
	guard := &publicOnly{f, o.Also}
	return newGateway(o.Limits, o.Notify, guard.route), nil
}

// publicOnly is a fetcher that knows no other addresses than those that may be
// reached.
type publicOnly struct {
	player.Fetcher
	also []netip.Prefix
}

// errInside is an address that may not be reached.
var errInside = errors.New("the address is not a public one")

// Lookup leaves out what may not be reached: nothing asks or dials another
// address than these.
func (f *publicOnly) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := f.Fetcher.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		if f.reachable(a) {
			out = append(out, a.Unmap())
		}
	}
	if len(out) == 0 {
		return nil, errInside
	}
	return out, nil
}

func (f *publicOnly) reachable(a netip.Addr) bool {
	if isPublic(a) {
		return true
	}
	a = a.Unmap()
	for _, p := range f.also {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control looks once more, at the moment of connecting, at what is connected
// to.
func (f *publicOnly) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !f.reachable(a.Addr()) {
		return errInside
	}
	return nil
}

// targetPath is where a target is named: /to/HOST/PORT.
const targetPath = "/to/"

func (f *publicOnly) route(r *http.Request, header string) (DialFunc, error) {
	if header == "" {
		return nil, &refusal{"the request has no Origin: only pages in a browser are let in here"}
	}
	p, err := parsePage(header)
	if err != nil {
		return nil, &refusal{"the Origin is not one of a page"}
	}
	rest, ok := strings.CutPrefix(r.URL.Path, targetPath)
	host, port, two := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || !two || err != nil || n == 0 || host == "" {
		return nil, &refusal{"a target is named as " + targetPath + "HOST/PORT"}
	}
	return func(ctx context.Context, _, _ net.Addr) (net.Conn, error) {
		d := player.Dialer{From: p.from, Fetcher: f, Net: net.Dialer{Control: f.control}}
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(strings.Trim(host, "[]"), port))
		var denied *player.DeniedError
		switch {
		case errors.Is(err, errInside):
			return nil, &refusal{"the target is not at a public address"}
		case errors.As(err, &denied):
			return nil, &refusal{fmt.Sprintf("the target's own socket policy does not permit it: %s", denied.Verdict.Answer)}
		}
		return c, err
	}, nil
}

// notPublic are the ranges that are for other than hosts on the Internet (IANA's
// registries of special-purpose addresses), and those that carry an IPv4
// address inside, which could be any.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

// globalUnicast is all of IPv6 that is given to hosts (RFC 4291, section 2.4).
var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func isPublic(a netip.Addr) bool {
	if a.Zone() != "" || a.Is4In6() {
		return false // no name has a reason to resolve to such a form
	}
	if !a.IsValid() || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
