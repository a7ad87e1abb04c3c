package audit_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/internal/need"
)

// firewallRules give each address of 127.0.0.0/8 and of a documentation range
// a firewall of its own.
const firewallRules = `
table inet t {
  chain input {
    type filter hook input priority 0;
    ip daddr 127.0.0.2 tcp dport 843 drop
    ip daddr 127.0.0.3 tcp dport 843 reject with tcp reset
    ip daddr 127.0.0.4 tcp dport 843 reject with icmp type port-unreachable
    ip daddr 127.0.0.5 tcp dport 843 reject with icmp type admin-prohibited
    ip daddr 127.0.0.6 tcp dport 843 reject with icmp type host-unreachable
    ip daddr 127.0.0.7 tcp dport 843 reject with icmp type net-prohibited
    ip6 daddr ::1 tcp dport 843 reject with icmpv6 type admin-prohibited
    ip6 daddr ::1 tcp dport 844 reject with icmpv6 type port-unreachable
    ip6 daddr ::1 tcp dport 845 drop
  }
}
`

type firewallCase struct {
	addr  string
	class audit.Class
	icmp  [2]int // {-1, -1}: none
}

var firewallCases = []firewallCase{
	{"127.0.0.1:843", audit.Refused, [2]int{-1, -1}},
	{"127.0.0.2:843", audit.Dropped, [2]int{-1, -1}},
	{"127.0.0.3:843", audit.Refused, [2]int{-1, -1}},
	{"127.0.0.4:843", audit.Rejected, [2]int{3, 3}},
	{"127.0.0.5:843", audit.Rejected, [2]int{3, 13}},
	{"127.0.0.6:843", audit.Rejected, [2]int{3, 1}},
	{"127.0.0.7:843", audit.Rejected, [2]int{3, 9}},
	{"127.0.0.8:843", audit.ClassPolicy, [2]int{-1, -1}},
	{"[::1]:843", audit.Rejected, [2]int{1, 1}},
	{"[::1]:844", audit.Rejected, [2]int{1, 4}},
	{"[::1]:845", audit.Dropped, [2]int{-1, -1}},
	{"192.0.2.77:843", audit.Unreachable, [2]int{3, 1}},     // nobody answers for the address on its own network
	{"198.51.100.1:843", audit.Unreachable, [2]int{-1, -1}}, // no route
}

// TestFirewallStates sets up a firewall as root, and gives up all its rights
// before it asks.
func TestFirewallStates(t *testing.T) {
	need.Tool(t, "nft")
	need.Tool(t, "ip")
	if !need.Namespace(t, "") {
		return
	}
	for _, args := range [][]string{
		{need.Tool(t, "ip"), "link", "add", "a843", "type", "veth", "peer", "name", "b843"},
		{need.Tool(t, "ip"), "addr", "add", "192.0.2.1/24", "dev", "a843"},
		{need.Tool(t, "ip"), "link", "set", "a843", "up"},
		{need.Tool(t, "ip"), "link", "set", "b843", "up"},
		{need.Tool(t, "nft"), firewallRules},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			need.Kernel(t, fmt.Sprintf("veth, or nftables with reject: %v: %v: %s", args, err, out))
		}
	}
	good := audittest.All()[0]
	s, err := good.Start("127.0.0.8:843")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var prober audit.Prober
	var wg sync.WaitGroup
	for _, c := range firewallCases {
		wg.Go(func() {
			o := prober.Probe(t.Context(), audit.Target{Addr: netip.MustParseAddrPort(c.addr)})
			got := [2]int{-1, -1}
			if o.ICMP != nil {
				got = [2]int{o.ICMP.Type, o.ICMP.Code}
			}
			if o.Class != c.class || got != c.icmp {
				text, _ := json.Marshal(o)
				t.Errorf("%s: %s with ICMP %v, want %s with %v\n%s", c.addr, o.Class, got, c.class, c.icmp, text)
			}
		})
	}
	wg.Wait()
}
