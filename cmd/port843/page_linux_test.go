package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
)

const pageConfig = `[serve]
public_port = 843

[[owner]]
name = "physics"
ports = "9000-9099"
domains = ["*.physics.example.edu"]
policies = ["physics/*.xml"]

[[owner]]
name = "games"
ports = "7000-7099"
domains = ["*"]
policies = ["games/*.xml"]

[[owner]]
name = "library"
ports = "8000-8010"
domains = ["*.library.example.edu"]
addresses = ["127.0.0.1"]

[[service]]
name = "chat"
owner = "physics"
ports = "9000"
allow = ["*.physics.example.edu"]

[[service]]
name = "simulation"
owner = "physics"
ports = "9010,9011"
allow = ["lab.physics.example.edu"]
secure = true

[[service]]
name = "lobby"
owner = "games"
ports = "7000"
allow = ["*"]

[[service]]
name = "match"
owner = "games"
ports = "7001,7002"
allow = ["*.arcade.example.com"]

[[service]]
name = "catalogue"
owner = "library"
ports = "8000"
allow = ["*.library.example.edu"]
`

func rules(lines ...string) string {
	return "<cross-domain-policy>\n" + strings.Join(lines, "\n") + "\n</cross-domain-policy>\n"
}

// TestPageInABrowser shows the page of a running service in Chromium: each
// part, with traffic, as it changes; on a phone and on a wall, in light and in
// dark; and holds it against axe's rules for accessibility.
func TestPageInABrowser(t *testing.T) {
	axe, err := os.ReadFile(need.File(t, "../../.tools/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	dir := publicDir(t)
	for _, name := range []string{"physics", "games"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config, scores, tables := filepath.Join(dir, "port843.toml"), filepath.Join(dir, "games", "scores.xml"), filepath.Join(dir, "physics", "tables.xml")
	replace(t, scores, rules(`<allow-access-from domain="scores.example.com" to-ports="7010"/>`))
	replace(t, tables, rules(`<allow-access-from domain="tables.physics.example.edu" to-ports="9020"/>`))
	replace(t, config, pageConfig)
	backend := need.Serve(t, "127.0.0.1:0", func(c net.Conn) { io.CopyN(c, c, 5) })
	s := startService(t, "--config", config, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-reload",
		"--front", fmt.Sprintf("127.0.0.1:0=127.0.0.1:%d", backend))
	if got, err := askOnce(s.logged(t, "front: serving")["address"].(string), "hello"); err != nil || got != "hello" {
		t.Fatalf("through the front: %q, %v", got, err)
	}
	base := "http://" + s.admin(t) + "/"
	v := &shown{browser: b, axe: string(axe), base: base}

	for range 40 {
		ask(t, s.address(t, 0))
		askOnce(s.address(t, 0), "GET / HTTP/1.1\r\n\r\n")
	}
	v.look("well-light", 1400, 900, "light", "")
	b.is("traffic is counted", `document.getElementById("now").textContent.includes("40 since the start: got the policy")`)
	b.is("the front door is there", `document.querySelector("#front .tag.well")?.textContent === "up" && document.querySelector("#front").textContent.includes("5 B")`)
	b.is("all is well", `document.querySelector("#health .well")`)
	b.is("the matrix names owner and line", `[...document.querySelectorAll("td.reach.yes")].some(e => e.textContent.includes("physics · port843.toml:"))`)
	b.is("the linter's findings are there", `document.querySelector(".findings")`)

	// What changes reaches the open page without a reload of it.
	replace(t, scores, rules(`<allow-access-from domain="scores.example.com" to-ports="7010,7011"/>`, `<allow-access-from domain="*.club.example.org" to-ports="7012"/>`))
	b.is("a change is shown", `[...document.querySelectorAll("#changed .plus")].some(e => e.textContent.includes("*.club.example.org may reach 7012"))`)
	replace(t, tables, rules(`<allow-access-from domain="tables.physics.example.edu" to-ports="9020,22"/>`))
	b.is("a refusal comes first", `document.querySelector("#health .ill")?.textContent.includes("tables.xml:2")`)
	b.is("and is named by its owner", `document.querySelector("#who .ill")?.textContent.includes("port-not-owners")`)

	q := url.Values{"from": {"http://lab.physics.example.edu/a.swf"}, "to": {"127.0.0.1:9010"}}
	v.look("ill-dark", 1400, 900, "dark", "?"+q.Encode())
	b.is("Flash over http is denied, with advice", `[...document.querySelectorAll(".verdicts > .denied")].some(e => e.textContent.includes("Flash Player 10") && e.textContent.includes("load the SWF over https"))`)
	q.Set("from", "https://lab.physics.example.edu/a.swf")
	b.open(base+"?"+q.Encode(), 1400, 900, "dark")
	b.is("Flash over https is permitted", `[...document.querySelectorAll(".verdicts > .permitted")].some(e => e.textContent.includes("Flash Player 10"))`)
	v.look("phone", 390, 844, "light", "?"+q.Encode())
	v.look("wall", 2560, 1440, "dark", "")

	b.open(base, 1400, 900, "light")
	b.tabThrough()

	reloads := len(s.find("reloaded"))
	b.eval(`document.querySelector("footer form button").click()`, nil)
	s.loggedTimes(t, "reloaded", reloads+1)

	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(base+"?"+q.Encode(), 1400, 900, "light")
	b.is("without JavaScript every part is there", `["#health .ill", "#listeners tbody tr", "#now svg", "article.front .tag.well", "article.front svg", "td.reach.yes", ".findings li", ".verdicts > .denied", "#changed .plus"].every(s => document.querySelector(s))`)
	if errs := b.errors(); len(errs) > 0 {
		t.Errorf("the page complains: %s", strings.Join(errs, "\n"))
	}
}

// tabThrough goes through the page by keyboard: the first stop leads past the
// navigation, and each can be seen.
func (b *browser) tabThrough() {
	b.t.Helper()
	b.press("Tab", 9)
	b.is("Tab leads to the skip link", `document.activeElement.className === "skip"`)
	stops := map[string]bool{}
	for range 30 {
		b.press("Tab", 9)
		var stop struct {
			Name string
			Seen bool // or it is the page as a whole, between its end and its beginning
		}
		b.eval(`(e => ({name: e.id || e.name || e.textContent.trim().slice(0, 30), seen: e === document.body || getComputedStyle(e).outlineStyle !== "none" && e.getBoundingClientRect().width > 0}))(document.activeElement)`, &stop)
		if !stop.Seen {
			b.t.Errorf("the focus on %q is not to be seen", stop.Name)
		}
		stops[stop.Name] = true
	}
	for _, want := range []string{"Now", "What changed", "listeners", "table-1-scroll", "from", "to", "Try", "Read every source again"} {
		if !stops[want] {
			b.t.Errorf("Tab does not lead to %q, but to %v", want, stops)
		}
	}
}

// press presses a key and lets it go.
func (b *browser) press(key string, code int) {
	b.t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// checkAccess holds the page against axe's rules.
func (b *browser) checkAccess(name, axe string) {
	b.t.Helper()
	b.eval(axe+"; true", nil)
	var found struct {
		Passes     int
		Violations []struct {
			ID, Help string
			Nodes    []struct{ HTML, FailureSummary string }
		}
	}
	var text string
	b.eval(`axe.run(document).then(r => JSON.stringify({passes: r.passes.length, violations: r.violations}))`, &text)
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	if found.Passes < 10 {
		b.t.Errorf("%s: only %d of axe's rules were passed: it has looked at nothing", name, found.Passes)
	}
	for _, v := range found.Violations {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s: %s\n%s\n%s", name, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// TestLoginInABrowser asks for the token first, on a page that everybody can
// use, and leads to where the link was to.
func TestLoginInABrowser(t *testing.T) {
	axe, err := os.ReadFile(need.File(t, "../../.tools/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	token := filepath.Join(publicDir(t), "token")
	replace(t, token, "abcdefghijklmnopqrstuvwxyz\n")
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-token-file", token)
	link := "http://" + s.admin(t) + "/?from=http%3A%2F%2Fa.test%2Fa.swf&to=b.test%3A9000"
	submit := func(word string) {
		b.eval(fmt.Sprintf(`document.querySelector("input[type=password]").value = %q`, word), nil)
		b.eval(`document.querySelector("form button").click()`, nil)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.open(link, 390, 844, scheme)
		b.is("the token is asked for", `document.querySelector("input[type=password]") && !document.querySelector("#now")`)
		b.checkAccess("login-"+scheme, string(axe))
	}
	submit("abcdefghijklmnopqrstuvwxyx")
	b.is("a wrong one is refused", `document.querySelector("[role=alert]")?.textContent.includes("not the token")`)
	b.checkAccess("login-refused", string(axe))
	submit("abcdefghijklmnopqrstuvwxyz")
	b.is("the right one leads to the link", `document.querySelectorAll(".verdicts > li").length > 5`)
	b.is("live, with the cookie", `document.getElementById("state").textContent === "live,"`)
	b.eval(`[...document.querySelectorAll("footer button")].find(e => e.textContent === "Log out").click()`, nil)
	b.is("logged out, it is asked for again", `document.querySelector("input[type=password]")`)
}

// TestPageEscapes names everything that a page shows with markup in it.
func TestPageEscapes(t *testing.T) {
	b := openBrowser(t)
	dir := publicDir(t)
	name := filepath.Join(dir, "<script>alert(1)<script>.xml")
	replace(t, name, rules(`<allow-access-from domain="a.test" to-ports="1"/>`))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", name, "--admin", "127.0.0.1:0")
	ask(t, s.address(t, 0))
	replace(t, name, rules(`<allow-access-from domain="&lt;script>alert(2)&lt;/script>" to-ports="&lt;img src=x onerror=alert(3)>"/>`))
	s.logged(t, "reload refused")
	q := url.Values{"from": {`http://"><script>alert(4)</script>`}, "to": {`"><img src=x onerror=alert(5)>:80`}, "at": {"<b>"}}
	b.open("http://"+s.admin(t)+"/?"+q.Encode(), 1400, 900, "light")
	b.is("the page is live", `document.getElementById("state").textContent === "live,"`)
	b.is("the refusal is shown", `document.querySelector("#health .ill")?.textContent.includes("alert(2)")`)
	b.is("it is all text", `document.scripts.length === 1 && document.images.length === 0`)
	if errs := b.errors(); len(errs) > 0 {
		t.Errorf("the page complains: %s", strings.Join(errs, "\n"))
	}
}
