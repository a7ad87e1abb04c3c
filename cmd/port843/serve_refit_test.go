//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/internal/need"
)

// namedGame is a game on loopback that says its name to each byte.
func namedGame(t *testing.T, name string) string {
	t.Helper()
	port := need.Serve(t, "127.0.0.1:0", func(c net.Conn) {
		for b := make([]byte, 1); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
			io.WriteString(c, name)
		}
	})
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// tableService serves a config that a test changes while it is served.
type tableService struct {
	t    *testing.T
	path string
	head string
	s    *service
}

// startTable serves a config with these services.
func startTable(t *testing.T, services string, args ...string) *tableService {
	t.Helper()
	c := &tableService{t: t, path: filepath.Join(publicDir(t), "port843.toml")}
	c.head = "[serve]\nlisten = [\"127.0.0.1:" + freePort(t) + "\"]\n[[owner]]\nname = \"games\"\nports = \"*\"\ndomains = [\"*.example.com\"]\n"
	replace(t, c.path, c.head+services)
	c.s = startService(t, append([]string{"--config", c.path}, args...)...)
	return c
}

// becomes puts other services into the config, says so and waits until the n-th
// reload that was asked for is done.
func (c *tableService) becomes(n int, services string) {
	c.t.Helper()
	replace(c.t, c.path, c.head+services)
	c.s.cmd.Process.Signal(syscall.SIGHUP)
	eventually(c.t, "the reload is done", func() bool {
		asked := 0 // the file is watched too, and a slow machine may see it first
		for _, l := range c.s.find("reload") {
			if l["why"] == "asked to" && l["source"] == c.path {
				asked++
			}
		}
		return asked >= n
	})
}

// service is one of the config's, on a port of loopback.
func serviceOf(name, port, more string) string {
	return "[[service]]\nname = \"" + name + "\"\nowner = \"games\"\naddress = \"127.0.0.1\"\nports = \"" + port + "\"\nallow = [\"games.example.com\"]\n" + more
}

func backendAt(addresses ...string) string {
	return "backend = [\"" + strings.Join(addresses, `", "`) + "\"]\n"
}

// says opens a connection to the address and wants the game of that name.
func says(t *testing.T, addr, name string) net.Conn {
	t.Helper()
	c := connect(t, addr)
	goesOn(t, c, name)
	return c
}

func goesOn(t *testing.T, c net.Conn, name string) {
	t.Helper()
	sayAndHear(t, c, ".", name)
}

// TestServeRefits changes the services of a config in every way, while
// sessions go on and others come: none is lost.
func TestServeRefits(t *testing.T) {
	one, two := namedGame(t, "one"), namedGame(t, "two")
	stay, leave, come := freePort(t), freePort(t), freePort(t)
	c := startTable(t, serviceOf("stay", stay, backendAt(one))+serviceOf("leave", leave, backendAt(one)))
	c.s.loggedTimes(t, "front: serving", 2)
	raw, left := says(t, "127.0.0.1:"+stay, "one"), says(t, "127.0.0.1:"+leave, "one")

	var over atomic.Bool
	var visitors sync.WaitGroup
	visits := atomic.Int64{}
	for range 3 {
		visitors.Go(func() {
			for !over.Load() {
				c, err := net.Dial("tcp", "127.0.0.1:"+stay)
				if err != nil {
					t.Errorf("a visitor: %v", err)
					return
				}
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, ".")
				got := make([]byte, 3)
				if _, err := io.ReadFull(c, got); err != nil || string(got) != "one" && string(got) != "two" {
					t.Errorf("a visitor hears %q, %v", got, err)
				}
				c.Close()
				visits.Add(1)
			}
		})
	}
	htdocs := filepath.Join(filepath.Dir(c.path), "htdocs")
	if err := os.Mkdir(htdocs, 0o755); err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(htdocs, "index.html"), "the page")
	if _, res, _ := openWebSocket(t, "127.0.0.1:"+stay, "https://friend.test"); res == nil || res.StatusCode != 403 {
		t.Errorf("before: %v", res)
	}
	c.becomes(1, serviceOf("stay", stay, backendAt(two, one)+"origins = [\"https://friend.test\"]\nfiles = \"htdocs\"\n")+serviceOf("come", come, backendAt(two))+
		"[[site]]\nhost = \"www.example.com\"\nowner = \"games\"\nallow = [\"games.example.com\"]\n")
	goesOn(t, raw, "one")
	goesOn(t, left, "one")
	says(t, "127.0.0.1:"+stay, "two")
	says(t, "127.0.0.1:"+come, "two")
	if c, err := net.Dial("tcp", "127.0.0.1:"+leave); err == nil {
		c.Close()
		t.Error("the service that left takes connections")
	}
	if _, _, err := openWebSocket(t, "127.0.0.1:"+stay, "https://friend.test"); err != nil {
		t.Error(err)
	}
	if code, body := get(t, "http://127.0.0.1:"+stay+"/"); code != 200 || body != "the page" {
		t.Errorf("the page: %d %q", code, body)
	}
	if code, body := getAs(t, "http://127.0.0.1:"+come+"/crossdomain.xml", "www.example.com"); code != 200 || !strings.Contains(body, "games.example.com") {
		t.Errorf("the site: %d %q", code, body)
	}
	if got := ask(t, "127.0.0.1:"+come); !strings.Contains(got, come) {
		t.Errorf("in band: %q", got)
	}
	over.Store(true)
	visitors.Wait()
	if visits.Load() == 0 {
		t.Error("nobody came meanwhile")
	}
	// What left can come back, on the same port.
	c.becomes(2, serviceOf("leave", leave, backendAt(two)))
	says(t, "127.0.0.1:"+leave, "two")
	goesOn(t, left, "one")
	goesOn(t, raw, "one")
	// All go: the policy port stays, and whoever is in.
	c.becomes(3, "")
	goesOn(t, left, "one")
	ask(t, c.s.address(t, 0))
}

// TestServeRefitsFiles: another folder of the same name is served from a reload
// on, and the last one where there is none.
func TestServeRefitsFiles(t *testing.T) {
	dir := publicDir(t)
	htdocs := filepath.Join(dir, "htdocs")
	folder := func(content string) {
		t.Helper()
		if err := os.Mkdir(htdocs, 0o755); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(htdocs, "index.html"), content)
	}
	folder("one")
	replace(t, filepath.Join(dir, "p.xml"), policyOf("a.test")) // makes the folder above readable
	port := freePort(t)
	services := serviceOf("a", port, backendAt(namedGame(t, "one"))+"files = \""+htdocs+"\"\n")
	c := startTable(t, services, "--listen", "127.0.0.1:"+freePort(t), "--listen", "127.0.0.1:"+freePort(t)+"="+filepath.Join(dir, "p.xml"))
	wants := func(content string) {
		t.Helper()
		if code, body := get(t, "http://127.0.0.1:"+port+"/"); code != 200 || body != content {
			t.Errorf("%d %q, want %q", code, body, content)
		}
	}
	wants("one")
	if err := os.Rename(htdocs, htdocs+".old"); err != nil {
		t.Fatal(err)
	}
	c.becomes(1, services)
	wants("one")
	folder("two")
	wants("one")
	c.becomes(2, services)
	wants("two")
}

// getAs asks for a URL of another host.
func getAs(t *testing.T, url, host string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestServeRefitsWhatItCan: what cannot be done is named, and touches nothing
// else; a config with a mistake changes nothing.
func TestServeRefitsWhatItCan(t *testing.T) {
	one, two := namedGame(t, "one"), namedGame(t, "two")
	a, b, taken := freePort(t), freePort(t), freePort(t)
	c := startTable(t, serviceOf("a", a, backendAt(one))+serviceOf("b", b, backendAt(one)), "--admin", "127.0.0.1:0")
	health := "http://" + c.s.admin(t) + "/healthz"
	other, err := net.Listen("tcp", "127.0.0.1:"+taken)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c.becomes(1, serviceOf("a", a, backendAt(two)+"files = \"not-there\"\n")+serviceOf("b", b, backendAt(two))+serviceOf("c", taken, backendAt(two)))
	says(t, "127.0.0.1:"+a, "one")
	says(t, "127.0.0.1:"+b, "two")
	code, body := get(t, health)
	for _, want := range []string{"not-there", "the service there goes on as it was", "127.0.0.1:" + taken, "address already in use"} {
		if code != 503 || !strings.Contains(body, want) {
			t.Errorf("/healthz does not say %q: %d %s", want, code, body)
		}
	}
	c.becomes(2, serviceOf("a", a, backendAt("nowhere"))+serviceOf("b", b, backendAt(one)))
	says(t, "127.0.0.1:"+b, "two")
	if code, body := get(t, health); code != 503 || !strings.Contains(body, "port843.toml:13:12: service[1].backend") {
		t.Errorf("/healthz: %d %s", code, body)
	}
	other.Close()
	c.becomes(3, serviceOf("a", a, backendAt(two))+serviceOf("c", taken, backendAt(two)))
	for _, port := range []string{a, taken} {
		says(t, "127.0.0.1:"+port, "two")
	}
	if code, body := get(t, health); code != 200 {
		t.Errorf("/healthz: %d %s", code, body)
	}
}

// writeCertificate makes a certificate for a name, and its key.
func writeCertificate(t *testing.T, dir, file, name string, serial int64) {
	t.Helper()
	(&authority{t: t, dir: dir, next: serial - 1}).sign(file, &x509.Certificate{DNSNames: []string{name}})
}

// serial returns the serial number of the certificate that a client of that
// name is shown.
func serial(t *testing.T, addr, name string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestServeCertificates: each name has its own; a file that changes is read
// again by itself, and one that is broken is not.
func TestServeCertificates(t *testing.T) {
	dir := publicDir(t)
	writeCertificate(t, dir, "a", "a.example.com", 1)
	writeCertificate(t, dir, "b", "b.example.com", 2)
	port := freePort(t)
	addr := "127.0.0.1:" + port
	more := fmt.Sprintf("cert = [\"%[1]s/a.pem\", \"%[1]s/b.pem\"]\nkey = [\"%[1]s/a.key\", \"%[1]s/b.key\"]\n", dir)
	c := startTable(t, serviceOf("tls", port, backendAt(namedGame(t, "one"))+more), "--admin", "127.0.0.1:0")
	for name, want := range map[string]int64{"a.example.com": 1, "b.example.com": 2, "other.example.com": 1, "": 1} {
		if got := serial(t, addr, name); got != want {
			t.Errorf("%q is shown certificate %d, want %d", name, got, want)
		}
	}
	session, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	goesOn(t, session, "one")
	writeCertificate(t, dir, "b", "b.example.com", 3)
	eventually(t, "the other certificate is shown", func() bool { return serial(t, addr, "b.example.com") == 3 })
	goesOn(t, session, "one")
	replace(t, filepath.Join(dir, "a.pem"), "broken")
	c.s.logged(t, "the certificate cannot be read")
	if got := serial(t, addr, "a.example.com"); got != 1 {
		t.Errorf("certificate %d is shown", got)
	}
	if code, body := get(t, "http://"+c.s.admin(t)+"/healthz"); code != 503 || !strings.Contains(body, "the last good one stays in service") {
		t.Errorf("/healthz: %d %s", code, body)
	}
	writeCertificate(t, dir, "a", "a.example.com", 4)
	eventually(t, "it is mended", func() bool { return serial(t, addr, "a.example.com") == 4 })
	goesOn(t, session, "one")
}

// TestServeTargetsByPolicy: below /to/ other hosts are reached, where their own
// policy permits the page; the service itself stays where it was.
func TestServeTargetsByPolicy(t *testing.T) {
	gateway, target, closed := freePort(t), freePort(t), freePort(t)
	c := startTable(t, serviceOf("gateway", gateway, backendAt(namedGame(t, "own"))+"targets = \"policy\"\ntargets_also = [\"127.0.0.1\"]\n")+
		serviceOf("target", target, backendAt(namedGame(t, "far")))+
		strings.Replace(serviceOf("closed", closed, backendAt(namedGame(t, "shut"))), "games.example.com", "other.example.com", 1))
	c.s.loggedTimes(t, "front: serving", 3)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for path, want := range map[string]string{"": "own", "/anything": "own", "/to/127.0.0.1/" + target: "far", "/to/127.0.0.1/" + closed: "", "/to/127.0.0.2/" + target: ""} {
		ws, res, err := openWebSocket(t, "127.0.0.1:"+gateway+path, "https://games.example.com")
		if want == "" {
			if res == nil || res.StatusCode != 403 {
				t.Errorf("%s: %v, %v", path, res, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := ws.Write(ctx, websocket.MessageBinary, []byte(".")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.Read(ctx); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}
