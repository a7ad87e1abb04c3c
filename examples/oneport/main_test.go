package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun runs the example as it stands.
func TestRun(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	// Not the test's own folder: port843 becomes another when root starts it.
	dir, err := os.MkdirTemp("", "oneport-page-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("the page"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, []string{"-port", port, "-files", dir}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"$ port843 serve --front 127.0.0.1:" + port + "=127.0.0.1:",
		"Flash's dance: the policy permits localhost to reach " + port + "\n",
		`raw: said "hello from Flash", heard "hello from Flash"`, `raw: said "<", heard "<"`, `a page: heard "hello from a page"`, "a reader: 200 OK, text/html; charset=utf-8",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}
