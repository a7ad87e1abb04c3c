// Package contrib tests what is handed to other people's tools, against the
// tools where they can be had, and against the impostors.
package contrib

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

func start(t *testing.T, name, addr string) *audittest.Server {
	t.Helper()
	for _, imp := range audittest.All() {
		if imp.Name == name {
			s, err := imp.Start(addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			return s
		}
	}
	t.Fatalf("there is no impostor %q", name)
	return nil
}

// nmap runs nmap on the addresses' port 10843 and returns what it says of each.
func nmap(t *testing.T, addrs []string, args ...string) map[string]string {
	t.Helper()
	tool := need.Tool(t, "nmap")
	args = append(append([]string{"-sT", "-Pn", "-n", "-p", "10843"}, args...), addrs...)
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nmap %v: %v\n%s", args, err, out)
	}
	said := map[string]string{}
	for part := range strings.SplitSeq(string(out), "Nmap scan report for ") {
		addr, text, _ := strings.Cut(part, "\n")
		said[strings.TrimSpace(addr)] = text
	}
	return said
}

func TestNmapScript(t *testing.T) {
	need.Tool(t, "nmap")
	want := map[string][]string{
		"good":             {"severity: info (0.0)", `*.example.com may reach ports 9000`},
		"no-nul":           {"severity: low (3.1)", "low: the NUL after the document is missing"},
		"policyfile-npm":   {"severity: high (7.4)", "any page may make its visitor's browser reach every port"},
		"nginx-error-page": {"HTTP headers stand before the document"},
		"url-policy":       {"a rule has no to-ports"},
		"entities":         {"medium: the document declares entities"},
		"silverlight":      {"a policy for Silverlight"},
	}
	addrs, names := []string{}, map[string]string{}
	for name := range want {
		addr := "127.8.0." + string(rune('1'+len(addrs)))
		start(t, name, addr+":10843")
		addrs, names[addr] = append(addrs, addr), name
	}
	others := []string{"echo", "http-soft-404", "talk-of-policies", "escape-sequences"}
	for i, name := range others {
		addr := "127.8.1." + string(rune('1'+i))
		start(t, name, addr+":10843")
		addrs, names[addr] = append(addrs, addr), name
	}
	script, err := filepath.Abs("nmap/flash-socket-policy.nse")
	if err != nil {
		t.Fatal(err)
	}
	for addr, text := range nmap(t, addrs, "--script", "+"+script) {
		name := names[addr]
		for _, each := range want[name] {
			if !strings.Contains(text, each) {
				t.Errorf("%s: %q is missing in\n%s", name, each, text)
			}
		}
		if want[name] == nil && strings.Contains(text, "flash-socket-policy:") {
			t.Errorf("%s is taken for a policy server:\n%s", name, text)
		}
	}
}

// TestNmapProbe: nmap names what it could not name, and is not taken in.
func TestNmapProbe(t *testing.T) {
	need.Tool(t, "nmap")
	known, err := os.ReadFile(need.File(t, "/usr/share/nmap/nmap-service-probes"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("nmap/flash-socket-policy.probes")
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "probes")
	if err := os.WriteFile(db, append(known, own...), 0o644); err != nil {
		t.Fatal(err)
	}
	addrs := []string{"127.8.2.1", "127.8.2.2", "127.8.2.3", "127.8.2.4"}
	for i, name := range []string{"good", "konica-minolta", "url-policy", "echo-greeting"} {
		start(t, name, addrs[i]+":10843")
	}
	want := []string{"Flash socket policy (domain: *.example.com; ports: 9000)", "Konica Minolta printer socket policy", "adobe-crossdomain", ""}
	// Intensity 0 leaves out all probes but those of the port.
	said := nmap(t, addrs, "-sV", "--version-intensity", "0", "--versiondb", db)
	for i, addr := range addrs {
		text := said[addr]
		if !strings.Contains(text, want[i]) || want[i] == "" && strings.Contains(text, "crossdomain") {
			t.Errorf("%s: want %q in\n%s", addr, want[i], text)
		}
	}
}

// answers asks every impostor for its policy, as the tools do.
func answers(t *testing.T, request []byte) map[string][]byte {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	out := map[string][]byte{}
	for _, imp := range audittest.All() {
		s, err := imp.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		group.Go(func() {
			c, err := net.Dial("tcp", s.Addr.String())
			if err != nil {
				return // one that resets at once
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Second))
			c.Write(request)
			data, _ := io.ReadAll(io.LimitReader(c, 4096))
			mu.Lock()
			defer mu.Unlock()
			out[imp.Name] = data
		})
	}
	group.Wait()
	return out
}

// TestNuclei runs the template's bytes and patterns against the impostors.
func TestNuclei(t *testing.T) {
	text, err := os.ReadFile("nuclei/flash-socket-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	request, err := hex.DecodeString(regexp.MustCompile(`data: "([0-9a-f]+)"`).FindStringSubmatch(string(text))[1])
	if err != nil || string(request) != policy.Request {
		t.Fatalf("the template sends %q, %v", request, err)
	}
	block := regexp.MustCompile(`(?s)matchers:\n(.*?)\n    extractors`).FindSubmatch(text)[1]
	type matcher struct {
		negative bool
		patterns []*regexp.Regexp
	}
	var matchers []matcher
	for _, part := range bytes.Split(block, []byte("- type: regex"))[1:] {
		m := matcher{negative: bytes.Contains(part, []byte("negative: true"))}
		for _, each := range regexp.MustCompile(`(?m)^\s+- '(.*)'$`).FindAllSubmatch(part, -1) {
			m.patterns = append(m.patterns, regexp.MustCompile(strings.ReplaceAll(string(each[1]), "''", "'")))
		}
		matchers = append(matchers, m)
	}
	if len(matchers) != 4 {
		t.Fatalf("%d matchers were read", len(matchers))
	}
	hits := map[string]bool{}
	for name, data := range answers(t, request) {
		hit := true
		for _, m := range matchers {
			any := false
			for _, p := range m.patterns {
				any = any || p.Match(data)
			}
			hit = hit && any != m.negative
		}
		hits[name] = hit
	}
	for name, want := range map[string]bool{
		"good": false, "policyfile-npm": true, "konica-minolta": true, "foreign-file": true, "url-policy": true,
		"echo": false, "http-soft-404": false, "talk-of-policies": false, "silverlight": false, "nginx-error-page": false, "late": false,
	} {
		if hits[name] != want {
			t.Errorf("%s: the template says %v", name, hits[name])
		}
	}
}

// TestZeek runs the signatures' patterns against the impostors' answers.
func TestZeek(t *testing.T) {
	text, err := os.ReadFile("zeek/flash-socket-policy.sig")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^  payload /(.*)/$`).FindAllSubmatch(text, -1)
	if len(found) != 3 {
		t.Fatalf("%d payload patterns", len(found))
	}
	patterns := make([]*regexp.Regexp, 3)
	for i, m := range found {
		// Zeek's dot takes a line break too.
		patterns[i] = regexp.MustCompile("(?s)^(?:" + strings.ReplaceAll(strings.TrimPrefix(string(m[1]), "^"), "{0,4096}", "{0,1000}") + ")")
	}
	if !patterns[0].MatchString(policy.Request) || !patterns[0].MatchString("<policy-file-request />") || patterns[0].MatchString("GET / HTTP/1.0") {
		t.Error("the request's signature is wrong")
	}
	all := answers(t, []byte(policy.Request))
	for name, want := range map[string][2]bool{
		"good": {true, false}, "policyfile-npm": {true, true}, "bom": {true, false}, "echo": {false, false}, "ssh": {false, false}, "silverlight": {false, false},
	} {
		if got := [2]bool{patterns[1].Match(all[name]), patterns[2].Match(all[name])}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestBlackbox has the exchange of the blackbox module: a line that is sent, a
// line that is expected.
func TestBlackbox(t *testing.T) {
	text, err := os.ReadFile("blackbox/blackbox.yml")
	if err != nil {
		t.Fatal(err)
	}
	send := regexp.MustCompile(`send: "(.*)"`).FindSubmatch(text)
	expect := regexp.MustCompile(`expect: "(.*)"`).FindSubmatch(text)
	if send == nil || expect == nil {
		t.Fatal("the module sends or expects nothing")
	}
	// The exporter ends what it sends with a line feed.
	all := answers(t, append(send[1], '\n'))
	for name, want := range map[string]bool{"at-the-slash": true, "any-request": true, "http": false, "echo": false, "ssh": false, string(audit.ClassSilent): false} {
		if got := regexp.MustCompile(string(expect[1])).Match(all[name]); got != want {
			t.Errorf("%s: the module says %v", name, got)
		}
	}
}
