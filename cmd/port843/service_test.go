package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/policy"
)

// patience bounds every wait of these tests; none needs it to pass.
const patience = time.Minute

// service is a "port843 serve" that a test has started.
type service struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, after done

	mu    sync.Mutex
	lines []map[string]any // of its log
	raw   bytes.Buffer
}

// binary returns a path by which this test binary is the program.
func binary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The folder of a test is its user's alone; a service that has become
	// somebody else must be able to run the binary.
	dir, err := os.MkdirTemp("", "port843-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "port843")
	if err := os.Link(self, path); err != nil {
		data, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// startService starts "port843 serve args…" and waits until it serves.
func startService(t *testing.T, args ...string) *service {
	t.Helper()
	s := startCommand(t, exec.Command(binary(t), append([]string{"serve", "--log", "json"}, args...)...))
	s.logged(t, "serving")
	return s
}

func startCommand(t *testing.T, cmd *exec.Cmd) *service {
	t.Helper()
	s := &service{cmd: cmd, done: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go s.readLog(r)
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-s.done
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("the log of %v:\n%s", cmd.Args, s.raw.String())
		}
	})
	return s
}

func (s *service) readLog(r io.ReadCloser) {
	defer r.Close()
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var line map[string]any
		json.Unmarshal(scan.Bytes(), &line)
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.raw.Write(append(scan.Bytes(), '\n'))
		s.mu.Unlock()
	}
}

// find returns the lines of the log whose message begins so.
func (s *service) find(msg string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []map[string]any
	for _, l := range s.lines {
		if m, _ := l["msg"].(string); strings.HasPrefix(m, msg) {
			out = append(out, l)
		}
	}
	return out
}

// logged waits for a line of the log whose message begins so.
func (s *service) logged(t *testing.T, msg string) map[string]any {
	t.Helper()
	return s.loggedTimes(t, msg, 1)[0]
}

func (s *service) loggedTimes(t *testing.T, msg string, n int) []map[string]any {
	t.Helper()
	var unread <-chan time.Time // what it wrote last may not be read yet when it ends
	eventually(t, "the log says "+msg, func() bool {
		select {
		case <-unread:
			t.Fatalf("it ended before it said %q: %v", msg, s.err)
		default:
		}
		select {
		case <-s.done:
			if unread == nil {
				unread = time.After(2 * time.Second)
			}
		default:
		}
		return len(s.find(msg)) >= n
	})
	return s.find(msg)
}

// address is where the n-th listener listens.
func (s *service) address(t *testing.T, n int) string {
	t.Helper()
	return s.loggedTimes(t, "serving", n+1)[n]["address"].(string)
}

// admin is the address of the admin pages.
func (s *service) admin(t *testing.T) string {
	t.Helper()
	return s.logged(t, "admin pages")["address"].(string)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// askOnce sends the request and returns what comes until the end.
func askOnce(address, request string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	got, err := io.ReadAll(c)
	return string(got), err
}

func ask(t *testing.T, address string) string {
	t.Helper()
	got, err := askOnce(address, policy.Request)
	if err != nil {
		t.Fatalf("%s: %q, %v", address, got, err)
	}
	return got
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// publicDir is a folder that every user may read.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "port843-policies-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// policyOf returns a policy file that permits a domain.
func policyOf(domain string) string {
	return "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n<allow-access-from domain=\"" + domain + "\" to-ports=\"9000\"/>\n</cross-domain-policy>\n"
}

// replace puts a file in place in one step, as editors and tools do.
func replace(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
