package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal of that size.
func openTerminal(t *testing.T, width, height uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestStatusOnATerminal watches a service on a small terminal: each picture
// begins at the corner and fits.
func TestStatusOnATerminal(t *testing.T) {
	path := filepath.Join(publicDir(t), "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--admin", "127.0.0.1:0")
	ours, theirs := openTerminal(t, 50, 16)
	cmd := exec.Command(binary(t), "status", "--admin", s.admin(t), "--watch")
	cmd.Stdout = theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer ended.Stop()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for strings.Count(seen.String(), "\x1b[J") < 2 {
		n, err := ours.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buf[:n])
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
	pictures := strings.Split(seen.String(), "\x1b[J")
	for _, p := range pictures[:2] {
		text, atCorner := strings.CutPrefix(p, "\x1b[H")
		lines := strings.Split(strings.ReplaceAll(text, "\x1b[K", ""), "\r\n")
		if !atCorner || lines[0] != "all is well" || len(lines) > 16 || !strings.Contains(lines[len(lines)-2], " lines more") {
			t.Errorf("%d lines: %q", len(lines), p)
		}
		for _, l := range lines {
			if len(l) > 50 && len(strings.Fields(l)) > 2 {
				t.Errorf("%d characters: %q", len(l), l)
			}
		}
	}
}
