//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/web"
)

// runStatus runs "port843 status args…" to its end.
func runStatus(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary(t), append([]string{"status"}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestStatusTellsWhatThePageTells(t *testing.T) {
	path := filepath.Join(publicDir(t), "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startService(t, "--listen", "127.0.0.1:0", "--policy", path, "--admin", "127.0.0.1:0")
	ask(t, s.address(t, 0))
	replace(t, path, policyOf("two.test"))
	s.logged(t, "reloaded")
	eventually(t, "all of it is told", func() bool {
		code, out, _ := runStatus(t, "--admin", s.admin(t))
		return code == 0 && strings.HasPrefix(out, "all is well\n") && strings.Contains(out, s.address(t, 0)) &&
			strings.Contains(out, "+ two.test may reach") && strings.Contains(out, "- one.test may reach") &&
			strings.Contains(out, "(the file changed)") && strings.Contains(out, "REQUESTORS FROM")
	})
	replace(t, path, "<cross-domain-policy>\n<allow-access-from domain=\"*.com\" to-ports=\"1\"/>")
	s.logged(t, "reload refused")
	eventually(t, "the refusal comes first", func() bool {
		code, out, _ := runStatus(t, "--admin", s.admin(t))
		return code == 1 && strings.HasPrefix(out, "it serves, and something is to be looked at:\n  reload refused") && strings.Contains(out, path+":2:28")
	})
	code, out, _ := runStatus(t, "--admin", s.admin(t), "--json")
	var st daemon.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 1 || st.Status != "degraded" || len(st.Sources[0].History) < 2 || st.Who == nil || len(st.Who.Files) != 1 || st.Who.Files[0].Rules[0].Domain != "two.test" {
		t.Errorf("--json: exit code %d, %v\n%s", code, err, out)
	}
}

// ourStatus is what a service of two departments says, with something of each
// part in it.
func ourStatus() *daemon.Status {
	now := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	const evil = "\x1b[2Jforged\u202e"
	return &daemon.Status{
		Version: "v1", Started: now.Add(-time.Hour), Status: "degraded", Ready: true, User: "nobody",
		Reasons:   []string{"the backend 127.0.0.1:17000 of 0.0.0.0:7000 is down: refused", "two\nlines " + evil},
		Limits:    daemon.StatusLimits{DeadlineSeconds: 5, MaxConnections: 10000, MaxPerAddress: 100},
		Listeners: []daemon.StatusListener{{Address: "0.0.0.0:843", Source: "port843.toml", Digest: "0123456789abcdef", Bytes: 500, Accepted: 1234567, Outcomes: map[string]uint64{"answered": 1234567}}},
		Fronts: []daemon.StatusFront{
			{Address: "0.0.0.0:9000", Services: []web.Service{{Name: "chat"}}, Backends: []frontdoor.BackendState{{Address: "127.0.0.1:19000", Up: true, Since: now}}},
			{
				Address: "0.0.0.0:7000", Services: []web.Service{{Name: "lobby"}}, WebSockets: 7, Up: 12_345_678,
				Backends: []frontdoor.BackendState{{Address: "127.0.0.1:17001", Up: true, Since: now}, {Address: "127.0.0.1:17000", Since: now.Add(-time.Minute), Dials: 9, Failed: 3, Error: "refused"}},
				Refused:  []web.RefusedOrigin{{Origin: "https://evil.example", Why: "no", Times: 40, Last: now}, {Times: 1, Last: now, Why: evil}},
			},
		},
		Sources: []daemon.SourceState{{Name: "port843.toml", Since: now, Reloads: 1, Refusals: 1, History: []web.Reload{
			{At: now, Why: "the file changed", Error: "port843.toml:3:1: a mistake " + evil},
			{At: now, Why: "SIGHUP", Changes: []web.Change{{Address: "all addresses", Granted: []web.Term{{Text: "a.test may reach 7000", Origins: []string{"games, a.xml:2:3"}}}}}},
		}}},
		Who: &web.Who{
			Owners: []web.WhoOwner{{Name: "physics", Standing: "its last good version stays in service", Refusals: []web.WhoRefusal{{Code: "port-not-owners", Text: "tables.xml:2:66: port 22"}}}},
			Tables: []web.WhoTable{{
				Source: "port843.toml", Address: "all addresses", Services: []web.WhoService{{Name: "chat", Ports: "9000"}, {Name: "lobby", Ports: "7000"}},
				Rows: []web.WhoRow{
					{Domain: "*.physics.example.edu", Cells: []web.WhoCell{{Reach: "https", Origins: []string{"physics · port843.toml:28"}}, {Reach: "no"}}},
					{Domain: "*", Cells: []web.WhoCell{{Reach: "no"}, {Reach: "yes", Origins: []string{"games · port843.toml:42"}}}, Other: "7010", OtherFrom: []string{"games · scores.xml:2"}},
				},
			}},
			Linted: []web.Linted{{Place: "port843.toml", Findings: []web.WhoFinding{{Severity: "warning", Code: "any-domain", At: "4:28", Message: "every site may connect to port 7000", Hint: "name the domains"}}}},
		},
	}
}

// TestStatusFitsTheTerminal holds every width to its word: no line is longer,
// and nothing is left out.
func TestStatusFitsTheTerminal(t *testing.T) {
	now := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	said := []string{
		"physics port843.toml:28", "games port843.toml:42", "games scores.xml:2", "over HTTPS", "port-not-owners", "every site may connect", "name the domains",
		"12.3 MB", "1,234,567", "0123456789ab", "https://evil.example, 40 times", "without an Origin, once", "down 127.0.0.1:17000 since 1 min ago", "a mistake", "(the file changed)", "(SIGHUP)", "+ a.test may reach 7000: games, a.xml:2:3",
	}
	for _, width := range []int{0, 200, 132, 80, 60, 40} {
		s := sheet{width: width}
		printStatus(&s, ourStatus(), now)
		text := s.text(0)
		flat := strings.Join(strings.Fields(text), " ")
		for _, want := range said {
			if !strings.Contains(flat, want) {
				t.Errorf("at %d characters %q is missing in\n%s", width, want, text)
			}
		}
		for _, line := range s.lines {
			if longest := longestWord(line); width > 0 && len(line) > max(width, longest) {
				t.Errorf("at %d characters a line has %d: %s", width, len(line), line)
			}
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }); i >= 0 {
			t.Errorf("at %d characters something is printed as it came: %q", width, text[i:])
		}
		if !strings.HasPrefix(flat, "it serves, and something is to be looked at: the backend 127.0.0.1:17000") {
			t.Errorf("what is not well does not come first:\n%s", text)
		}
		if lobby, chat := strings.Index(text, "lobby 0.0.0.0:7000"), strings.Index(text, "chat 0.0.0.0:9000"); lobby < 0 || chat < lobby {
			t.Errorf("the front with a backend that is down does not come first:\n%s", text)
		}
	}
	wide, narrow := sheet{width: 132}, sheet{width: 60}
	printStatus(&wide, ourStatus(), now)
	printStatus(&narrow, ourStatus(), now)
	if !strings.Contains(wide.text(0), "  REQUESTORS FROM        chat 9000  ") || !strings.Contains(narrow.text(0), "  *\n    lobby 7000: yes: games port843.toml:42\n    other ports: 7010: games scores.xml:2\n") {
		t.Errorf("the matrix is neither a table nor a list:\n%s\n%s", wide.text(0), narrow.text(0))
	}
	if lines := strings.Split(narrow.text(24), "\n"); len(lines) != 24 || lines[23] != "" || !strings.Contains(lines[22], " lines more: ") {
		t.Errorf("at a height of 24:\n%q", lines)
	}
}

// longestWord is the least that a line with its indentation can be cut to.
func longestWord(line string) int {
	longest := 0
	for word := range strings.FieldsSeq(line) {
		longest = max(longest, len(word))
	}
	return longest + len(line) - len(strings.TrimLeft(line, " "))
}

func TestStatusWatches(t *testing.T) {
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	cmd := exec.Command(binary(t), "status", "--admin", s.admin(t), "--watch", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for range 2 {
		var st daemon.Status
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &st) != nil || st.Status != "ok" {
			t.Errorf("the line %q", lines.Text())
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
}

func TestStatusIsLetIn(t *testing.T) {
	dir := publicDir(t)
	token := filepath.Join(dir, "token")
	replace(t, token, "abcdefghijklmnopqrstuvwxyz\n")
	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0", "--admin-token-file", token)
	address := "127.0.0.1" + s.admin(t)[strings.LastIndexByte(s.admin(t), ':'):]
	if code, _, errs := runStatus(t, "--admin", address); code != 2 || !strings.Contains(errs, "asks for its token") || !strings.Contains(errs, "hint: ") {
		t.Errorf("without the token: exit code %d, %s", code, errs)
	}
	if code, out, errs := runStatus(t, "--admin", address, "--token-file", token); code != 0 || !strings.HasPrefix(out, "all is well") {
		t.Errorf("with the token: exit code %d, %s", code, errs)
	}
	for path, want := range map[string]int{"/": 401, "/metrics": 401, "/debug/pprof/": 401, "/healthz": 401, "/events": 401, "/readyz": http.StatusOK} {
		if code, body := get(t, "http://"+address+path); code != want {
			t.Errorf("%s without the token: %d %s", path, code, body)
		}
	}
}

func TestStatusOverAUnixSocket(t *testing.T) {
	socket := filepath.Join(publicDir(t), "admin.sock")
	for range 2 { // what the first one leaves behind is not in the second one's way
		s := startService(t, "--listen", "127.0.0.1:0", "--admin", "unix:"+socket)
		s.logged(t, "admin pages")
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("the socket's rights: %v, %v", info, err)
		}
		if code, out, errs := runStatus(t, "--admin", "unix:"+socket); code != 0 || !strings.HasPrefix(out, "all is well") {
			t.Errorf("exit code %d, %s", code, errs)
		}
		if second := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--admin", "unix:"+socket).Run(); second == nil {
			t.Error("a second service takes the socket of a running one")
		}
		s.cmd.Process.Kill()
		<-s.done
	}
	if code, _, errs := runStatus(t, "--admin", "unix:"+socket); code != 2 || !strings.Contains(errs, "hint: ") {
		t.Errorf("of a service that is gone: exit code %d, %s", code, errs)
	}
}
