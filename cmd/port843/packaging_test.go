package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
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

// TestServicesStartWhatThereIs tries the command lines of systemd's unit, of
// launchd's list, of Windows' task and of FreeBSD's daemon(8), each with a
// config in the place of its own.
func TestServicesStartWhatThereIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port843.toml")
	if err := os.WriteFile(path, config.Minimal(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{"systemd": execStart(t), "launchd": programArguments(t),
		"windows": documented(t, "%ProgramFiles%"), "freebsd": documented(t, "daemon -r")} {
		if len(command) < 4 || filepath.Base(command[0]) != "port843" || command[1] != "serve" || command[2] != "--config" || !strings.HasSuffix(command[3], "/port843/port843.toml") {
			t.Errorf("%s starts %q", name, command)
			continue
		}
		args := append([]string{"serve", "--test", "--config", path}, command[4:]...)
		if code, out, errs := run(t, args...); code != cli.ExitOK || !strings.Contains(out, "all is well") {
			t.Errorf("%s: %q: exit %d\n%s%s", name, args, code, out, errs)
		}
	}
}

// execStart is the command of the unit.
func execStart(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return strings.Fields(command)
		}
	}
	return nil
}

// programArguments is the command of the property list.
func programArguments(t *testing.T) []string {
	t.Helper()
	var out []string
	list, _ := readPlist(t)["ProgramArguments"].([]any)
	for _, v := range list {
		text, _ := v.(string)
		out = append(out, text)
	}
	return out
}

// documented is the command line of docs/installing.md that has a word in it,
// from "port843" on, without the quoting of its shell.
func documented(t *testing.T, word string) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/installing.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !strings.Contains(line, word) || !strings.Contains(line, " serve --config ") {
			continue
		}
		line = strings.NewReplacer(`\"`, "", `"`, "", `.exe`, "", `\`, "/").Replace(line)
		program, args, _ := strings.Cut(strings.TrimSpace(line), " serve ")
		return append([]string{program[strings.LastIndexAny(program, " /")+1:], "serve"}, strings.Fields(strings.ReplaceAll(args, "%", ""))...)
	}
	return nil
}
