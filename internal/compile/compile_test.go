package compile

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/need"
)

const file = `
[serve]
listen = ["LISTEN"]
[[owner]]
name = "games"
addresses = ["192.0.2.10"]
hosts = ["games.example.com"]
ports = "9000-9010"
domains = ["*.example.com"]
[[service]]
name = "chat"
owner = "games"
ports = "9000"
address = "192.0.2.10"
allow = ["games.example.com"]
backend = ["127.0.0.1:19000"]
[[service]]
name = "lobby"
owner = "games"
ports = "9002-9004"
allow = ["games.example.com"]
`

func parse(t *testing.T, listen string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.toml", []byte(strings.ReplaceAll(file, "LISTEN", listen)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFirewalls(t *testing.T) {
	served, silent := Doors(parse(t, "[::]:843")), Doors(parse(t, "127.0.0.1:10843"))
	for name, want := range map[string]struct{ accept, reject, service, many string }{
		"nftables":  {"tcp dport 843 accept", "tcp dport 843 reject with tcp reset", "ip daddr 192.0.2.10 tcp dport 9000 accept", "tcp dport 9002-9004 accept"},
		"iptables":  {"ip6tables -I INPUT -p tcp --dport 843 ", "--dport 843 -m comment --comment \"nobody serves policies there: refused at once\" -j REJECT --reject-with tcp-reset", "iptables -I INPUT -p tcp -d 192.0.2.10 --dport 9000 ", "--dport 9002:9004 "},
		"firewalld": {`family="ipv6" port port="843" protocol="tcp" accept`, `port="843" protocol="tcp" reject type="tcp-reset"`, `family="ipv4" destination address="192.0.2.10" port port="9000"`, `port="9002-9004"`},
		"ufw":       {"ufw allow proto tcp to any port 843 ", "ufw reject proto tcp to any port 843 ", "ufw allow proto tcp to 192.0.2.10 port 9000 ", "port 9002:9004 "},
		"pf":        {"pass in quick proto tcp to any port 843 ", "block return-rst in quick proto tcp to any port 843 ", "pass in quick proto tcp to 192.0.2.10 port 9000 ", "port 9002:9004 "},
		"netsh":     {"action=allow protocol=TCP localport=843", "localport=843", "localport=9000 localip=192.0.2.10", "localport=9002-9004"},
	} {
		open, err := Firewall(name, served)
		if err != nil {
			t.Fatal(err)
		}
		shut, err := Firewall(name, silent)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{want.accept, want.service, want.many} {
			if !strings.Contains(open, part) {
				t.Errorf("%s does not say %q:\n%s", name, part, open)
			}
		}
		if !strings.Contains(shut, want.reject) {
			t.Errorf("%s does not say %q:\n%s", name, want.reject, shut)
		}
		for _, text := range []string{open, shut} {
			for _, word := range []string{"DROP", " drop ", "deny"} {
				if strings.Contains(strings.ReplaceAll(text, "undo a drop in", ""), word) {
					t.Errorf("%s drops:\n%s", name, text)
				}
			}
		}
	}
	if len(Firewalls()) != 6 {
		t.Errorf("%d firewalls", len(Firewalls()))
	}
	if _, err := Firewall("other", served); err == nil {
		t.Error("an unknown firewall has rules")
	}
}

// TestNftablesTakesThem hands the rules to nft to be checked, not put in force.
func TestNftablesTakesThem(t *testing.T) {
	need.Root(t)
	nft, unshare := need.Tool(t, "nft"), need.Tool(t, "unshare")
	for _, listen := range []string{"[::]:843", "127.0.0.1:10843"} {
		text, err := Firewall("nftables", Doors(parse(t, listen)))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(unshare, "-n", nft, "-c", "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "Operation not supported") || strings.Contains(string(out), "Protocol not supported") {
			need.Kernel(t, "nftables")
		}
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, text)
		}
	}
}

func TestSocketProxies(t *testing.T) {
	got := SocketProxies(parse(t, "[::]:843"), "wss")
	want := SocketProxy{"games.example.com", 9000, "wss://games.example.com:9000"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want only %+v: the lobby has no backend", got, want)
	}
	page, err := Embed(append(got, SocketProxy{Host: "</script><script>alert(1)"}))
	if err != nil || !strings.Contains(page, `"proxyUrl": "wss://games.example.com:9000"`) || strings.Contains(page, "</script><script>alert") {
		t.Errorf("%v\n%s", err, page)
	}
}
