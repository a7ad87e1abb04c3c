package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
)

// builtPackages names the folder with the packages, for the process in the
// namespace, which has no network to build them.
const builtPackages = "PORT843_TEST_PACKAGES"

// the two versions that the tests install, the second above the first.
const older, newer = "v0.1.0", "v0.1.0-2-gabcdef0"

// makePackages builds both versions for this machine, once for all tests, and
// returns their folder.
var makePackages = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "packages")
	for _, v := range []string{older, newer} {
		if _, err := makeRelease(nil, "-root", "../..", "-out", dir, "-version", v, "-platforms", "linux/"+runtime.GOARCH, "packages"); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// inMachine runs the rest of a test on a machine of its own. It returns nil in
// the process that asked.
func inMachine(t *testing.T) *machine {
	t.Helper()
	need.Root(t)
	need.Tool(t, "systemctl")
	if os.Getenv(builtPackages) == "" {
		os.Setenv(builtPackages, packagesDir(t)) // for the process in the namespace
	}
	if !need.Namespace(t, "") {
		return nil
	}
	return newMachine(t)
}

// bringPackages puts the packages into the machine's /tmp.
func (m *machine) bringPackages(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv(builtPackages), "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v packages, %v", files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m.write(t, "tmp/"+filepath.Base(f), string(data), 0o644)
	}
}

func packagesDir(t *testing.T) string {
	t.Helper()
	dir, err := makePackages()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func fileName(version, kind string) string {
	return "/tmp/port843_" + packageVersion(version) + "_" + runtime.GOARCH + "." + kind
}

const permitting = `
[[owner]]
name    = "games"
ports   = "9000"
domains = ["*.example.com"]

[[service]]
name  = "chat"
owner = "games"
ports = "9000"
allow = ["*.example.com"]
`

// TestDebInstallUpgradePurge installs the package, starts what its units say,
// edits the config, upgrades while clients keep asking, and purges.
func TestDebInstallUpgradePurge(t *testing.T) {
	t.Parallel()
	need.Tool(t, "dpkg")
	m := inMachine(t)
	if m == nil {
		return
	}
	m.standIn(t)
	m.bringPackages(t)
	before := m.changed(t)

	m.run(t, "apt-get", "install", "-y", fileName(older, "deb"))
	expectLines(t, "install", m.asked(t), []string{"--quiet --system start port843.socket", "--quiet --system start port843.service"}, nil)
	for _, unit := range []string{"sockets.target.wants/port843.socket", "multi-user.target.wants/port843.service"} {
		if !m.has("etc/systemd/system/" + unit) {
			t.Errorf("%s is not enabled", unit)
		}
	}
	socket := m.listen(t)
	service := m.start(t, socket)
	m.write(t, "run/active-port843.socket", "", 0o644)
	m.write(t, "run/active-port843.service", "", 0o644)
	got, err := exchange("127.0.0.1:843")
	if err != nil || strings.Contains(got, "allow-access-from") {
		t.Fatalf("%q, %v: nothing is to be permitted", got, err)
	}
	if again, err := exchange("[::1]:843"); err != nil || again != got {
		t.Errorf("over IPv6: %q, %v", again, err)
	}

	edited := m.read(t, "etc/port843/port843.toml") + permitting
	m.write(t, "etc/port843/port843.toml", edited, 0o644)
	eventually(t, "the edit is in service", func() bool {
		got, err := exchange("127.0.0.1:843")
		return err == nil && strings.Contains(got, "*.example.com")
	})

	load := startLoad(4)
	m.run(t, "apt-get", "install", "-y", fileName(newer, "deb"))
	expectLines(t, "upgrade", m.asked(t), []string{"--quiet --system restart port843.service"}, []string{"stop", "restart port843.socket"})
	load.more(t)
	m.stop(t, service)
	service = m.start(t, socket)
	load.more(t)
	load.end(t)
	if v := m.run(t, "port843", "--version"); !strings.Contains(v, newer) {
		t.Errorf("it is still %s", v)
	}
	if m.read(t, "etc/port843/port843.toml") != edited {
		t.Error("the upgrade changed the config")
	}

	m.run(t, "apt-get", "remove", "-y", "port843")
	expectLines(t, "remove", m.asked(t), []string{"stop port843.service port843.socket"}, nil)
	m.stop(t, service)
	if m.read(t, "etc/port843/port843.toml") != edited {
		t.Error("the removal changed the config")
	}
	m.run(t, "apt-get", "purge", "-y", "port843")
	m.expectLeft(t, "the purge", before)
}

// TestRpmInstallUpgradeErase does the same by rpm, as far as rpm goes on a
// system of another kind: its database is empty, so nothing is depended on.
func TestRpmInstallUpgradeErase(t *testing.T) {
	t.Parallel()
	need.Tool(t, "rpm")
	m := inMachine(t)
	if m == nil {
		return
	}
	m.standIn(t)
	m.bringPackages(t)
	before := m.changed(t)
	m.run(t, "rpm", "-i", "--nodeps", fileName(older, "rpm"))
	expectLines(t, "install", m.asked(t), []string{"--no-reload preset port843.socket port843.service"}, nil)
	socket := m.listen(t)
	service := m.start(t, socket)
	if got, err := exchange("127.0.0.1:843"); err != nil || strings.Contains(got, "allow-access-from") {
		t.Fatalf("%q, %v: nothing is to be permitted", got, err)
	}
	m.stop(t, service)
	edited := m.read(t, "etc/port843/port843.toml") + permitting
	m.write(t, "etc/port843/port843.toml", edited, 0o644)
	m.run(t, "rpm", "-U", "--nodeps", fileName(newer, "rpm"))
	expectLines(t, "upgrade", m.asked(t), []string{"try-restart port843.service"}, []string{"stop", "disable", "preset"})
	if m.read(t, "etc/port843/port843.toml") != edited {
		t.Error("the upgrade changed the config")
	}
	m.run(t, "rpm", "-e", "port843")
	expectLines(t, "erase", m.asked(t), []string{"--no-reload disable --now port843.service port843.socket"}, nil)
	// rpm keeps an edited config beside its place, and by custom the user. The
	// two folders belong to packages that a system of its own kind has.
	m.expectLeft(t, "the removal", before, "/etc/port843", "/etc/port843/port843.toml.rpmsave",
		"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/usr/share/licenses", "/usr/share/zsh/site-functions")
}

// TestLintian has Debian's own checker read the package.
func TestLintian(t *testing.T) {
	t.Parallel()
	lintian := need.Tool(t, "lintian")
	out, err := exec.Command(lintian, "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
		filepath.Join(packagesDir(t), filepath.Base(fileName(older, "deb")))).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// load is clients that ask again and again, not as fast as they can: the
// package's tools must get on beside them.
type load struct {
	done   atomic.Bool
	asked  atomic.Int64
	failed atomic.Pointer[error]
	wait   sync.WaitGroup
}

func startLoad(clients int) *load {
	l := &load{}
	for range clients {
		l.wait.Go(func() {
			for ; !l.done.Load(); time.Sleep(3 * time.Millisecond) {
				if _, err := exchange("127.0.0.1:843"); err != nil {
					l.failed.CompareAndSwap(nil, &err)
				}
				l.asked.Add(1)
			}
		})
	}
	return l
}

// more waits until a hundred more exchanges are over.
func (l *load) more(t *testing.T) {
	t.Helper()
	until := l.asked.Load() + 100
	eventually(t, "a hundred more exchanges", func() bool { return l.asked.Load() >= until })
}

// end ends the load; each exchange of it must have gone well.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.done.Store(true)
	l.wait.Wait()
	if err := l.failed.Load(); err != nil {
		t.Errorf("an exchange failed during the upgrade: %v", *err)
	}
	t.Logf("%d exchanges during the upgrade", l.asked.Load())
}
