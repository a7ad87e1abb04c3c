package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// checkHosts are the names on the screens, each a situation of its own.
const checkHosts = `127.0.0.1 localhost
127.0.0.2 game.example.net
127.0.0.3 dropped.example.net
127.0.0.4 nonul.example.net
127.0.0.5 web843.example.net
127.0.0.6 nothing.example.net
127.0.0.7 high.example.net
127.0.0.8 two.example.net
127.0.0.9 two.example.net
127.0.0.10 range.example.net
127.0.0.11 data.example.net
`

const (
	screenPolicy = `<?xml version="1.0"?>
<cross-domain-policy>
<site-control permitted-cross-domain-policies="master-only"/>
<allow-access-from domain="www.example.com" to-ports="9000"/>
</cross-domain-policy>
`
	screenRange = `<?xml version="1.0"?>
<cross-domain-policy>
<site-control permitted-cross-domain-policies="master-only"/>
<allow-access-from domain="*" to-ports="8990-9010"/>
</cross-domain-policy>
`
	screenNone = `<?xml version="1.0"?>
<cross-domain-policy>
<site-control permitted-cross-domain-policies="none"/>
</cross-domain-policy>
`
	screenAny = `<?xml version="1.0"?>
<cross-domain-policy>
<allow-access-from domain="*" to-ports="*"/>
</cross-domain-policy>
`
	screenURL = `<?xml version="1.0"?>
<cross-domain-policy>
<allow-access-from domain="*.example.com"/>
</cross-domain-policy>
`
)

// screen is one run of the binary in docs/check.md.
type screen struct {
	name, args string
	exit       int
	want       []string // must be on it, whatever the times are
}

const fromWWW = "check --from http://www.example.com/game.swf "

var checkScreens = []screen{
	{"permitted", fromWWW + "game.example.net:9000", 0, []string{"permitted: 4:1"}},
	{"host", "check --from http://example.com/game.swf game.example.net:9000", 1, []string{"its domain does not match example.com", "Error #2048"}},
	{"nul", fromWWW + "nonul.example.net:9000", 1, []string{"closed without a NUL", "advice: send one NUL"}},
	{"dropped", fromWWW + "dropped.example.net:9000", 0, []string{"dropped: nothing answers the connect (3.000 s)", "is spared 3.0 s", "nft insert rule", "iptables -I INPUT"}},
	{"web", fromWWW + "web843.example.net:9000", 1, []string{"a web server, not a policy server"}},
	{"nothing", fromWWW + "nothing.example.net:9000", 1, []string{"advice: serve a policy with"}},
	{"high", fromWWW + "--load xmlsocket://high.example.net:8080 high.example.net:80", 1, []string{"the policy came from port 8080, which is not"}},
	{"differ", fromWWW + "two.example.net:9000", 2, []string{"permitted at 127.0.0.8, denied at 127.0.0.9"}},
	{"all-range", fromWWW + "--client all range.example.net:9000", 1, []string{"of a range the first port alone", "unity            permitted"}},
	{"all-nul", fromWWW + "--client all nonul.example.net:9000", 1, []string{"lightspark       permitted"}},
	{"all-dropped", fromWWW + "--client all dropped.example.net:9000", 1, []string{"flash            permitted", "unity            denied"}},
	{"url", fromWWW + "http://data.example.net/list.xml", 0, []string{"permitted: 3:1"}},
	{"offline", "check --from http://example.com/game.swf --policy policy.xml game.example.net:9000", 1, []string{"denied: "}},
	{"who", "check --who game.example.net:9000", 0, []string{"www.example.com  any"}},
	{"nagios", fromWWW + "--nagios dropped.example.net:9000", 1, []string{"PORT843 WARNING - permitted"}},
	{"log", fromWWW + "--log nothing.example.net:9000", 1, []string{"Warning: Failed to load policy file from xmlsocket://nothing.example.net:843"}},
}

// TestCheckScreens makes every screen of docs/check.md and compares, times
// masked. With PORT843_UPDATE=1 it writes them.
func TestCheckScreens(t *testing.T) {
	doc := filepath.Join("..", "..", "docs", "check.md")
	if !need.Namespace(t, checkHosts) {
		return
	}
	checkServers(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.xml"), []byte(screenPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	shown := make([]string, len(checkScreens))
	var wg sync.WaitGroup
	for i, s := range checkScreens {
		wg.Go(func() { shown[i] = s.run(t, dir) })
	}
	wg.Wait()
	for i, s := range checkScreens {
		block := regexp.MustCompile("(?s)(<!-- screen: " + s.name + " -->\n```console\n)(.*?)(```)")
		found := block.FindSubmatch(text)
		switch {
		case found == nil:
			t.Errorf("docs/check.md has no screen %q", s.name)
		case os.Getenv("PORT843_UPDATE") == "1":
			text = block.ReplaceAllLiteral(text, []byte(string(found[1])+shown[i]+string(found[3])))
		case masked(string(found[2])) != masked(shown[i]):
			t.Errorf("the screen %q of docs/check.md is out of date (run with PORT843_UPDATE=1):\n%s", s.name, shown[i])
		}
	}
	if n := bytes.Count(text, []byte("<!-- screen: ")); n != len(checkScreens) {
		t.Errorf("docs/check.md has %d screens, and %d were made", n, len(checkScreens))
	}
	if os.Getenv("PORT843_UPDATE") == "1" {
		if err := os.WriteFile(doc, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d screens", len(checkScreens))
}

// run returns the command and what it prints.
func (s screen) run(t *testing.T, dir string) string {
	out, code := port843(t, dir, strings.Fields(s.args)...)
	if code != s.exit {
		t.Errorf("%s: exit %d, want %d\n%s", s.args, code, s.exit, out)
	}
	for _, want := range s.want {
		if !strings.Contains(out, want) {
			t.Errorf("%s: no %q on the screen\n%s", s.args, want, out)
		}
	}
	return fmt.Sprintf("$ port843 %s\n%s", s.args, out)
}

var times = regexp.MustCompile(`[0-9]+\.[0-9]+ ?s| *\([0-9.]+ s\)`)

// masked leaves the times out: with them the steps that took none.
func masked(screen string) string {
	screen = regexp.MustCompile(` \([0-9.]+ s\)`).ReplaceAllString(screen, "")
	return times.ReplaceAllString(screen, "T")
}

// checkServers sets the situations up.
func checkServers(t *testing.T) {
	answers := map[string]string{
		"127.0.0.2:843":  screenPolicy + "\x00",
		"127.0.0.3:9000": screenAny + "\x00",
		"127.0.0.4:843":  screenPolicy,
		"127.0.0.5:843":  "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
		"127.0.0.7:8080": screenAny + "\x00",
		"127.0.0.8:843":  screenPolicy + "\x00",
		"127.0.0.9:843":  screenNone + "\x00",
		"127.0.0.10:843": screenRange + "\x00",
	}
	for _, plain := range []string{"127.0.0.2:9000", "127.0.0.4:9000", "127.0.0.8:9000", "127.0.0.10:9000"} {
		answers[plain] = ""
	}
	for addr, text := range answers {
		need.Serve(t, addr, answering(text))
	}
	l, err := net.Listen("tcp", "127.0.0.11:80")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, screenURL)
	})}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	for _, c := range []string{"add table inet test", "add chain inet test in { type filter hook input priority 0 ; }", "add rule inet test in ip daddr 127.0.0.3 tcp dport 843 drop"} {
		if out, err := exec.Command(need.Tool(t, "nft"), c).CombinedOutput(); err != nil {
			need.Kernel(t, "nft "+c+": "+string(out))
		}
	}
}

// answering answers each policy request with the text; anything else is held.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(c, make([]byte, len(policy.Request))); err == nil {
			io.WriteString(c, text)
		}
	}
}
