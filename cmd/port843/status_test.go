//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/daemon"
)

// runStatus runs "port843 status args…" to its end.
func runStatus(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary(t), append([]string{"status"}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestStatusTellsWhatThePageTells(t *testing.T) {
	path := filepath.Join(publicDir(t), "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--admin", "127.0.0.1:0")
	ask(t, s.address(t, 0))
	replace(t, path, policyOf("two.test"))
	s.logged(t, "reloaded")
	eventually(t, "all of it is told", func() bool {
		code, out, _ := runStatus(t, "--admin", s.admin(t))
		return code == 0 && strings.HasPrefix(out, "all is well\n") && strings.Contains(out, s.address(t, 0)) &&
			strings.Contains(out, "+ two.test may reach") && strings.Contains(out, "- one.test may reach")
	})
	replace(t, path, "<cross-domain-policy>\n<allow-access-from domain=\"*.com\" to-ports=\"1\"/>")
	s.logged(t, "reload refused")
	eventually(t, "the refusal comes first", func() bool {
		code, out, _ := runStatus(t, "--admin", s.admin(t))
		return code == 1 && strings.HasPrefix(out, "it serves, and something is to be looked at:\n  reload refused") && strings.Contains(out, path+":2:28")
	})
	code, out, _ := runStatus(t, "--admin", s.admin(t), "--json")
	var st daemon.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 1 || st.Status != "degraded" || len(st.Sources[0].History) < 2 {
		t.Errorf("--json: exit code %d, %v\n%s", code, err, out)
	}
}

func TestStatusWatches(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	cmd := exec.Command(binary(t), "status", "--admin", s.admin(t), "--watch", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for range 2 {
		var st daemon.Status
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &st) != nil || st.Status != "ok" {
			t.Errorf("the line %q", lines.Text())
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
}

func TestStatusIsLetIn(t *testing.T) {
	dir := publicDir(t)
	token := filepath.Join(dir, "token")
	replace(t, token, "abcdefghijklmnopqrstuvwxyz\n")
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0", "--admin-token-file", token)
	address := "127.0.0.1" + s.admin(t)[strings.LastIndexByte(s.admin(t), ':'):]
	if code, _, errs := runStatus(t, "--admin", address); code != 2 || !strings.Contains(errs, "asks for its token") || !strings.Contains(errs, "hint: ") {
		t.Errorf("without the token: exit code %d, %s", code, errs)
	}
	if code, out, errs := runStatus(t, "--admin", address, "--token-file", token); code != 0 || !strings.HasPrefix(out, "all is well") {
		t.Errorf("with the token: exit code %d, %s", code, errs)
	}
	for path, want := range map[string]int{"/": 401, "/metrics": 401, "/debug/pprof/": 401, "/healthz": 401, "/events": 401, "/readyz": http.StatusOK} {
		if code, body := get(t, "http://"+address+path); code != want {
			t.Errorf("%s without the token: %d %s", path, code, body)
		}
	}
}

func TestStatusOverAUnixSocket(t *testing.T) {
	socket := filepath.Join(publicDir(t), "admin.sock")
	for range 2 { // what the first one leaves behind is not in the second one's way
		s := startService(t, "--listen", "127.0.0.1:0", "--admin", "unix:"+socket)
		s.logged(t, "admin pages")
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("the socket's rights: %v, %v", info, err)
		}
		if code, out, errs := runStatus(t, "--admin", "unix:"+socket); code != 0 || !strings.HasPrefix(out, "all is well") {
			t.Errorf("exit code %d, %s", code, errs)
		}
		if second := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--admin", "unix:"+socket).Run(); second == nil {
			t.Error("a second service takes the socket of a running one")
		}
		s.cmd.Process.Kill()
		<-s.done
	}
	if code, _, errs := runStatus(t, "--admin", "unix:"+socket); code != 2 || !strings.Contains(errs, "hint: ") {
		t.Errorf("of a service that is gone: exit code %d, %s", code, errs)
	}
}
