package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// patience bounds every wait of these tests; none needs it to pass.
const patience = time.Minute

// machine is this system with a layer of its own above it: what is installed
// there changes nothing here, and the layer shows what was changed.
type machine struct {
	root  string   // where the system with its layer stands, as it is seen from here
	disk  string   // the same without what is mounted there by a booted systemd
	layer string   // what was changed
	enter []string // what runs a command there; nil: chroot does
}

// newMachine asks for a mount namespace (see need.Namespace). Either standIn or
// boot has to be called next.
func newMachine(t *testing.T) *machine {
	t.Helper()
	top := t.TempDir()
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""),
		mount("tmpfs", top, "tmpfs", 0, "mode=0755"),
		os.MkdirAll(filepath.Join(top, "layer"), 0o755),
		os.MkdirAll(filepath.Join(top, "work"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{root: filepath.Join(top, "root"), layer: filepath.Join(top, "layer")}
	m.disk = m.root
	if err := mount("overlay", m.root, "overlay", 0, "lowerdir=/,upperdir="+m.layer+",workdir="+filepath.Join(top, "work")); err != nil {
		need.Kernel(t, "overlayfs over the root file system: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(m.disk, syscall.MNT_DETACH); syscall.Unmount(top, syscall.MNT_DETACH) })
	os.Remove(m.path("usr/sbin/policy-rc.d")) // a container's, which forbids to start anything
	return m
}

func mount(what, where, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(where, 0o755); err != nil {
		return err
	}
	return syscall.Mount(what, where, kind, flags, options)
}

// standIn readies the machine without systemd: a systemctl that notes what it
// is asked to do stands in for it, and the test does that, as systemd would.
func (m *machine) standIn(t *testing.T) {
	t.Helper()
	err := errors.Join(
		mount("proc", m.path("proc"), "proc", 0, ""),
		mount("/dev", m.path("dev"), "", syscall.MS_BIND|syscall.MS_REC, ""),
		mount("tmpfs", m.path("run"), "tmpfs", 0, "mode=0755"),
		mount("tmpfs", m.path("tmp"), "tmpfs", 0, "mode=1777"),
		os.MkdirAll(m.path("run/systemd/system"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(m.path("usr/bin/systemctl"), m.path("usr/bin/systemctl.real")); err != nil {
		t.Fatal(err)
	}
	m.write(t, "usr/bin/systemctl", `#!/bin/sh
echo "$*" >> /run/asked
case "$*" in
--root=/*) exec /usr/bin/systemctl.real "$@" ;;
*is-enabled*) for unit; do :; done; exec /usr/bin/systemctl.real --root=/ is-enabled "$unit" ;;
*is-active*) for unit; do :; done; test -e "/run/active-$unit" ;;
esac
`, 0o755)
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

func (m *machine) write(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755)
	if err == nil {
		err = os.WriteFile(m.path(name), []byte(content), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(m.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (m *machine) has(name string) bool {
	_, err := os.Lstat(m.path(name))
	return err == nil
}

// run runs a command there, and fails the test where it fails.
func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.try(args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machine) try(args ...string) (string, error) {
	args = append(slices.Clone(m.enter), append([]string{"/usr/bin/env"}, args...)...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "HOME=/"}
	if m.enter == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// asked returns what systemctl was asked to do since the last call, questions
// and work on files left out.
func (m *machine) asked(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(m.path("run/asked"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	os.Remove(m.path("run/asked"))
	var out []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); !strings.Contains(line, " is-") && !strings.HasPrefix(line, "--root=/") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// bookkeeping is where the system writes of its own accord, whatever is
// installed: the packages' database, logs, caches, locks, what was before.
var bookkeeping = []string{
	"/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/rpm/", "/.rpmdb/", "/var/lib/PackageKit/", "/var/lib/systemd/linger/",
	"/var/cache/", "/var/log/", "/var/tmp/", "/root/.", "/run/", "/tmp/", "/proc/", "/dev/",
	"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock", "/etc/ld.so.cache",
}

// changed returns what the layer holds that is other than below it: new files
// and folders, files with other content, and what was taken away, marked so.
func (m *machine) changed(t *testing.T) []string {
	t.Helper()
	var out []string
	all := 0
	err := filepath.WalkDir(m.layer, func(path string, e fs.DirEntry, err error) error {
		all++
		name := strings.TrimPrefix(path, m.layer)
		if err != nil || name == "" || slices.ContainsFunc(bookkeeping, func(p string) bool { return strings.HasPrefix(name+"/", p) || strings.HasPrefix(name, p) }) {
			return err
		}
		below, belowErr := os.Lstat(name)
		switch {
		case e.Type()&fs.ModeCharDevice != 0: // hides what is below
			if belowErr == nil {
				out = append(out, name+" (taken away)")
			}
		case belowErr != nil || below.Mode().Type() != e.Type():
			out = append(out, name)
		case e.Type().IsRegular():
			a, errA := os.ReadFile(path)
			b, errB := os.ReadFile(name)
			if errors.Join(errA, errB) != nil || !bytes.Equal(a, b) {
				out = append(out, name)
			}
		}
		return nil
	})
	if err != nil || all < 2 {
		t.Fatalf("the layer holds %d files: %v", all, err)
	}
	return out
}

// expectLeft fails where something is in the layer that was not there before,
// but for what may be.
func (m *machine) expectLeft(t *testing.T, when string, before []string, may ...string) {
	t.Helper()
	for _, name := range m.changed(t) {
		if !slices.Contains(before, name) && !slices.Contains(may, name) {
			t.Errorf("%s leaves %s", when, name)
		}
	}
}

// unit is what a unit file of the machine says: its last value of each key.
func (m *machine) unit(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(m.read(t, "usr/lib/systemd/system/"+name)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			out[key] = value
		}
	}
	return out
}

// listen opens the socket that port843.socket describes, as systemd does.
func (m *machine) listen(t *testing.T) *os.File {
	t.Helper()
	u := m.unit(t, "port843.socket")
	l, err := net.Listen("tcp", ":"+u["ListenStream"])
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// start runs what port843.service says, as its user, with the socket, and
// waits until it has said that it is ready.
func (m *machine) start(t *testing.T, socket *os.File) *exec.Cmd {
	t.Helper()
	u := m.unit(t, "port843.service")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path("run/notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(m.path("run/notify"))
	defer notify.Close()
	if err := os.Chmod(m.path("run/notify"), 0o777); err != nil {
		t.Fatal(err)
	}
	command := strings.Fields(u["ExecStart"])
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, command...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=" + m.unit(t, "port843.socket")["FileDescriptorName"], "NOTIFY_SOCKET=/run/notify"}
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root, Credential: m.user(t, u["User"]), Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	notify.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 4096); ; {
		n, err := notify.Read(buf)
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("it never said that it is ready: %v\n%s", err, log.String())
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return cmd
		}
	}
}

// stop asks the service to leave, as systemd does, and waits until it has.
func (m *machine) stop(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it left with %v\n%s", err, cmd.Stderr)
	}
}

// user looks a user up on the machine.
func (m *machine) user(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	fields := strings.Split(strings.TrimSpace(m.run(t, "getent", "passwd", name)), ":")
	uid, err := strconv.ParseUint(fields[2], 10, 32)
	gid, gidErr := strconv.ParseUint(fields[3], 10, 32)
	if err != nil || gidErr != nil || uid == 0 {
		t.Fatalf("the user is %v", fields)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// exchange asks for the policy once. Only an answer that is whole is one.
func exchange(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, policy.Request); err != nil {
		return "", err
	}
	got, err := io.ReadAll(c)
	if err == nil && (!strings.HasSuffix(string(got), "</cross-domain-policy>\n\x00")) {
		err = fmt.Errorf("it is not whole: %q", got)
	}
	return string(got), err
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// expectLines fails where got lacks a line, or has one that it must not.
func expectLines(t *testing.T, when, got string, must, never []string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for _, want := range must {
		if !slices.Contains(lines, want) {
			t.Errorf("%s: systemctl was not asked to %q, but to\n%s", when, want, got)
		}
	}
	for _, word := range never {
		if strings.Contains(got, word) {
			t.Errorf("%s: systemctl was asked to %s:\n%s", when, word, got)
		}
	}
}
