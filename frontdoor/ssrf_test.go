package frontdoor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/player"
)

// zone is a name server on loopback. A name leads to an address, or by way of
// other names ("a.test > b.test > 10.0.0.1"), as a recursive server tells it.
type zone map[string][]string

// resolver asks the zone and nobody else.
func (z zone) resolver(t testing.TB) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		for b := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := z.answer(b[:n]); answer != nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func (z zone) answer(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	steps, known := z[strings.TrimSuffix(q.Name.String(), ".")]
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	name := q.Name
	for _, s := range steps {
		head := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			name = dnsmessage.MustNewName(s + ".")
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: name}})
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// onlookers looks names up for real and writes down who is asked for a policy;
// nobody is.
type onlookers struct {
	player.Network
	mu    sync.Mutex
	asked []netip.AddrPort
}

func (o *onlookers) Fetch(_ context.Context, q player.Query) *player.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, netip.AddrPortFrom(q.Addr, q.Location.Port))
	return &player.Observation{Outcome: player.OutcomeRefused}
}

func (o *onlookers) Reach(context.Context, player.Query) *player.Observation {
	return &player.Observation{Outcome: player.OutcomeRefused}
}

// TestPolicyGatewayFollowsNoNameInwards: names that lead inwards by way of
// others, beside public addresses, or in a form that hides it.
func TestPolicyGatewayFollowsNoNameInwards(t *testing.T) {
	z := zone{
		"alias.test":           {"inner.test", "10.0.0.5"},
		"alias-of-alias.test":  {"one.test", "two.test", "three.test", "127.0.0.1"},
		"alias-to-local.test":  {"localhost", "127.0.0.1", "::1"},
		"alias-metadata.test":  {"metadata.google.internal", "169.254.169.254"},
		"alias-unique.test":    {"six.test", "fd12:3456::1"},
		"alias-mapped.test":    {"six.test", "::ffff:192.168.0.1"},
		"alias-translate.test": {"six.test", "64:ff9b::c0a8:1"},
		"alias-nowhere.test":   {"here.test", "0.0.0.0", "::"},
		"alias-carrier.test":   {"here.test", "100.64.0.1"},
		"alias-multicast.test": {"here.test", "224.0.0.1", "ff02::1"},
		"alias-link.test":      {"here.test", "fe80::1"},
		"many-inside.test":     {"10.0.0.1", "172.16.0.1", "192.168.0.1", "127.0.0.1", "::1", "fc00::1"},
	}
	public := zone{
		"mixed.test":       {"8.8.8.8", "10.0.0.1", "127.0.0.1", "::1"},
		"alias-mixed.test": {"cdn.test", "169.254.169.254", "8.8.4.4", "fd00::1"},
	}
	all := zone{}
	for _, part := range []zone{z, public} {
		for name, to := range part {
			all[name] = to
		}
	}
	o := &onlookers{Network: player.Network{Resolver: all.resolver(t)}}
	addr := gateway(t, frontdoor.PolicyGatewayOptions{Fetcher: o})
	for name := range z {
		if code, body := knock(t, addr, "/to/"+name+"/9000"); code != http.StatusForbidden || !strings.Contains(body, "not at a public address") {
			t.Errorf("%s: %d %q", name, code, body)
		}
	}
	// Addresses as some systems read them, which are names here.
	for _, name := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "127.0.0.1%2e", "localhost.", "LOCALHOST", "%31%32%37.0.0.1", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:10.0.0.1]", "[::1%25lo]"} {
		if code, body := knock(t, addr, "/to/"+name+"/9000"); code != http.StatusForbidden && code != http.StatusBadGateway {
			t.Errorf("%s: %d %q", name, code, body)
		}
	}
	if len(o.asked) != 0 {
		t.Fatalf("asked for their policy: %v", o.asked)
	}
	// Of a name that leads both ways only the public addresses are asked.
	for name := range public {
		if code, body := knock(t, addr, "/to/"+name+"/9000"); code == http.StatusSwitchingProtocols {
			t.Errorf("%s: %d %q", name, code, body)
		}
	}
	if len(o.asked) == 0 {
		t.Fatal("the public addresses were not asked: the test tests nothing")
	}
	for _, a := range o.asked {
		if s := a.Addr().String(); s != "8.8.8.8" && s != "8.8.4.4" {
			t.Errorf("%v was asked for its policy", a)
		}
	}
}

// TestPolicyGatewayKeepsLowPortsLow: a policy that is served from port 1024 or
// above cannot open a port below, and is not even asked for; the same policy
// opens a port above.
func TestPolicyGatewayKeepsLowPortsLow(t *testing.T) {
	const everything = `<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>`
	game := backend(t, echo)
	_, port, _ := net.SplitHostPort(game)
	high, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	n := &above{policy: everything}
	g, err := frontdoor.NewPolicyGateway(frontdoor.PolicyGatewayOptions{Fetcher: n, Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() { g.Close(); s.Close() })
	addr := strings.TrimPrefix(s.URL, "http://")
	for _, low := range []uint16{1, 21, 22, 25, 80, 110, 443, 445, 843, 943, 1023} {
		n.asked = nil
		if code, body := knock(t, addr, "/to/127.0.0.1/"+strconv.Itoa(int(low))); code != http.StatusForbidden {
			t.Errorf("port %d: %d %q", low, code, body)
		}
		if len(n.asked) == 0 || slices.ContainsFunc(n.asked, func(p uint16) bool { return p != 843 && p != low }) {
			t.Errorf("for port %d the ports %v were asked", low, n.asked)
		}
	}
	ws, _, err := dialWS(t, addr+"/to/127.0.0.1/"+strconv.Itoa(int(high)), page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "hello")
	if got := readBinary(t, ws, 5); got != "hello" {
		t.Errorf("%q", got)
	}
}

// above is a network in which every port from 1024 up has the policy, and no
// other answers.
type above struct {
	policy string
	mu     sync.Mutex
	asked  []uint16
}

func (a *above) Lookup(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func (a *above) Fetch(_ context.Context, q player.Query) *player.Observation {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, q.Location.Port)
	if q.Location.Port < 1024 {
		return &player.Observation{Outcome: player.OutcomeRefused}
	}
	return &player.Observation{Outcome: player.OutcomePolicy, Data: []byte(a.policy), NUL: true, Closed: true, Reads: []int{len(a.policy) + 1}}
}

func (a *above) Reach(context.Context, player.Query) *player.Observation {
	return &player.Observation{Outcome: player.OutcomeRefused}
}
