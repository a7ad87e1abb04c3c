package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fenced is a block of a Markdown file, with the language behind its fence.
var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// titled is the first line of a block that is a file: a comment with its path.
var titled = regexp.MustCompile(`^(?:# |<!-- )(\S+)`)

// TestBuildingIsTrue does what docs/building.md says: it writes its files, runs
// its commands, and wants what it shows.
func TestBuildingIsTrue(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/building.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "examples"), filepath.Join(dir, "examples")); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if block[1] == "console" {
			commands += console(t, dir, block[2])
			continue
		}
		name := titled.FindStringSubmatch(block[2])
		if name == nil {
			t.Fatalf("a block of %s without the name of its file:\n%s", block[1], block[2])
		}
		path := filepath.Join(dir, name[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(block[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands were run", commands)
	}
}

// console runs the lines of a block that begin with "$ " and compares what
// each prints, on both streams, with the lines behind it.
func console(t *testing.T, dir, block string) (commands int) {
	t.Helper()
	last := 0
	for _, part := range strings.Split(block, "$ ")[1:] {
		line, want, _ := strings.Cut(part, "\n")
		got := strconv.Itoa(last) + "\n"
		if line != "echo $?" {
			got, last = program(t, dir, strings.Fields(line))
			commands++
		}
		if got != want {
			t.Errorf("$ %s\n%s\nthe documentation shows:\n%s", line, got, want)
		}
	}
	return commands
}

func program(t *testing.T, dir string, args []string) (output string, code int) {
	t.Helper()
	if args[0] != "port843" {
		t.Fatalf("%q is no command of ours", args[0])
	}
	cmd := exec.Command(binary(t), args[1:]...)
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
