package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
)

// TestDemo runs what "make demo-fastpath" does, and looks for what it leaves.
func TestDemo(t *testing.T) {
	need.Root(t)
	need.Tool(t, "ip")
	need.Tool(t, "nsenter")
	// The service becomes an ordinary user: its program must be where that may go.
	dir, err := os.MkdirTemp("", "port843-demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, pkg := range map[string]string{"port843": "../../cmd/port843", "demo": "."} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	temporary := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "demo"), filepath.Join(dir, "port843"))
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "this kernel has no XDP") {
		need.Kernel(t, "XDP with the helpers for SYN cookies")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"1000 answers in ", "33 of 33 passed", "all is well", "FAST PATH"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not show %q\n%s", want, out)
		}
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if links, _ := exec.Command("ip", "link").CombinedOutput(); strings.Contains(string(links), "p843") {
		t.Errorf("it leaves an interface:\n%s", links)
	}
}
