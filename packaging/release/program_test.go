package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var epoch = time.Unix(1_700_000_000, 0).UTC()

// scratch is the tests' folder for what they share.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "port843-release-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// program builds this program, once. The tests run it rather than call it: to
// compress under the race detector takes minutes.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "release")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// makeRelease runs the program and returns the paths of what it has made.
func makeRelease(env []string, args ...string) ([]string, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch.Unix())), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("release %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.Fields(string(out)), nil
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{{"pies"}, {"-platforms", "plan9/mips", "archives"}, {"-version", "v1 -X main.other=x", "archives"}, {"--what"}} {
		if out, err := makeRelease(nil, append([]string{"-root", "../.."}, args...)...); err == nil {
			t.Errorf("%v made %v", args, out)
		}
	}
}
