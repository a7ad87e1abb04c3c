package frontdoor_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/player"
)

// names is a network in which the names lead where a test says, each look-up
// one step further; the policies and targets are real ones on loopback.
type names struct {
	player.Network
	of      map[string][][]string
	lookups atomic.Int32
	asked   atomic.Int32
}

func (n *names) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	k := int(n.lookups.Add(1)) - 1
	steps := n.of[host]
	if len(steps) == 0 {
		return n.Network.Lookup(ctx, host)
	}
	var out []netip.Addr
	for _, s := range steps[min(k, len(steps)-1)] {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

func (n *names) Fetch(ctx context.Context, q player.Query) *player.Observation {
	n.asked.Add(1)
	return n.Network.Fetch(ctx, q)
}

func gateway(t testing.TB, o frontdoor.PolicyGatewayOptions) string {
	t.Helper()
	g, err := frontdoor.NewPolicyGateway(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() { g.Close(); s.Close() })
	return strings.TrimPrefix(s.URL, "http://")
}

// TestPolicyGatewayRefusesInside holds that no target of this list is even
// asked for its policy, let alone connected to.
func TestPolicyGatewayRefusesInside(t *testing.T) {
	n := &names{of: map[string][][]string{
		"loopback.test": {{"127.0.0.1"}}, "private.test": {{"10.1.2.3"}}, "mixed-inside.test": {{"192.168.0.1", "fd00::1"}},
		"mapped.test": {{"::ffff:127.0.0.1"}}, "mapped-public.test": {{"::ffff:8.8.8.8"}}, "zoned.test": {{"fe80::1%lo"}},
		"metadata.test": {{"169.254.169.254"}}, "translated.test": {{"64:ff9b::7f00:1"}}, "six-to-four.test": {{"2002:7f00:1::"}},
	}}
	addr := gateway(t, frontdoor.PolicyGatewayOptions{Fetcher: n})
	targets := []string{
		"127.0.0.1/9000", "127.1.2.3/9000", "0.0.0.0/9000", "0.1.2.3/9000", "10.0.0.1/9000", "172.16.0.1/9000", "172.31.255.255/9000",
		"192.168.1.1/9000", "169.254.169.254/80", "100.64.0.1/9000", "192.0.0.8/9000", "198.18.0.1/9000", "203.0.113.1/9000",
		"224.0.0.1/9000", "240.0.0.1/9000", "255.255.255.255/9000",
		"[::1]/9000", "[::]/9000", "[fe80::1]/9000", "[fd00::1]/9000", "[fec0::1]/9000", "[ff02::1]/9000", "[::ffff:127.0.0.1]/9000",
		"[::ffff:10.0.0.1]/9000", "[::127.0.0.1]/9000", "[64:ff9b::a00:1]/9000", "[64:ff9b:1::1]/9000", "[2002:7f00:1::]/9000", "[2001:0:7f00:1::]/9000",
		"[2001:db8::1]/9000", "localhost/9000", "loopback.test/9000", "private.test/9000", "mixed-inside.test/9000", "mapped.test/9000",
		"mapped-public.test/9000", "zoned.test/9000", "metadata.test/80", "translated.test/9000", "six-to-four.test/9000",
		"8.8.8.8/0", "8.8.8.8/70000", "8.8.8.8/-1", "8.8.8.8", "8.8.8.8/9000/x", "/9000", "",
	}
	for _, target := range targets {
		code, body := knock(t, addr, "/to/"+target)
		if code != http.StatusForbidden && code != http.StatusBadGateway {
			t.Errorf("%s: %d %q", target, code, body)
		}
	}
	if n.asked.Load() != 0 {
		t.Errorf("%d policies were asked for", n.asked.Load())
	}
	if len(targets) < 20 {
		t.Error("the list is too short")
	}
	if code, _ := knock(t, addr, "/elsewhere"); code != http.StatusForbidden {
		t.Errorf("a path that names no target: %d", code)
	}
}

// knock asks for a WebSocket and returns how that was answered.
func knock(t testing.TB, addr, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = "//" + addr + path
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": page} {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res.StatusCode, ""
	}
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// inBandTarget is a game on loopback that answers policy requests in band.
func inBandTarget(t testing.TB, rules string) (host string, port int) {
	t.Helper()
	ln := listen(t)
	_, p, _ := net.SplitHostPort(ln.Addr().String())
	port, _ = strconv.Atoi(p)
	d, err := frontdoor.New(frontdoor.Options{
		Policy: parse(t, strings.ReplaceAll(rules, "PORT", p)), Port: uint16(port), Backends: []string{backend(t, echo)},
	})
	if err != nil {
		t.Fatal(err)
	}
	go d.Serve(ln)
	t.Cleanup(func() { d.Close() })
	return "127.0.0.1", port
}

func TestPolicyGatewayAsksTheTarget(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	addr := gateway(t, frontdoor.PolicyGatewayOptions{Also: loopback})
	host, port := inBandTarget(t, `<allow-access-from domain="games.example.com" to-ports="PORT"/>`)
	ws, _, err := dialWS(t, addr+"/to/"+host+"/"+strconv.Itoa(port), page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "hello")
	if got := readBinary(t, ws, 5); got != "hello" {
		t.Errorf("%q", got)
	}
	for name, rules := range map[string]string{
		"another page":         `<allow-access-from domain="other.example" to-ports="PORT"/>`,
		"another port":         `<allow-access-from domain="games.example.com" to-ports="1"/>`,
		"a policy for nothing": ``,
	} {
		host, port := inBandTarget(t, rules)
		if code, body := knock(t, addr, "/to/"+host+"/"+strconv.Itoa(port)); code != http.StatusForbidden {
			t.Errorf("%s: %d %q", name, code, body)
		}
	}
	// No policy at all: an echo server repeats the request, which is none.
	plain := backend(t, echo)
	_, p, _ := net.SplitHostPort(plain)
	if code, body := knock(t, addr, "/to/127.0.0.1/"+p); code == http.StatusSwitchingProtocols {
		t.Errorf("a target without a policy: %d %q", code, body)
	}
}

// TestPolicyGatewayRebinding: the name leads to a permitted address when it is
// asked, and inwards whenever it is looked up again.
func TestPolicyGatewayRebinding(t *testing.T) {
	host, port := inBandTarget(t, `<allow-access-from domain="games.example.com" to-ports="PORT"/>`)
	var visits atomic.Int32
	inside, err := net.Listen("tcp", "127.0.0.2:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			c.Close()
		}
	}()
	n := &names{of: map[string][][]string{"rebind.test": {{host, "127.0.0.2"}, {"127.0.0.2"}}}}
	addr := gateway(t, frontdoor.PolicyGatewayOptions{Fetcher: n, Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	ws, _, err := dialWS(t, addr+"/to/rebind.test/"+strconv.Itoa(port), page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "hello")
	readBinary(t, ws, 5)
	if n.lookups.Load() != 1 || visits.Load() != 0 {
		t.Errorf("%d look-ups, %d connections inwards; want 1 and none", n.lookups.Load(), visits.Load())
	}
}
