package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
)

// TestRun runs it all once, shortened: its figures mean nothing, but there must
// be some, and no exchange may fail.
func TestRun(t *testing.T) {
	need.Root(t)
	need.Tool(t, "ip")
	need.Tool(t, "nsenter")
	need.Tool(t, "gcc")
	program := filepath.Join(t.TempDir(), "fastpath")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-rounds", "1", "-for", "200ms", "-concurrency", "16")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "this kernel has no XDP") {
		need.Kernel(t, "XDP with the helpers for SYN cookies")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(line, " | "); len(f) == 10 {
			rows[strings.TrimPrefix(f[0], "| ")] = f
		}
	}
	for _, c := range contenders {
		row := rows[c.name]
		if row == nil || row[1] == "0" || strings.Trim(row[9], " |\n") != "0" {
			t.Errorf("%s: %q", c.name, row)
			continue
		}
		if program := row[4] != "0.000" && row[6] != "0.00"; program != c.fast {
			t.Errorf("%s: its program took %s µs for %s packets", c.name, row[4], row[6])
		}
	}
	t.Logf("%s", out)
}
