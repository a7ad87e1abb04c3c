package docs

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

const patience = time.Minute

func TestSession(t *testing.T) {
	s, err := Start(t.TempDir(), t.TempDir(), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command, out string
		code         int
	}{
		{"mkdir a; cd a; x=7; basename $PWD", "a\n", 0},
		{"echo $x; false", "7\n", 1},
		{"echo $?", "1\n", 0},
		{"echo to stderr >&2", "to stderr\n", 0},
		{"cat", "", 0}, // there is nobody to type
		{"(exit 3) &", "", 0},
		{"wait $!; echo $?", "3\n", 0},
	} {
		out, code, err := s.Run(c.command, patience)
		if err != nil || out != c.out || code != c.code {
			t.Errorf("%s: %q, %d, %v", c.command, out, code, err)
		}
	}
	if out, code, err := s.Run("no-such-command-here", patience); err != nil || code != 127 || !strings.Contains(out, "not found") {
		t.Errorf("%q, %d, %v", out, code, err)
	}
	// A job outlives its command, prints to its own output, and ends with the
	// session.
	if _, _, err := s.Run("sleep 300 & echo $! >pid; cat pid", patience); err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(s.Printed())
	s.Close()
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Errorf("the job %s is still there", pid)
	}
}

func TestSessionHangs(t *testing.T) {
	s, err := Start(t.TempDir(), t.TempDir(), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Run("echo begun; sleep 1000", time.Second/4); !errors.Is(err, ErrTime) {
		t.Errorf("%v", err)
	}
}
