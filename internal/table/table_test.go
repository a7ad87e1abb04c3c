package table

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

const two = `[serve]
listen = ["127.0.0.1:843"]
[[owner]]
name = "a"
ports = "9000-9009"
domains = ["*.a.example"]
addresses = ["192.0.2.1"]
policies = ["a/*.xml"]
[[owner]]
name = "b"
ports = "9010-9019"
domains = ["*.b.example"]
addresses = ["192.0.2.2"]
policies = ["b/*.xml"]
[[service]]
name = "s"
owner = "b"
ports = "9010"
allow = ["s.b.example"]
`

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

// machine is a config and its files in a folder of the test's own.
type machine struct {
	t   *testing.T
	dir string
	l   *Loader
	age time.Duration
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, dir: t.TempDir(), age: time.Hour}
	m.l = New(filepath.Join(m.dir, "port843.toml"))
	m.write("port843.toml", two)
	m.rule("a/1.xml", "x.a.example", "9000")
	m.rule("b/1.xml", "x.b.example", "9011")
	return m
}

// write puts a file there that seems to be of an hour ago, and each a second
// younger than the last, so that its time tells it from what it replaces.
func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.age -= time.Second
	when := time.Now().Add(-m.age)
	if err := os.Chtimes(path, when, when); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) rule(name, domain, ports string) {
	m.t.Helper()
	m.write(name, fmt.Sprintf("<cross-domain-policy>\n<allow-access-from domain=%q to-ports=%q/>\n</cross-domain-policy>\n", domain, ports))
}

func (m *machine) load() *Tables {
	m.t.Helper()
	t, err := m.l.Load()
	if err != nil {
		m.t.Fatal(err)
	}
	return t
}

func (m *machine) want(t *Tables, a netip.Addr, want ...string) {
	m.t.Helper()
	var got []string
	for _, r := range t.Result.Lookup(a).Rules {
		got = append(got, r.Domain.String()+" "+r.Ports.String())
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%s: %q, want %q", a, got, want)
	}
}

func TestLoadFollowsFiles(t *testing.T) {
	m := newMachine(t)
	first := m.load()
	m.want(first, addrA, "x.a.example 9000")
	m.want(first, addrB, "s.b.example 9010", "x.b.example 9011")
	if first.Read != 2 || len(m.l.Paths()) != 3 {
		t.Errorf("%d files read, paths %v", first.Read, m.l.Paths())
	}

	if again := m.load(); again.Read != 0 || again.Result.Lookup(addrA) != first.Result.Lookup(addrA) {
		t.Errorf("nothing changed, and %d files were read or a table was made anew", again.Read)
	}

	m.rule("a/2.xml", "y.a.example", "9001")
	second := m.load()
	m.want(second, addrA, "x.a.example 9000", "y.a.example 9001")
	if second.Read != 1 || second.Result.Lookup(addrB) != first.Result.Lookup(addrB) {
		t.Errorf("%d files read; is b's table another: %v", second.Read, second.Result.Lookup(addrB) != first.Result.Lookup(addrB))
	}

	m.rule("a/1.xml", "*", "9000")
	bad := m.load()
	m.want(bad, addrA, "x.a.example 9000", "y.a.example 9001")
	m.want(bad, addrB, "s.b.example 9010", "x.b.example 9011")
	if r := bad.Refused(); len(r) != 1 || !strings.HasPrefix(r[0], filepath.Join(m.dir, "a/1.xml")+":2:28: a: ") {
		t.Errorf("refused: %q", r)
	}

	if err := os.Remove(filepath.Join(m.dir, "a/1.xml")); err != nil {
		t.Fatal(err)
	}
	fixed := m.load()
	m.want(fixed, addrA, "y.a.example 9001")
	if len(fixed.Refused()) != 0 {
		t.Errorf("refused: %q", fixed.Refused())
	}
}

func TestJustWrittenFilesAreReadAgain(t *testing.T) {
	m := newMachine(t)
	m.age = 0
	m.rule("a/1.xml", "x.a.example", "9000")
	m.load()
	path := filepath.Join(m.dir, "a/1.xml")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	m.rule("a/1.xml", "x.a.example", "9001") // as long, and within the file system's step
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	m.want(m.load(), addrA, "x.a.example 9001")
}

func TestConfigChanges(t *testing.T) {
	m := newMachine(t)
	first := m.load()

	m.write("port843.toml", strings.Replace(two, `"9000-9009"`, `"9000-"`, 1))
	if got, err := m.l.Load(); got != nil || len(config.MistakesOf(err)) != 1 {
		t.Fatalf("a config with a mistake: %v, %v", got, err)
	}
	if err := os.Remove(m.l.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.l.Load(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a config that is gone: %v", err)
	}
	if len(m.l.Paths()) != 3 {
		t.Errorf("the Loader forgot what it reads: %v", m.l.Paths())
	}

	m.write("port843.toml", strings.ReplaceAll(two, `"*.b.example"`, `"b.example"`))
	narrowed := m.load()
	m.want(narrowed, addrB)
	if narrowed.Result.Lookup(addrA) != first.Result.Lookup(addrA) {
		t.Error("a's table was made anew, and a stands above the change")
	}

	m.write("port843.toml", two[:strings.Index(two, "[[owner]]\nname = \"b\"")])
	gone := m.load()
	m.want(gone, addrA, "x.a.example 9000")
	m.want(gone, addrB)

	m.write("port843.toml", strings.Replace(two, "127.0.0.1:843", "127.0.0.1:10843", 1)+"[[owner]]\nname = \"low\"\nports = \"80\"\ndomains = \"*\"\n[[service]]\nname = \"www\"\nowner = \"low\"\nports = \"80\"\nallow = \"*\"\n")
	above := m.load()
	if r := above.Refused(); len(r) != 1 || !strings.Contains(r[0], "low, service www") {
		t.Errorf("refused when served from 10843: %q", r)
	}
	m.want(above, addrA, "x.a.example 9000")
}

func TestFilesThatCannotBeRead(t *testing.T) {
	m := newMachine(t)
	if err := os.MkdirAll(filepath.Join(m.dir, "a/dir.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(m.dir, "b/link.xml")); err != nil {
		t.Fatal(err)
	}
	m.write("a/big.xml", strings.Repeat(" ", policy.MaxSize+1))
	got := m.load()
	if n := len(got.Refused()); n != 3 {
		t.Errorf("%d refused: %q", n, got.Refused())
	}
	if !errors.Is(got.Result.Refusals[1], bounded.ErrNotRegular) {
		t.Errorf("a folder: %v", got.Result.Refusals[1])
	}
	m.want(got, addrA, "x.a.example 9000")
	m.want(got, addrB, "s.b.example 9010", "x.b.example 9011")
	if len(got.Warnings()) != 0 {
		t.Errorf("warnings: %q", got.Warnings())
	}
}

func TestTooManyFragments(t *testing.T) {
	var f ownerFiles
	names := make([]string, MaxFragments+1)
	for i := range names {
		names[i] = fmt.Sprintf("%d.xml", i)
	}
	if n := f.look(names, nil); n != 1 || len(f.files) != 1 {
		t.Errorf("%d read, %d kept", n, len(f.files))
	}
}

func TestTooManyBytes(t *testing.T) {
	m := newMachine(t)
	m.load()
	for i := range 3 {
		path := filepath.Join(m.dir, fmt.Sprintf("a/big%d.xml", i))
		m.write(fmt.Sprintf("a/big%d.xml", i), "")
		if err := os.Truncate(path, MaxBytes/2); err != nil {
			t.Fatal(err)
		}
	}
	got := m.load()
	if r := got.Refused(); len(r) != 1 || !strings.Contains(r[0], "big2.xml") && !strings.Contains(r[0], "big1.xml") {
		t.Errorf("refused: %q", r)
	}
	m.want(got, addrA, "x.a.example 9000")
}
