package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
)

const unit = "../../packaging/systemd/port843.service"

// TestUnitIsHardened asks systemd itself how exposed the packaged service is.
// 2.0 of 10 is the bound; systemd calls everything below 2 "OK" and means well.
func TestUnitIsHardened(t *testing.T) {
	analyze := need.Tool(t, "systemd-analyze")
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=20", unit).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) < 50 {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(lines[len(lines)-1])
	if strings.Contains(string(out), "ignoring") {
		t.Errorf("systemd does not know something in the unit:\n%s", out)
	}
}
