package compile

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
)

// TestRulesInForce puts the rules of the firewalls that Linux has into a network
// of their own, with somebody behind every port: what is served is reached, and
// port 843, where it is not, is refused at once and not dropped.
func TestRulesInForce(t *testing.T) {
	if !need.Namespace(t, "") {
		return
	}
	listen := func(address string) {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
	}
	listen("127.0.0.1:843")
	listen("127.0.0.1:9002")
	nft := need.Tool(t, "nft")
	need.Tool(t, "iptables")
	for firewall, how := range map[string]struct {
		first string
		args  []string
	}{"nftables": {"flush ruleset\n", []string{nft, "-f", "-"}}, "iptables": {"iptables -F\nip6tables -F\n", []string{"sh", "-e"}}} {
		put := func(listens string) {
			t.Helper()
			text, err := Firewall(firewall, Doors(parse(t, listens)))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(how.args[0], how.args[1:]...)
			cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
			cmd.Stdin = strings.NewReader(how.first + text)
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "not supported") || strings.Contains(string(out), "Could not fetch rule set") {
				need.Kernel(t, firewall)
			}
			if err != nil {
				t.Fatalf("%s: %v: %s\n%s", firewall, err, out, text)
			}
		}
		dial := func(address string) error {
			c, err := net.DialTimeout("tcp", address, time.Minute)
			if err == nil {
				c.Close()
			}
			return err
		}
		put("[::]:843")
		for _, address := range []string{"127.0.0.1:843", "127.0.0.1:9002"} {
			if err := dial(address); err != nil {
				t.Errorf("%s, served: %v", firewall, err)
			}
		}
		put("127.0.0.1:10843")
		if err := dial("127.0.0.1:843"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: a port 843 that is not served: %v, want a reset", firewall, err)
		}
		if err := dial("127.0.0.1:9002"); err != nil {
			t.Errorf("%s: %v", firewall, err)
		}
		put("[::]:843") // the next firewall begins with what is open
	}
}
