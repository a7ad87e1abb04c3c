package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/policy"
)

// runVerb runs the program in this process.
func runVerb(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(newRoot, cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs}, args)
	return code, out.String(), errs.String()
}

func TestLintExitCodes(t *testing.T) {
	const (
		clean   = `<cross-domain-policy><site-control permitted-cross-domain-policies="none"/></cross-domain-policy>`
		note    = `<cross-domain-policy><site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*.example.com" to-ports="9000"/></cross-domain-policy>`
		warning = `<cross-domain-policy><site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*" to-ports="9000"/></cross-domain-policy>`
		grave   = `<cross-domain-policy>`
	)
	for _, c := range []struct {
		in   string
		args []string
		want int
	}{
		{clean, nil, cli.ExitOK},
		{note, nil, cli.ExitOK},
		{note, []string{"--fail-on", "note"}, cli.ExitNo},
		{warning, nil, cli.ExitNo},
		{warning, []string{"--fail-on", "error"}, cli.ExitOK},
		{grave, []string{"--fail-on", "error"}, cli.ExitNo},
		{grave, []string{"--fail-on", "never"}, cli.ExitOK},
		{grave, []string{"--format", "yaml"}, cli.ExitError},
		{grave, []string{"/no/such/file.xml"}, cli.ExitError},
	} {
		if code, out, errs := runVerb(t, c.in, append([]string{"lint", "-"}, c.args...)...); code != c.want {
			t.Errorf("%v of %s: %d, want %d\n%s%s", c.args, c.in, code, c.want, out, errs)
		}
	}
}

func TestFmtExitCodes(t *testing.T) {
	for _, c := range []struct {
		in   string
		args []string
		want int
	}{
		{"<a/>\n", []string{"-d"}, cli.ExitOK},
		{"<a></a>", []string{"-d"}, cli.ExitNo},
		{"<a></a>", []string{"-l"}, cli.ExitOK},
		{"<a></a>", nil, cli.ExitOK},
		{"<a>", nil, cli.ExitError},
		{"<a></a>", []string{"-w"}, cli.ExitError},
		{"<a></a>", []string{"-w", "-"}, cli.ExitError},
	} {
		if code, out, errs := runVerb(t, c.in, append([]string{"fmt"}, c.args...)...); code != c.want {
			t.Errorf("%v of %s: %d, want %d\n%s%s", c.args, c.in, code, c.want, out, errs)
		}
	}
}

// TestLintFetches lints what servers say: over a socket, with its port, and
// over HTTP, with its Content-Type and redirects.
func TestLintFetches(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, len(policy.Request))
			if _, err := io.ReadFull(c, buf); err == nil {
				_, _ = io.WriteString(c, "<cross-domain-policy>\n<allow-access-from domain=\"www.example.com\" to-ports=\"80\"/>\n</cross-domain-policy>\x00")
			}
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	code, out, errs := runVerb(t, "", "lint", "xmlsocket://"+l.Addr().String())
	if code != cli.ExitNo || !strings.Contains(out, l.Addr().String()+":2:55: error: port 80 cannot be granted by a policy from port") || errs != "" {
		t.Errorf("%d\n%s%s", code, out, errs)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/crossdomain.xml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-\u202e")
		_, _ = io.WriteString(w, `<cross-domain-policy><allow-access-from domain="www.example.com"/></cross-domain-policy>`)
	})
	mux.Handle("/here", http.RedirectHandler("/crossdomain.xml", http.StatusFound))
	mux.Handle("/away", http.RedirectHandler("http://127.0.0.2:1/crossdomain.xml", http.StatusFound))
	s := httptest.NewServer(mux)
	defer s.Close()
	for path, want := range map[string]string{
		"/crossdomain.xml": "the web server sends it as",
		"/here":            `the web server redirects to "` + s.URL + `/crossdomain.xml" [redirect]`,
		"/away":            "it redirects to another host, http://127.0.0.2:1/crossdomain.xml, which is not followed [redirect]",
	} {
		code, out, errs := runVerb(t, "", "lint", s.URL+path)
		if code != cli.ExitNo || !strings.Contains(out, want) || strings.Contains(out, "\u202e") || errs != "" {
			t.Errorf("%s: %d\n%q\n%s", path, code, out, errs)
		}
	}
	if code, _, errs := runVerb(t, "", "lint", s.URL+"/none"); code != cli.ExitError || !strings.Contains(errs, "404") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestLintHostileNames holds that a file's name does nothing to the terminal.
func TestLintHostileNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such names")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a\x1b[2J\nb.xml")
	if err := os.WriteFile(name, []byte("<cross-domain-policy>\x1b"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"lint", dir}, {"lint", "--format", "json", dir}, {"lint", "--format", "sarif", dir}, {"lint", "--format", "github", dir}, {"lint", name + "x"}, {"fmt", name}, {"fmt", "-l", name}} {
		_, out, errs := runVerb(t, "", args...)
		if strings.Contains(out+errs, "\x1b") || strings.Contains(out+errs, "\nb.xml") {
			t.Errorf("%v: %q %q", args[:2], out, errs)
		}
	}
}
