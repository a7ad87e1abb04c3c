//go:build unix

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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

func TestServePermitsNothingByDefault(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0")
	for _, request := range []string{policy.Request, "<policy-file-request/>", "<policy-file-request/>\r\n"} {
		got, err := askOnce(s.address(t, 0), request)
		if err != nil {
			t.Fatal(err)
		}
		doc, found := strings.CutSuffix(got, "\x00")
		p, err := policy.Parse([]byte(doc))
		if !found || err != nil || p.Meta != policy.MetaNone || len(p.Rules) != 0 {
			t.Errorf("%q is answered by %q (%v)", request, got, err)
		}
	}
}

func TestServeAllow(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--public-port", "843",
		"--allow", "*.example.com:8080,9000-9002", "--allow", "trusted.com:*")
	want := "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n" +
		"<site-control permitted-cross-domain-policies=\"master-only\"/>\n" +
		"<allow-access-from domain=\"*.example.com\" to-ports=\"8080,9000,9001,9002\"/>\n" +
		"<allow-access-from domain=\"trusted.com\" to-ports=\"*\"/>\n</cross-domain-policy>\n\x00"
	for i := range 2 {
		if got := ask(t, s.address(t, i)); got != want {
			t.Errorf("listener %d answers %q, want %q", i, got, want)
		}
	}
}

func TestServeReloads(t *testing.T) {
	dir := publicDir(t)
	path := filepath.Join(dir, "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--admin", "127.0.0.1:0")
	serves := func(domain string) func() bool {
		return func() bool { return ask(t, s.address(t, 0)) == policyOf(domain)+"\x00" }
	}
	if !serves("one.test")() {
		t.Fatal("the file is not served as it is")
	}
	health := func() int { code, _ := get(t, "http://"+s.admin(t)+"/healthz"); return code }

	replace(t, path, policyOf("two.test"))
	eventually(t, "a replaced file is served", serves("two.test"))

	replace(t, path, "<cross-domain-policy>\n<allow-access-from domain=\"*.com\" to-ports=\"1\"/>")
	line := s.logged(t, "reload refused")
	if got := line["error"].(string); !strings.Contains(got, path+":2:28:") {
		t.Errorf("the refusal does not name the place: %s", got)
	}
	if !serves("two.test")() {
		t.Error("a bad file took the good policy out of service")
	}
	if code := health(); code != http.StatusServiceUnavailable {
		t.Errorf("/healthz is %d beside a refused reload", code)
	}
	if code, _ := get(t, "http://"+s.admin(t)+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz is %d although the server serves", code)
	}
	if _, body := get(t, "http://"+s.admin(t)+"/metrics"); !strings.Contains(body, "port843_reload_refused{source=\""+path+"\"} 1") ||
		!strings.Contains(body, "port843_healthy 0") {
		t.Errorf("the metrics do not tell of the refusal:\n%s", body)
	}

	os.Remove(path)
	s.loggedTimes(t, "reload refused", 2)
	if !serves("two.test")() {
		t.Error("a missing file took the good policy out of service")
	}
	replace(t, path, policyOf("three.test"))
	eventually(t, "a mended file is served", serves("three.test"))
	eventually(t, "all is well again", func() bool { return health() == http.StatusOK })

	reloads := len(s.find("reloaded"))
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.loggedTimes(t, "reloaded", reloads+1)
}

// TestServeFollowsSwappedLinks changes a policy as Kubernetes changes a
// ConfigMap: the file is a link through a link to a folder that is swapped.
func TestServeFollowsSwappedLinks(t *testing.T) {
	dir := publicDir(t)
	version := func(n int) string {
		name := fmt.Sprintf("..version%d", n)
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(dir, name, "policy.xml"), policyOf(fmt.Sprintf("v%d.test", n)))
		return name
	}
	swap := func(to string) {
		if err := os.Symlink(to, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap(version(1))
	path := filepath.Join(dir, "policy.xml")
	if err := os.Symlink("..data/policy.xml", path); err != nil {
		t.Fatal(err)
	}
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path)
	swap(version(2))
	eventually(t, "the new version is served", func() bool { return ask(t, s.address(t, 0)) == policyOf("v2.test")+"\x00" })
}

func TestServeTakeOver(t *testing.T) {
	dir := publicDir(t)
	path := filepath.Join(dir, "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--admin", "127.0.0.1:0")
	address := s.address(t, 0)

	const clients, each = 4, 2500
	var failed, done atomic.Int64
	var takenOver atomic.Bool
	var first atomic.Value
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			// On both sides of the take-over, and so many in all.
			for n := 0; n < each || !takenOver.Load(); n++ {
				if got, err := askOnce(address, policy.Request); err != nil || got != policyOf("one.test")+"\x00" {
					failed.Add(1)
					first.CompareAndSwap(nil, fmt.Sprintf("%q, %v", got, err))
				}
				done.Add(1)
			}
		})
	}
	eventually(t, "the load has begun", func() bool { return done.Load() > clients*each/10 })
	s.cmd.Process.Signal(syscall.SIGUSR2)
	line := s.logged(t, "leaving: a successor serves")
	pid := int(line["pid"].(float64))
	successor, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { successor.Kill() })
	<-s.done
	if s.err != nil {
		t.Errorf("the predecessor ended with %v", s.err)
	}
	takenOver.Store(true)
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d connections failed, the first with %v", failed.Load(), done.Load(), first.Load())
	}
	if code, _ := get(t, "http://"+s.admin(t)+"/readyz"); code != http.StatusOK {
		t.Errorf("the successor's admin page says %d", code)
	}
	successor.Signal(syscall.SIGTERM)
	eventually(t, "the successor leaves", func() bool {
		_, err := net.Dial("tcp", address)
		return err != nil
	})
}

func TestServeSurvivesAFailedTakeOver(t *testing.T) {
	path := binary(t)
	s := startCommand(t, exec.Command(path, "serve", "--log", "json", "--listen", "127.0.0.1:0"))
	s.logged(t, "serving")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGUSR2)
	s.logged(t, "the take-over failed")
	ask(t, s.address(t, 0))
}

func TestServeLeavesInOrder(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	c, err := net.Dial("tcp", s.address(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "<policy-file")
	eventually(t, "the connection is accepted", func() bool {
		_, body := get(t, "http://"+s.admin(t)+"/status")
		return strings.Contains(body, `"accepted": 1`)
	})
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.logged(t, "leaving")
	io.WriteString(c, "-request/>\x00")
	if got, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(got, []byte("</cross-domain-policy>\n\x00")) {
		t.Errorf("the exchange in flight got %q, %v", got, err)
	}
	c.Close()
	<-s.done
	if s.err != nil {
		t.Errorf("it ended with %v", s.err)
	}
}

func TestServeDiesAtTheSecondSignal(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--deadline", "10m", "--admin", "127.0.0.1:0")
	c, err := net.Dial("tcp", s.address(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "the connection is accepted", func() bool {
		_, body := get(t, "http://"+s.admin(t)+"/status")
		return strings.Contains(body, `"accepted": 1`)
	})
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.logged(t, "leaving")
	eventually(t, "the second signal kills", func() bool {
		s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	})
	if s.err == nil {
		t.Error("killed, it ended well")
	}
}

func TestServeAdmin(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	ask(t, s.address(t, 0))
	askOnce(s.address(t, 0), "GET / HTTP/1.1\r\n\r\n")
	base := "http://" + s.admin(t)
	for path, want := range map[string]string{
		"/healthz": `"status": "ok"`,
		"/readyz":  `"ready": true`,
		"/metrics": `port843_exchanges_total{listener="` + s.address(t, 0) + `",outcome="answered"} 1`,
		"/status":  `"foreign_http": 1`,
		"/":        "/healthz",
	} {
		eventually(t, path+" says "+want, func() bool {
			code, body := get(t, base+path)
			return code == http.StatusOK && strings.Contains(body, want)
		})
	}
	if code, _ := get(t, base+"/debug/pprof/goroutine?debug=1"); code != http.StatusOK {
		t.Errorf("pprof: %d", code)
	}
	req, _ := http.NewRequest("GET", base+"/status", nil)
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a request for another host's name is answered by %d", resp.StatusCode)
	}
	if line := s.logged(t, "not a policy request"); line["kind"] != "http" || line["client"] != "127.0.0.1" {
		t.Errorf("%v", line)
	}
}

// TestServeProbe has the service ask itself, and another port that no policy
// may come from.
func TestServeProbe(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--allow", "*:*")
	code, body := get(t, "http://"+s.admin(t)+"/probe?target="+s.address(t, 0))
	if code != http.StatusOK || !strings.Contains(body, "probe_success 1") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, body := get(t, "http://"+s.admin(t)+"/probe?target=127.0.0.1:22"); code != http.StatusBadRequest {
		t.Errorf("a port that no policy may come from: %d %s", code, body)
	}
	closed := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-probe=false")
	if code, _ := get(t, "http://"+closed.admin(t)+"/probe?target=127.0.0.1"); code != http.StatusNotFound {
		t.Errorf("with --admin-probe=false: %d", code)
	}
}

// TestServeReusePort has two services on one address, of which each takes some
// of the connections.
func TestServeReusePort(t *testing.T) {
	first := startService(t, "--listen", "127.0.0.1:0", "--reuse-port", "--keep-root", "--allow", "first.test:80")
	startService(t, "--listen", first.address(t, 0), "--reuse-port", "--keep-root", "--allow", "second.test:80")
	eventually(t, "both have answered", func() bool {
		return strings.Contains(ask(t, first.address(t, 0)), "second.test")
	})
	eventually(t, "the first answers too", func() bool {
		return strings.Contains(ask(t, first.address(t, 0)), "first.test")
	})
}

func TestServeUnderSystemd(t *testing.T) {
	activate := need.Tool(t, "systemd-socket-activate")
	ln, err := net.Listen("tcp", "127.0.0.1:0") // to find a free port
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	notify := filepath.Join(publicDir(t), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	if err := os.Chmod(notify, 0o666); err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, exec.Command(activate, "-l", address, "-E", "NOTIFY_SOCKET="+notify, binary(t), "serve", "--log", "json", "--allow", "a.test:80"))
	eventually(t, "the socket is open", func() bool {
		got, err := askOnce(address, policy.Request)
		return err == nil && strings.Contains(got, "a.test")
	})
	if got := s.address(t, 0); got != address {
		t.Errorf("it serves on %s, not on systemd's socket %s", got, address)
	}
	buf := make([]byte, 4096)
	n, err := sock.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "READY=1") {
		t.Errorf("systemd was told %q, %v", buf[:n], err)
	}
}

func TestServeInetd(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(pair[0])
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := exec.Command(binary(t), "serve", "--inetd", "--allow", "a.test:80")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	io.WriteString(ours, policy.Request)
	got, err := io.ReadAll(ours)
	if err != nil || !bytes.Contains(got, []byte(`domain="a.test"`)) || !bytes.HasSuffix(got, []byte(">\n\x00")) {
		t.Errorf("got %q, %v", got, err)
	}
	ours.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestServeConforms runs the whole suite as an operator would.
func TestServeConforms(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--public-port", "843", "--deadline", "2s",
		"--allow", "*.example.com:8080,9000-9002", "--allow", "trusted.com:*")
	for i := range 2 {
		out, err := exec.Command(binary(t), "conform", s.address(t, i)).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("33 of 33 passed")) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
