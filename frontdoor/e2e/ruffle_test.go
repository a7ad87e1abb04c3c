// Package e2e puts the front door before real players: Ruffle in Chromium with
// SWFs of our own, and Flash Player's own dance beside it. The SWFs are built
// from the Haxe sources beside them by scripts/build-swf.
package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// ruffleDir is where make tools puts the pinned Ruffle.
const ruffleDir = "../../.tools/ruffle"

// proxy is one entry of Ruffle's socketProxy.
type proxy struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	ProxyURL string `json:"proxyUrl"`
}

// games are the services that the SWFs connect to, each behind a door.
type games struct {
	proxies []proxy
	doors   map[string]*frontdoor.Door
	addrs   map[string]string
}

// gamePort is the port that the SWFs think they connect to.
const gamePort = 9000

// startGames opens a door for each service. Pages of games.example.com are
// permitted.
func startGames(t *testing.T, scheme string, o frontdoor.Options) *games {
	t.Helper()
	g := &games{doors: map[string]*frontdoor.Door{}, addrs: map[string]string{}}
	gone := listen(t)
	gone.Close()
	for host, backend := range map[string]string{
		"echo.test":  serve(t, func(c net.Conn) { io.Copy(c, c) }),
		"greet.test": serve(t, func(c net.Conn) { io.WriteString(c, "welcome\x00"); io.Copy(c, c) }),
		"bye.test":   serve(t, func(c net.Conn) { c.Read(make([]byte, 1)); io.WriteString(c, "bye\x00") }),
		"down.test":  gone.Addr().String(),
	} {
		o := o
		o.ServerFirst = host == "greet.test"
		g.open(t, scheme, host, backend, o)
	}
	return g
}

// open opens a door for one more service.
func (g *games) open(t *testing.T, scheme, host, backend string, o frontdoor.Options) {
	t.Helper()
	p, err := policy.Parse([]byte(`<cross-domain-policy><allow-access-from domain="games.example.com" to-ports="9000"/></cross-domain-policy>`))
	if err != nil {
		t.Fatal(err)
	}
	o.Policy, o.Port, o.Backends = p, gamePort, []string{backend}
	o.Limits.Greeting = patience / 4 // a busy machine must not decide this test
	door, err := frontdoor.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	go door.Serve(ln)
	t.Cleanup(func() { door.Close() })
	g.doors[host], g.addrs[host] = door, ln.Addr().String()
	g.proxies = append(g.proxies, proxy{host, gamePort, scheme + "://" + ln.Addr().String()})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(int(need.Serve(t, "127.0.0.1:0", handle)))
}

// site serves the page with a movie, the movies and Ruffle.
func site(t *testing.T, movie string, g *games) http.Handler {
	t.Helper()
	need.File(t, filepath.Join(ruffleDir, "ruffle.js"))
	page, err := template.ParseFiles("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := json.Marshal(g.proxies)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ruffle/", http.StripPrefix("/ruffle/", http.FileServer(http.Dir(ruffleDir))))
	mux.Handle("GET /", http.FileServer(http.Dir("testdata")))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, map[string]any{"Movie": movie, "Origin": r.Host, "Proxies": template.JS(proxies)})
	})
	return mux
}

// game is a movie that runs in a page.
type game struct {
	*browser
	t    *testing.T
	seen int // of what it told
}

// play opens the page and waits until the movie runs.
func (b *browser) play(t *testing.T, url string) *game {
	t.Helper()
	b.open(t, url)
	g := &game{browser: b, t: t}
	g.wait("ready")
	return g
}

// wait returns the data of the movie's next event of that name; others before
// it must not be.
func (g *game) wait(name string) string {
	g.t.Helper()
	for {
		var told [][2]string
		eventually(g.t, "the movie says "+name+"; the browser says "+g.told(), func() bool {
			g.eval(g.t, "typeof told === 'undefined' ? [] : told", &told)
			return len(told) > g.seen
		})
		e := told[g.seen]
		g.seen++
		if e[0] == name {
			return e[1]
		}
		if e[0] != "bytes" && e[0] != "data" {
			g.t.Fatalf("the movie says %q, want %s\n%s", e, name, g.told())
		}
	}
}

func (g *game) do(name string, args ...any) {
	g.t.Helper()
	data, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		g.t.Fatal(err)
	}
	g.eval(g.t, "call("+strconv.Quote(name)+", ..."+string(data)+")", nil)
}

func (g *game) connect(host string) {
	g.t.Helper()
	g.do("connectTo", host, gamePort)
	g.wait("connect") // Ruffle says so before the WebSocket is accepted
}

// hears waits until the movie has had so many bytes in all, and compares the
// running sum of the last event where one event held them.
func (g *game) hears(n int) {
	g.t.Helper()
	for got := 0; got < n; {
		length, _, _ := strings.Cut(g.wait("bytes"), " ")
		k, err := strconv.Atoi(length)
		if err != nil {
			g.t.Fatal(err)
		}
		got += k
	}
}

func TestSocketInRuffle(t *testing.T) {
	b := startBrowser(t)
	games := startGames(t, "ws", frontdoor.Options{})
	g := b.play(t, pageAt(t, "games.example.com", site(t, "SocketClient", games)))

	g.connect("echo.test")
	g.do("send", "hello")
	if got := g.wait("data"); got != "hello" {
		t.Errorf("echo: %q", got)
	}
	// While the page plays, Flash and a raw client come to the same port.
	flashDance(t, games.addrs["echo.test"], strconv.Itoa(gamePort))
	if name := os.Getenv("PORT843_SCREENSHOT"); name != "" {
		if err := os.WriteFile(name, b.screenshot(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g.do("sendMany", 100_000)
	g.hears(100_000)
	// The client closes, and the game reads an end.
	g.do("hangUp")
	eventually(t, "the session has ended", func() bool { s := games.doors["echo.test"].Stats(); return s.Open == 0 && s.Up >= 100_005 })

	g.connect("greet.test")
	if got := g.wait("data"); got != "welcome\x00" {
		t.Errorf("the greeting: %q", got)
	}
	g.do("send", "thanks")
	if got := g.wait("data"); got != "thanks" {
		t.Errorf("after the greeting: %q", got)
	}

	// The server closes: what it said comes first.
	g.connect("bye.test")
	g.do("send", "x")
	if got := g.wait("data"); got != "bye\x00" {
		t.Errorf("the last words: %q", got)
	}
	g.wait("close")

	// The backend is down: Ruffle says connect, then close, and the browser why.
	g.connect("down.test")
	g.wait("close")
	eventually(t, "the browser says 502", func() bool { return strings.Contains(b.told(), "502") })
}

// TestIRCServerFromTheSWF: the SWF logs in to a server that others wrote, and
// its welcome appears on the page.
func TestIRCServerFromTheSWF(t *testing.T) {
	b := startBrowser(t)
	games := &games{doors: map[string]*frontdoor.Door{}, addrs: map[string]string{}}
	games.open(t, "ws", "irc.test", need.IRCServer(t), frontdoor.Options{})
	g := b.play(t, pageAt(t, "games.example.com", site(t, "SocketClient", games)))
	g.connect("irc.test")
	g.do("send", "NICK ruffle\r\nUSER swf 0 * :a game\r\n")
	var said strings.Builder
	for !strings.Contains(said.String(), " 376 ruffle ") { // the end of the message of the day
		said.WriteString(g.wait("data"))
	}
	if !strings.HasPrefix(said.String(), ":irc.example.com 001 ruffle :Welcome") {
		t.Errorf("the server said %q", said.String())
	}
	var log string
	b.eval(t, `document.getElementById("log").textContent`, &log)
	if !strings.Contains(log, ":irc.example.com 001 ruffle :Welcome") {
		t.Errorf("the page shows %q", log)
	}
	g.do("send", "PING :are you there\r\n")
	if got := g.wait("data"); !strings.Contains(got, "PONG") || !strings.Contains(got, "are you there") {
		t.Errorf("an answer to PING: %q", got)
	}
	g.do("send", "QUIT\r\n")
	g.wait("close")
	if s := games.doors["irc.test"].Stats(); s.WebSockets != 1 || s.Raw != 0 {
		t.Errorf("%+v", s)
	}
}

func TestXMLSocketInRuffle(t *testing.T) {
	b := startBrowser(t)
	games := startGames(t, "ws", frontdoor.Options{})
	g := b.play(t, pageAt(t, "games.example.com", site(t, "XMLSocketClient", games)))
	g.connect("echo.test")
	for _, s := range []string{"<hello/>", "<policy-file-request/>", strings.Repeat("x", 100_000)} {
		g.do("send", s)
		if got := g.wait("data"); got != s {
			t.Errorf("%.40q… came back as %.40q…", s, got)
		}
	}
	g.do("hangUp")
	g.connect("greet.test")
	if got := g.wait("data"); got != "welcome" {
		t.Errorf("the greeting: %q", got)
	}
	g.connect("bye.test")
	g.do("send", "x")
	if got := g.wait("data"); got != "bye" {
		t.Errorf("the last words: %q", got)
	}
	g.wait("close")

	// A page of another host: 403, and nothing reaches the game.
	before := games.doors["echo.test"].Stats()
	g = b.play(t, pageAt(t, "evil.test", site(t, "XMLSocketClient", games)))
	g.connect("echo.test")
	g.wait("close")
	eventually(t, "the browser says 403", func() bool { return strings.Contains(b.told(), "403") })
	if s := games.doors["echo.test"].Stats(); s.Origins != 1 || s.WebSockets != before.WebSockets || s.Raw != before.Raw {
		t.Errorf("before %+v, after %+v", before, s)
	}
}

// TestSecurePageInRuffle: a page over HTTPS may only open wss.
func TestSecurePageInRuffle(t *testing.T) {
	b := startBrowser(t)
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	cert := s.TLS.Certificates
	s.Close()
	games := startGames(t, "wss", frontdoor.Options{TLS: &tls.Config{Certificates: cert, NextProtos: []string{"http/1.1"}}})
	s = httptest.NewTLSServer(site(t, "SocketClient", games))
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	g := b.play(t, "https://games.example.com:"+port)
	g.connect("echo.test")
	g.do("send", "through TLS")
	if got := g.wait("data"); got != "through TLS" {
		t.Errorf("%q", got)
	}
	if st := games.doors["echo.test"].Stats(); st.TLS == 0 || st.WebSockets != 1 {
		t.Errorf("%+v", st)
	}
	flashDance(t, games.addrs["echo.test"], strconv.Itoa(gamePort))
}

// pageAt serves the site under a name that leads here, and returns its URL.
func pageAt(t *testing.T, host string, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "http://" + host + ":" + port
}

// flashDance does as Flash Player does with a silent port 843: it asks the
// destination itself, closes, and comes again with the traffic.
func flashDance(t *testing.T, addr, port string) {
	t.Helper()
	open := func(said string) net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, said)
		return c
	}
	c := open(policy.Request)
	got, err := io.ReadAll(c)
	c.Close()
	if err != nil || !bytes.HasSuffix(got, []byte{0}) || !strings.Contains(string(got), `domain="games.example.com" to-ports="`+port+`"`) {
		t.Fatalf("the policy: %q, %v", got, err)
	}
	for _, said := range []string{"<", "raw traffic\x00"} {
		c = open(said)
		got = make([]byte, len(said))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != said {
			t.Fatalf("raw: %q, %v", got, err)
		}
		c.Close()
	}
}
