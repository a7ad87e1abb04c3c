package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/internal/need"
)

// booted is a machine on which systemd runs as the first process, in a
// container of systemd-nspawn's: its own processes, mounts and control groups,
// and the network namespace of the test.
type booted struct {
	*machine
	cmd     *exec.Cmd
	log     *bytes.Buffer
	cgroups []string
}

// boot starts systemd on the machine and waits until it has started what is
// enabled there. The container gets the capabilities named beside its usual
// ones.
func (m *machine) boot(t *testing.T, capabilities ...string) *booted {
	t.Helper()
	b := &booted{machine: m, log: &bytes.Buffer{}, cgroups: ownCgroups(t)}
	// The container joins control groups of its own, so that all of it can be
	// ended by them, and nothing is left in those of this machine.
	script := "for d in " + strings.Join(b.cgroups, " ") + `; do echo $$ > $d/cgroup.procs || exit; done; exec "$@"`
	b.cmd = exec.Command("/bin/sh", "-c", script, "sh", need.Tool(t, "systemd-nspawn"),
		"--quiet", "--register=no", "--keep-unit", "--settings=no", "--console=pipe", "--boot", "--machine=port843-test",
		// The container's own filter of system calls leaves Landlock and eBPF out.
		"--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self bpf",
		"--capability="+strings.Join(capabilities, ","),
		"--resolv-conf=off", "--timezone=off", "--link-journal=no", "--directory="+m.disk)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { b.cmd.Wait(); close(ended) }()
	t.Cleanup(func() { b.kill(t); <-ended })
	leader := ""
	eventually(t, "systemd runs", func() bool {
		select {
		case <-ended:
			t.Fatalf("systemd-nspawn ended: %v\n%s", b.cmd.ProcessState, b.log)
		default:
		}
		pid := strconv.Itoa(b.cmd.Process.Pid)
		children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		leader = strings.TrimSpace(string(children))
		comm, _ := os.ReadFile("/proc/" + leader + "/comm")
		return strings.TrimSpace(string(comm)) == "systemd"
	})
	m.root = "/proc/" + leader + "/root"
	m.enter = []string{"nsenter", "--target=" + leader, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--"}
	eventually(t, "everything is started", func() bool {
		state, _ := m.try("systemctl", "is-system-running")
		state = strings.TrimSpace(state)
		return state == "running" || state == "degraded"
	})
	return b
}

// halt ends the machine in order, as a power button does.
func (b *booted) halt(t *testing.T) {
	t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machine has halted", func() bool {
		_, err := os.Stat(b.root)
		return errors.Is(err, fs.ErrNotExist) && b.cmd.Process.Signal(syscall.Signal(0)) != nil
	})
	b.root, b.enter = b.disk, nil
}

// kill ends every process of the machine and removes its control groups.
func (b *booted) kill(t *testing.T) {
	b.cmd.Process.Kill()
	for _, top := range b.cgroups {
		eventually(t, "the machine's control groups are gone", func() bool {
			var dirs []string
			filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.IsDir() {
					return nil // gone in the meantime, or a value
				}
				dirs = append(dirs, path)
				procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
				for _, pid := range strings.Fields(string(procs)) {
					if n, err := strconv.Atoi(pid); err == nil && n > 0 {
						syscall.Kill(n, syscall.SIGKILL)
					}
				}
				return nil
			})
			for i := range dirs {
				syscall.Rmdir(dirs[len(dirs)-1-i])
			}
			_, err := os.Stat(top)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
}

var boots int // of this process

// ownCgroups makes a control group below this process's own in each hierarchy
// that systemd wants to write to: version 2, and its own of version 1.
func ownCgroups(t *testing.T) []string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	boots++
	var out []string
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] != "" && f[1] != "name=systemd" {
			continue
		}
		top := cgroupMount(string(mounts), f[1])
		if top == "" {
			continue
		}
		dir := filepath.Join(top, f[2], fmt.Sprintf("port843-test-%d-%d", os.Getpid(), boots))
		if err := os.Mkdir(dir, 0o755); err != nil {
			need.Kernel(t, "control groups that can be written to: "+err.Error())
		}
		out = append(out, dir)
	}
	if len(out) == 0 {
		need.Kernel(t, "control groups")
	}
	return out
}

// cgroupMount returns where a hierarchy is mounted: version 2, or a named one.
func cgroupMount(mounts, name string) string {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 {
			continue
		}
		if name == "" && kind[0] == "cgroup2" || name != "" && kind[0] == "cgroup" && strings.Contains(","+kind[2]+",", ","+name+",") {
			return place[4]
		}
	}
	return ""
}

// property returns what systemd knows of the service.
func (b *booted) property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(b.run(t, "systemctl", "show", "--value", "--property="+name, "port843.service"))
}

// served waits until the answer says so.
func served(t *testing.T, what string, ok func(answer string) bool) {
	t.Helper()
	eventually(t, what, func() bool {
		got, err := exchange("127.0.0.1:843")
		return err == nil && ok(got)
	})
}

// TestUnderSystemd has a real systemd run what the package installs: from
// nothing permitted to a reload, a take-over and an upgrade under load, a boot,
// and a purge.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	need.Tool(t, "dpkg")
	need.Tool(t, "systemd-nspawn")
	m := inMachine(t)
	if m == nil {
		return
	}
	b := m.bare(t).boot(t)
	b.bringPackages(t)
	before := b.changed(t)

	b.run(t, "apt-get", "install", "-y", fileName(older, "deb"))
	quiet, err := exchange("127.0.0.1:843")
	if err != nil || strings.Contains(quiet, "allow-access-from") {
		t.Fatalf("%q, %v: nothing is to be permitted", quiet, err)
	}
	if again, err := exchange("[::1]:843"); err != nil || again != quiet {
		t.Errorf("over IPv6: %q, %v", again, err)
	}
	if got := b.run(t, "systemctl", "is-active", "port843.socket", "port843.service"); got != "active\nactive\n" {
		t.Errorf("the units are %q", got)
	}
	b.expectHardened(t)
	b.expectLandlock(t)

	config := b.read(t, "etc/port843/port843.toml")
	b.write(t, "etc/port843/port843.toml", config+permitting, 0o644)
	b.run(t, "systemctl", "reload", "port843")
	served(t, "the edit is in service", func(got string) bool { return strings.Contains(got, "*.example.com") })
	b.write(t, "etc/port843/port843.toml", config+"what is this", 0o644)
	b.run(t, "systemctl", "reload", "port843")
	eventually(t, "the mistake is in the journal", func() bool {
		return strings.Contains(b.run(t, "journalctl", "--no-pager", "-u", "port843"), "reload refused")
	})
	served(t, "the last good policy stays", func(got string) bool { return strings.Contains(got, "*.example.com") })
	b.write(t, "etc/port843/port843.toml", config+permitting, 0o644)

	b.expectNoneFails(t)
	b.expectRevived(t)
	b.halt(t)
	if _, err := exchange("127.0.0.1:843"); err == nil {
		t.Error("the machine is halted, and answers")
	}
	b = b.boot(t)
	served(t, "after a boot it serves", func(got string) bool { return strings.Contains(got, "*.example.com") })

	b.run(t, "apt-get", "remove", "-y", "port843")
	if got, err := exchange("127.0.0.1:843"); err == nil {
		t.Errorf("removed, it answers %q", got)
	}
	b.run(t, "apt-get", "purge", "-y", "port843")
	b.expectLeft(t, "the purge", before)
	if units := b.run(t, "systemctl", "list-units", "--all", "--no-legend", "port843*"); units != "" {
		t.Errorf("the purge leaves the units %s", units)
	}
}

// bare takes away what else this system would start, and its identity.
func (m *machine) bare(t *testing.T) *machine {
	t.Helper()
	if err := mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil { // where systemd-nspawn keeps its account
		t.Fatal(err)
	}
	for _, pattern := range []string{"etc/systemd/system/*.wants", "usr/lib/systemd/system/multi-user.target.wants"} {
		dirs, err := filepath.Glob(m.path(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.write(t, "etc/machine-id", "", 0o444)
	return m
}

// expectHardened looks at the running process: what the unit asks for is in
// force.
func (b *booted) expectHardened(t *testing.T) {
	t.Helper()
	pid := b.property(t, "MainPID")
	status := b.read(t, "proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("the process has no %q:\n%s", want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0") {
		t.Errorf("it runs as root:\n%s", status)
	}
	mounts := b.read(t, "proc/"+pid+"/mountinfo")
	readOnly := map[string]bool{}
	for line := range strings.Lines(mounts) {
		if f := strings.Fields(line); len(f) > 5 {
			readOnly[f[4]] = strings.HasPrefix(f[5], "ro")
		}
	}
	for _, place := range []string{"/", "/home", "/root", "/dev"} {
		if !readOnly[place] {
			t.Errorf("%s can be written to:\n%s", place, mounts)
		}
	}
	for _, ns := range []string{"mnt", "ipc", "user"} {
		if b.run(t, "readlink", "/proc/"+pid+"/ns/"+ns) == b.run(t, "readlink", "/proc/1/ns/"+ns) {
			t.Errorf("its namespace %s is everybody's", ns)
		}
	}
}

// expectLandlock wants what the service says of it: in force, through the
// unit's filter of system calls, where this kernel has it.
func (b *booted) expectLandlock(t *testing.T) {
	t.Helper()
	log := b.run(t, "journalctl", "--no-pager", "-u", "port843")
	version, _, _ := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if has, says := int(version) > 0, strings.Contains(log, `landlock="in force`); has != says {
		t.Errorf("this kernel has Landlock: %v; the service says:\n%s", has, log)
	}
}

// expectNoneFails takes over, restarts and upgrades while clients keep asking.
func (b *booted) expectNoneFails(t *testing.T) {
	t.Helper()
	config := b.read(t, "etc/port843/port843.toml")
	load := startLoad(4)
	for _, step := range [][]string{
		{"systemctl", "kill", "--kill-whom=main", "--signal=SIGUSR2", "port843.service"},
		{"systemctl", "restart", "port843.service"},
		{"apt-get", "install", "-y", fileName(newer, "deb")},
	} {
		pid := b.property(t, "MainPID")
		load.more(t)
		b.run(t, step...)
		eventually(t, "another process serves after "+step[0], func() bool {
			now := b.property(t, "MainPID")
			return now != pid && now != "0" && b.property(t, "ActiveState") == "active"
		})
		load.more(t)
	}
	load.end(t)
	if v := b.run(t, "port843", "--version"); !strings.Contains(v, newer) {
		t.Errorf("it is still %s", v)
	}
	if b.read(t, "etc/port843/port843.toml") != config {
		t.Error("the upgrade changed the config")
	}
}

// expectRevived stops, kills and freezes the service: a connection starts a
// stopped one, systemd the others.
func (b *booted) expectRevived(t *testing.T) {
	t.Helper()
	b.run(t, "systemctl", "stop", "port843.service")
	served(t, "a connection starts it", func(string) bool { return b.property(t, "ActiveState") == "active" })
	// A second instead of half a minute, for this test's sake.
	b.write(t, "run/systemd/system/port843.service.d/watchdog.conf", "[Service]\nWatchdogSec=1\n", 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "restart", "port843.service")
	for _, signal := range []string{"SIGKILL", "SIGSTOP"} {
		pid := b.property(t, "MainPID")
		b.run(t, "systemctl", "kill", "--kill-whom=main", "--signal="+signal, "port843.service")
		eventually(t, "it is started again after "+signal, func() bool {
			now := b.property(t, "MainPID")
			return now != pid && now != "0" && b.property(t, "ActiveState") == "active"
		})
		served(t, "and serves", func(got string) bool { return strings.Contains(got, "*.example.com") })
	}
}
