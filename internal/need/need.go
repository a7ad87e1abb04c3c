// Package need says what a test needs of its machine, and keeps account of
// what could not be had.
//
// Under CI (the environment has CI=true) a missing tool or right fails the
// test: only a kernel feature may be missing there. Elsewhere the test is
// skipped, and the reason is appended to the file that PORT843_LEFT_OUT names,
// which "make test" prints at its end.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Tool returns the path of a program, looked up in PATH and in the sbin folders.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin/", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	missing(t, "the program "+name+" (make tools installs it)")
	return ""
}

// File returns path where it exists, such as a module that a tool loads.
func File(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, "the file "+path+" (make tools installs it)")
	}
	return path
}

// Root asks for the rights of root, as network namespaces and users need them.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
}

// Kernel reports that the kernel lacks feature. It is the one skip that CI
// allows, and it names the feature.
func Kernel(t testing.TB, feature string) {
	t.Helper()
	leftOut(t, "the kernel feature "+feature)
	t.Skip("left out, the kernel lacks: " + feature)
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", what)
	}
	leftOut(t, what)
	t.Skip("left out, this machine lacks: " + what)
}

func leftOut(t testing.TB, what string) {
	name := os.Getenv("PORT843_LEFT_OUT")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%s: needs %s\n", t.Name(), what)
}
