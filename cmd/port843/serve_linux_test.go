package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// processStatus returns the lines of /proc/PID/status by their names.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.Join(strings.Fields(value), " ")
	}
	return out
}

func TestServeDropsPrivileges(t *testing.T) {
	need.Root(t)
	dir := publicDir(t)
	path := filepath.Join(dir, "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--user", "nobody")
	status := processStatus(t, s.cmd.Process.Pid)
	if status["Uid"] != "65534 65534 65534 65534" || strings.HasPrefix(status["Gid"], "0") || strings.Contains(" "+status["Groups"]+" ", " 0 ") {
		t.Errorf("Uid %s, Gid %s, Groups %s", status["Uid"], status["Gid"], status["Groups"])
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if strings.Trim(status[set], "0") != "" {
			t.Errorf("%s is %s", set, status[set])
		}
	}
	if status["NoNewPrivs"] != "1" {
		t.Errorf("NoNewPrivs is %s", status["NoNewPrivs"])
	}
	line := s.logged(t, "privileges dropped")
	if line["user"] != "nobody" {
		t.Errorf("%v", line)
	}
	if !strings.HasPrefix(line["landlock"].(string), "in force") {
		need.Kernel(t, "Landlock")
	}

	// A department that makes its policy file a link to something else gets
	// nothing: neither what only root may read nor, which shows that Landlock
	// and not the file's mode is at work, what everybody may.
	refusals := 0
	for _, target := range []string{"/etc/shadow", "/etc/passwd"} {
		if err := os.Symlink(target, path+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		refusals++
		lines := s.loggedTimes(t, "reload refused", refusals)
		if got := lines[refusals-1]["error"].(string); !strings.Contains(got, "permission denied") {
			t.Errorf("%s: %s", target, got)
		}
	}
	if got := ask(t, s.address(t, 0)); got != policyOf("one.test")+"\x00" {
		t.Errorf("it serves %q", got)
	}
}

func TestServeRefusesRoot(t *testing.T) {
	need.Root(t)
	out, err := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--user", "root").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "error: --user root: it would go on as root") || !strings.Contains(string(out), "hint: ") {
		t.Errorf("%v\n%s", err, out)
	}
	s := startService(t, "--listen", "127.0.0.1:0", "--keep-root")
	if status := processStatus(t, s.cmd.Process.Pid); !strings.HasPrefix(status["Uid"], "0 ") {
		t.Errorf("with --keep-root it runs as %s", status["Uid"])
	}
}

// TestServeWithoutThePrivilege runs as an ordinary user in a network namespace
// of its own, where port 843 needs a privilege and nothing else listens.
func TestServeWithoutThePrivilege(t *testing.T) {
	need.Root(t)
	unshare, ip, setpriv := need.Tool(t, "unshare"), need.Tool(t, "ip"), need.Tool(t, "setpriv")
	inNamespace := func(args ...string) *exec.Cmd {
		script := ip + ` link set lo up && exec ` + setpriv + ` --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"`
		cmd := exec.Command(unshare, append([]string{"-n", "sh", "-c", script, "sh", binary(t), "serve", "--log", "json"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	s := startCommand(t, inNamespace())
	if got := s.address(t, 0); !strings.HasSuffix(got, ":10843") {
		t.Errorf("it serves on %s", got)
	}
	hint, _ := s.logged(t, "this process may not have port 843: serving on port 10843")["hint"].(string)
	for _, way := range []string{"port843.socket", "setcap", "ip_unprivileged_port_start"} {
		if !strings.Contains(hint, way) {
			t.Errorf("the hint does not name %s: %s", way, hint)
		}
	}

	out, err := inNamespace("--listen", "127.0.0.1:843").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "error: cannot listen on 127.0.0.1:843: permission denied") || !strings.Contains(string(out), "setcap") {
		t.Errorf("a named port without the privilege: %v\n%s", err, out)
	}
}

// TestServeInetdFromPipes has a request that comes in two parts, through a pipe.
func TestServeInetdFromPipes(t *testing.T) {
	cmd := exec.Command(binary(t), "serve", "--inetd", "--allow", "a.test:80")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, policy.Request[:5])
	eventually(t, "the first bytes are read", func() bool {
		n, err := unix.IoctlGetInt(int(in.(*os.File).Fd()), unix.TIOCINQ)
		return err == nil && n == 0
	})
	io.WriteString(in, policy.Request[5:])
	got, err := io.ReadAll(out)
	if err != nil || !bytes.Contains(got, []byte(`domain="a.test"`)) {
		t.Errorf("got %q, %v", got, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
