package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/internal/auditreport"
	"github.com/port843/port843/internal/need"
)

// scriptCommands are what scripts can say beside testscript's own.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	// waitfor ADDR waits until something accepts connections there.
	"waitfor": func(ts *testscript.TestScript, _ bool, args []string) {
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if c, err := net.Dial("tcp", args[0]); err == nil {
				c.Close()
				return
			}
		}
		ts.Fatalf("nothing listens on %s", args[0])
	},
}

// runScan runs port843 and returns its standard output and exit code.
func runScan(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command("port843", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code == 2 {
		t.Logf("port843 %s: %s", strings.Join(args, " "), errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// startCrowd starts the impostors on one port of addresses of their own.
func startCrowd(t *testing.T, network string) (targets []string) {
	t.Helper()
	for i, imp := range audittest.All() {
		at := fmt.Sprintf("%s.%d:10843", network, i+1)
		s, err := imp.Start(at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		targets = append(targets, at)
	}
	return targets
}

// TestScanCrowd scans the impostors, and writes what it saw in all formats.
func TestScanCrowd(t *testing.T) {
	targets := startCrowd(t, "127.6.0")
	lines := filepath.Join(t.TempDir(), "lines.jsonl")
	if _, code := runScan(t, append([]string{"scan", "--rate-net", "0", "--rate", "0", "-f", "jsonl", "-o", lines}, targets...)...); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	text, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i, imp := range audittest.All() {
		want[fmt.Sprintf("127.6.0.%d", i+1)] = string(imp.Want.Class)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		var r survey.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		// On a loaded machine an end that comes at once may be seen only when
		// the request is out; package audit's tests hold the two apart.
		seen := strings.Replace(string(r.Class), "-after-request", "-at-once", 1)
		if want := strings.Replace(want[r.IP.String()], "-after-request", "-at-once", 1); seen != want {
			t.Errorf("%s is %s, want %s", r.IP, seen, want)
		}
		n++
	}
	if n != len(targets) {
		t.Errorf("%d records, want %d", n, len(targets))
	}
	for _, format := range auditreport.Formats {
		out, code := runScan(t, "scan", "--from", lines, "--offline", "-f", string(format), "--fail-on", "error")
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1", format, code)
		}
		checkFormat(t, format, out, n)
	}
}

// checkFormat reads a report back, and looks for what must not be in any.
func checkFormat(t *testing.T, format auditreport.Format, out string, n int) {
	t.Helper()
	for _, c := range []byte(out) {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			t.Errorf("%s: the control character %#x is in the output", format, c)
			break
		}
	}
	markup := format == "html" || format == "markdown" || format == "nmap" || format == "junit"
	if markup && strings.Contains(out, "<script>alert") {
		t.Errorf("%s: a server's markup is in the output", format)
	}
	switch format {
	case "csv":
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || len(rows) != n+1 {
			t.Errorf("csv: %d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("csv: the cell %q is a formula", cell)
				}
			}
		}
	case "nmap", "junit":
		for d := xml.NewDecoder(strings.NewReader(out)); ; {
			if _, err := d.Token(); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", format, err)
				}
				break
			}
		}
	case "sarif":
		var log struct {
			Version string
			Runs    []struct{ Results []struct{ RuleID string } }
		}
		if err := json.Unmarshal([]byte(out), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) < 20 {
			t.Errorf("sarif: %v, %+v", err, log.Version)
		}
	case "html":
		for _, no := range []string{"http://", "https://", "src=", "@import", "url("} {
			if strings.Contains(strings.ReplaceAll(out, "http://www.", ""), no) {
				t.Errorf("html: the page holds %q: it must load nothing", no)
			}
		}
	}
}

// TestScanResumes kills a scan in the middle, and lets another one end it: the
// output file holds each target once.
func TestScanResumes(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	for host := range 100 {
		s, err := audittest.Impostor{Talk: func(c net.Conn) {
			mu.Lock()
			asked[c.LocalAddr().String()]++
			mu.Unlock()
			c.Write([]byte("SSH-2.0-x\r\n"))
		}}.Start(fmt.Sprintf("127.7.0.%d:10843", host))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	dir := t.TempDir()
	state, output := filepath.Join(dir, "state"), filepath.Join(dir, "out.jsonl")
	args := []string{"scan", "127.7.0.0-99", "-p", "10843", "--rate", "0", "--rate-net", "0", "--parallel", "4", "--resume", state, "-f", "jsonl", "-o", output}
	cmd := exec.Command("port843", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(state); bytes.Count(text, []byte("\n")) > 30 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the scan does not come on")
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if _, code := runScan(t, args...); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var r survey.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		seen[r.IP.String()]++
	}
	for host := range 100 {
		if n := seen[fmt.Sprintf("127.7.0.%d", host)]; n != 1 {
			t.Errorf("host %d is in the output %d times", host, n)
		}
	}
	again := 0
	for _, n := range asked {
		again += n - 1
	}
	if again > 4 {
		t.Errorf("%d targets were asked again; 4 at most were under way", again)
	}
}

// TestScanForNdiff lets Debian's ndiff compare two scans.
func TestScanForNdiff(t *testing.T) {
	ndiff := need.Tool(t, "ndiff")
	good := audittest.All()[0]
	s, err := good.Start("127.6.1.1:10843")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if _, code := runScan(t, "scan", "127.6.1.1-2", "-p", "10843", "-f", "nmap", "-o", path); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		return path
	}
	before, again := write("before.xml"), write("again.xml")
	s.Close()
	after := write("after.xml")
	if out, err := exec.Command(ndiff, before, again).CombinedOutput(); err != nil {
		t.Errorf("ndiff of two equal scans: %v\n%s", err, out)
	}
	out, err := exec.Command(ndiff, before, after).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "adobe-crossdomain") || !strings.Contains(string(out), "closed") {
		t.Errorf("ndiff of two scans: %v\n%s", err, out)
	}
}
