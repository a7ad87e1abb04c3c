//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/internal/need"
)

// echoServer is a game on loopback that repeats what it hears.
func echoServer(t *testing.T) string {
	t.Helper()
	port := need.Serve(t, "127.0.0.1:0", func(c net.Conn) { io.Copy(c, c) })
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// repeats says something to the address and wants to hear it again.
func repeats(t *testing.T, addr, said string) net.Conn {
	t.Helper()
	c := connect(t, addr)
	sayAndHear(t, c, said, said)
	return c
}

func sayAndHear(t *testing.T, c net.Conn, said, want string) {
	t.Helper()
	io.WriteString(c, said)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("said %q, heard %q, %v; want %q", said, got, err, want)
	}
}

func openWebSocket(t *testing.T, addr, origin string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	ws, res, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
	if err == nil {
		t.Cleanup(func() { ws.CloseNow() })
	}
	return ws, res, err
}

// TestServeFront is one command and one port for Flash's own dance, a raw
// client and a page.
func TestServeFront(t *testing.T) {
	s := startCommand(t, exec.Command(binary(t), "serve", "--log", "json", "--front", "127.0.0.1:0="+echoServer(t), "--allow", "games.example.com:9000", "--origin", "https://play.example.com", "--public-port", "9000", "--admin", "127.0.0.1:0", "--admin-probe=false"))
	addr := s.logged(t, "front: serving")["address"].(string)
	if got := ask(t, addr); !strings.Contains(got, `<allow-access-from domain="games.example.com" to-ports="9000"`) || strings.Contains(got, "site-control") {
		t.Errorf("in band: %q", got)
	}
	repeats(t, addr, "raw")
	repeats(t, addr, "<")
	for origin, want := range map[string]int{"https://games.example.com": 101, "https://play.example.com": 101, "https://evil.test": 403} {
		_, res, _ := openWebSocket(t, addr, origin)
		if res == nil || res.StatusCode != want {
			t.Errorf("%s: %v, want %d", origin, res, want)
		}
	}
	s.logged(t, "front: origin_refused")
	if landlock, _ := s.logged(t, "privileges dropped")["landlock"].(string); !strings.HasPrefix(landlock, "not in force") && !strings.Contains(landlock, "connects to ports [") {
		t.Errorf("landlock: %s", landlock)
	}
	admin := "http://" + s.admin(t)
	if code, body := get(t, admin+"/status"); code != 200 || !strings.Contains(body, `"origins_refused": 1`) || !strings.Contains(body, `"websockets": 2`) {
		t.Errorf("/status: %d %s", code, body)
	}
	if code, body := get(t, admin+"/metrics"); code != 200 || !strings.Contains(body, `kind="websocket"} 2`) || !strings.Contains(body, "port843_front_backend_up{") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if len(s.find("serving")) != 0 {
		t.Error("a policy port is served beside the front, and nobody asked for one")
	}
}

// TestServeFrontBesideAPolicyPort reloads the policy of both, and hands both
// over to a successor while a session goes on.
func TestServeFrontBesideAPolicyPort(t *testing.T) {
	dir := publicDir(t)
	path := filepath.Join(dir, "policy.xml")
	replace(t, path, policyOf("one.test"))
	port := freePort(t)
	front := "127.0.0.1:" + port
	s := startService(t, "--listen", "127.0.0.1:0", "--front", front+"="+echoServer(t), "--policy", path, "--public-port", "9000")
	addr := s.address(t, 0)
	s.logged(t, "front: serving")
	for _, a := range []string{addr, front} {
		if got := ask(t, a); !strings.Contains(got, "one.test") {
			t.Errorf("%s serves %q", a, got)
		}
	}
	replace(t, path, policyOf("two.test"))
	s.cmd.Process.Signal(syscall.SIGHUP)
	for _, a := range []string{addr, front} {
		eventually(t, "the reload reaches "+a, func() bool { return strings.Contains(ask(t, a), "two.test") })
	}
	session := repeats(t, front, "before")
	s.cmd.Process.Signal(syscall.SIGUSR2)
	s.logged(t, "leaving: a successor serves")
	sayAndHear(t, session, "the old session goes on", "the old session goes on")
	repeats(t, front, "the successor serves")
	session.Close()
	<-s.done
	repeats(t, front, "still")
	pid := int(s.find("leaving: a successor serves")[0]["pid"].(float64))
	if p, err := os.FindProcess(pid); err == nil {
		p.Signal(syscall.SIGTERM)
	}
}

func TestServeConfigWithBackend(t *testing.T) {
	dir := publicDir(t)
	port := freePort(t)
	path := filepath.Join(dir, "port843.toml")
	replace(t, path, `
[serve]
listen = ["127.0.0.1:`+freePort(t)+`"]
[[owner]]
name = "games"
ports = "`+port+`"
domains = ["*.example.com"]
[[service]]
name = "chat"
owner = "games"
address = "127.0.0.1"
ports = "`+port+`"
allow = ["games.example.com"]
backend = ["`+echoServer(t)+`"]
[[site]]
host = "www.example.com"
owner = "games"
allow = ["games.example.com"]
`)
	s := startService(t, "--config", path)
	s.logged(t, "front: serving")
	repeats(t, "127.0.0.1:"+port, "raw")
	if got := ask(t, "127.0.0.1:"+port); !strings.Contains(got, "games.example.com") {
		t.Errorf("in band: %q", got)
	}
	r, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/crossdomain.xml", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "www.example.com"
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), `domain="games.example.com"`) || strings.Contains(string(body), "to-ports") {
		t.Errorf("/crossdomain.xml: %d %s", res.StatusCode, body)
	}
	if _, _, err := openWebSocket(t, "127.0.0.1:"+port, "https://games.example.com"); err != nil {
		t.Error(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
