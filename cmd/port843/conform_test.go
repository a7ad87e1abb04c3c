package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
	"github.com/port843/port843/internal/cli"
)

// conformVerb runs the verb as a user does.
func conformVerb(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = cli.Main(newRoot, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}, append([]string{"conform"}, args...))
	return code, o.String(), e.String()
}

func badServer(t *testing.T, name string) string {
	t.Helper()
	for _, m := range append(badserver.Mistakes(), badserver.Good()) {
		if m.Name == name {
			s, err := badserver.Start(m, "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			return s.Addr()
		}
	}
	t.Fatalf("no server %s", name)
	return ""
}

func TestConformVerb(t *testing.T) {
	good, bad := badServer(t, "good"), badServer(t, "needs-nul")
	quick := "--only=answer-nul,no-nul,crlf"
	for _, c := range []struct {
		name string
		args []string
		code int
		out  []string
		errs []string
	}{
		{"good", []string{quick, good}, cli.ExitOK, []string{"  pass     no-nul", "the request\n", "3 of 3 passed, 31 skipped in "}, nil},
		{"bad", []string{quick, "--timeout=300ms", bad}, cli.ExitNo, []string{"  fail     no-nul", "failed: crlf\n  wanted: a request typed in telnet", "1 of 3 passed"}, nil},
		{"skip", []string{quick, "--skip=crlf", "--skip=no-nul", bad}, cli.ExitOK, []string{"1 of 1 passed"}, nil},
		{"nobody there", []string{"127.0.0.1:1"}, cli.ExitError, nil, []string{"error: 127.0.0.1:1: ", "hint: is the server running"}},
		{"no port", []string{"127.0.0.1"}, cli.ExitError, nil, []string{"missing port"}},
		{"unknown case", []string{"--only=crlg", good}, cli.ExitError, nil, []string{`only is "crlg"`}},
		{"bad number", []string{"--idle=-1", good}, cli.ExitError, nil, []string{"idle is -1, want 1 to 60000"}},
		{"no argument", nil, cli.ExitError, nil, []string{"conform takes one HOST:PORT"}},
		{"list", []string{"--list"}, cli.ExitOK, []string{"strangers\n", "  tls-hello: "}, nil},
		{"help", []string{"--help"}, cli.ExitOK, []string{"--exec command", "Exit codes: 0"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := conformVerb(c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(out, want) {
					t.Errorf("output lacks %q:\n%s", want, out)
				}
			}
			for _, want := range c.errs {
				if !strings.Contains(errs, want) {
					t.Errorf("errors lack %q:\n%s", want, errs)
				}
			}
			if len(c.errs) == 0 && errs != "" {
				t.Errorf("errors: %s", errs)
			}
		})
	}
}

func TestConformVerbJSON(t *testing.T) {
	code, out, _ := conformVerb("--json", "--only=no-nul", "--timeout=300ms", badServer(t, "needs-nul"))
	var report struct {
		Failed  int
		Results []struct{ ID, Outcome string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != cli.ExitNo || report.Failed != 1 || len(report.Results) != len(conform.Cases()) {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	var list []struct{ ID, Group, Title, Asks, Why string }
	code, out, _ = conformVerb("--list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != cli.ExitOK || len(list) != len(conform.Cases()) || list[0].Why == "" {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
}
