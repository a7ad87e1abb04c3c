package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/need"
)

// run runs the program in this process.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Main(newRoot, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}, args)
	return code, o.String(), e.String()
}

// TestManPagesAreClean asks mandoc whether the pages are well-formed.
func TestManPagesAreClean(t *testing.T) {
	mandoc := need.Tool(t, "mandoc")
	code, out, errs := run(t, "manual", t.TempDir())
	files := strings.Fields(out)
	if code != cli.ExitOK || len(files) < 10 {
		t.Fatalf("exit %d, %d pages\n%s", code, len(files), errs)
	}
	found, _ := exec.Command(mandoc, append([]string{"-Tlint", "-Wwarning"}, files...)...).CombinedOutput()
	for line := range strings.Lines(string(found)) {
		// A page carries its version; a date would differ from build to build.
		if !strings.Contains(line, "missing date") {
			t.Error(line)
		}
	}
	one, err := exec.Command(mandoc, "-Tutf8", files[0]).CombinedOutput()
	if err != nil || !bytes.Contains(one, []byte("manual")) {
		t.Errorf("%s cannot be shown: %v", files[0], err)
	}
}

// TestTopics holds each topic to the terminal's width, and to flags and verbs
// that there are.
func TestTopics(t *testing.T) {
	root := newRoot(cli.Streams{})
	flags := map[string]bool{"--now": true} // systemctl's
	verbs := map[string]bool{"help": true, "user": true}
	for _, c := range root.Commands() {
		verbs[c.Name()] = true
		c.Flags().VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
	}
	var topics []*cobra.Command
	for _, c := range newTopics() {
		topics = append(topics, c)
		code, out, _ := run(t, "help", c.Name())
		if code != cli.ExitOK || strings.TrimSpace(out) != c.Long || c.Short == "" {
			t.Errorf("help %s: exit %d\n%s", c.Name(), code, out)
		}
		for line := range strings.Lines(c.Long) {
			if len(strings.TrimRight(line, "\n")) > 79 {
				t.Errorf("%s: wider than 79 columns: %s", c.Name(), line)
			}
		}
		for _, f := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(c.Long, -1) {
			if !flags[f] {
				t.Errorf("%s names the flag %s, which no verb has", c.Name(), f)
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^ +port843 ([a-z]+)|\| port843 ([a-z]+)`).FindAllStringSubmatch(c.Long, -1) {
			if !verbs[m[1]+m[2]] {
				t.Errorf("%s names the verb %q, which there is not", c.Name(), m[1]+m[2])
			}
		}
	}
	if len(topics) < 5 {
		t.Fatalf("%d topics", len(topics))
	}
}

func TestHelpListsTopics(t *testing.T) {
	_, out, _ := run(t, "help")
	if !strings.Contains(out, "port843 wire ") || strings.Contains(out, "  manual") {
		t.Errorf("help says\n%s", out)
	}
}

// TestCompletions has each shell read the script made for it.
func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			path := need.Tool(t, shell)
			code, out, errs := run(t, "completion", shell)
			if code != cli.ExitOK {
				t.Fatalf("exit %d\n%s", code, errs)
			}
			cmd := exec.Command(path, "-n")
			cmd.Stdin = strings.NewReader(out)
			if got, err := cmd.CombinedOutput(); err != nil || len(got) > 0 {
				t.Errorf("%s does not read it: %v\n%s", shell, err, got)
			}
		})
	}
	// What the scripts call.
	if code, out, _ := run(t, "__complete", "se"); code != cli.ExitOK || !strings.Contains(out, "serve\t") {
		t.Errorf("exit %d\n%s", code, out)
	}
}
