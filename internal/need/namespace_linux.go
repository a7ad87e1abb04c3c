package need

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

const inNamespace = "PORT843_TEST_NAMESPACE"

// Namespace runs the test again, alone, in a network namespace of its own with
// nothing but a loopback interface that is up, and with hosts as /etc/hosts
// where that is not empty. It returns true there, and false in the process
// that asked, which then has the result and returns; it is skipped where the
// test was skipped there. The namespace ends with its process, so there is
// nothing to remove. It asks for root.
//
//	if !need.Namespace(t, "127.0.0.2 game.example.net\n") {
//		return
//	}
func Namespace(t *testing.T, hosts string) bool {
	t.Helper()
	if os.Getenv(inNamespace) == t.Name() {
		setUp(t)
		return true
	}
	Root(t)
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.v", "-test.parallel=64", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inNamespace+"="+t.Name())
	if hosts != "" {
		cmd.Env = append(cmd.Env, inNamespace+"_HOSTS="+file)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread ends that has started it
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if !bytes.Contains(out, []byte("=== RUN")) && err != nil {
		Kernel(t, "network namespaces: "+err.Error())
	}
	if err == nil && bytes.Contains(out, []byte("--- SKIP: "+t.Name()+" ")) {
		t.Skipf("left out there, which is noted:\n%s", out)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")) {
		t.Fatalf("in a network namespace: %v\n%s", err, out)
	}
	t.Logf("in a network namespace:\n%s", out)
	return false
}

// setUp readies the namespace from within.
func setUp(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(Tool(t, "ip"), "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("ip link set lo up: %v\n%s", err, out)
	}
	file := os.Getenv(inNamespace + "_HOSTS")
	if file == "" {
		return
	}
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(file, "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}
