package listening

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/internal/escape"
)

// Find lists what listens on the ports, in this network namespace and in the
// others that processes are in.
func Find(ports []uint16) (Found, error) {
	f := finder{ports: ports, proc: "/proc"}
	own, err := f.namespace("")
	if err != nil {
		return Found{}, err
	}
	f.found.Listeners = own
	f.others()
	f.owners()
	for i := range f.found.Listeners {
		f.describe(&f.found.Listeners[i])
	}
	return f.found, nil
}

type finder struct {
	ports []uint16
	proc  string
	found Found
}

// namespace lists the listeners of the calling thread's network namespace.
// Netlink is asked for multipath TCP first: of such a socket /proc/net/tcp and
// plain TCP's list know a part only that belongs to no process.
func (f *finder) namespace(name string) ([]Listener, error) {
	var out []Listener
	for _, protocol := range []uint32{unix.IPPROTO_MPTCP, unix.IPPROTO_TCP} {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			list, err := diagnose(family, protocol)
			if err != nil {
				if protocol == unix.IPPROTO_TCP {
					return f.table(fmt.Sprint(f.proc, "/thread-self/net"), name)
				}
				continue // a kernel without multipath TCP
			}
			for _, l := range list {
				l.Namespace = name
				same := func(have Listener) bool {
					return have.Addr == l.Addr && have.Port == l.Port && protocol == unix.IPPROTO_TCP
				}
				if slices.Contains(f.ports, l.Port) && !slices.ContainsFunc(out, same) {
					out = append(out, l)
				}
			}
		}
	}
	return out, nil
}

// others looks into the namespaces of the other processes. As root it goes
// there and asks netlink; else it reads the tables that /proc shows anybody.
// A namespace is told by the number of its table's file.
func (f *finder) others() {
	own, err := inode(f.proc + "/self/net/tcp")
	if err != nil {
		f.note("other network namespaces cannot be seen: %v", err)
		return
	}
	seen := map[uint64]bool{own: true}
	for _, pid := range f.pids() {
		dir := fmt.Sprintf("%s/%d", f.proc, pid)
		ns, err := inode(dir + "/net/tcp")
		if err != nil || seen[ns] {
			continue
		}
		seen[ns] = true
		name := f.namespaceName(pid)
		list, err := f.inside(dir+"/ns/net", name)
		if err != nil {
			list, err = f.table(dir+"/net", name)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			f.note("a network namespace cannot be seen: %v", err)
		}
		f.found.Listeners = append(f.found.Listeners, list...)
	}
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Ino, err
}

func (f *finder) note(format string, args ...any) {
	if text := escape.Text(fmt.Sprintf(format, args...), 300); !slices.Contains(f.found.Notes, text) {
		f.found.Notes = append(f.found.Notes, text)
	}
}

func (f *finder) pids() []int {
	entries, err := os.ReadDir(f.proc)
	if err != nil {
		f.note("processes cannot be seen: %v", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// namespaceName is what "ip netns" calls the namespace of a process, or its
// number.
func (f *finder) namespaceName(pid int) string {
	target, err := inode(fmt.Sprintf("%s/%d/ns/net", f.proc, pid))
	if err != nil {
		return fmt.Sprintf("of process %d", pid)
	}
	named, _ := filepath.Glob("/run/netns/*")
	for _, path := range named {
		if n, err := inode(path); err == nil && n == target {
			return escape.Text(filepath.Base(path), 60)
		}
	}
	return fmt.Sprintf("net:[%d]", target)
}

// inside asks netlink in another namespace, on a thread of its own, which ends
// if it cannot go back.
func (f *finder) inside(path, name string) (list []Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var home, there *os.File
		if home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return
		}
		defer home.Close()
		if there, err = os.Open(path); err != nil {
			return
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		list, err = f.namespace(name)
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return list, err
}

// owners finds the processes that hold the sockets. Those that are not ours to
// see are marked.
func (f *finder) owners() {
	wanted := map[string][]int{}
	for i, l := range f.found.Listeners {
		key := fmt.Sprintf("socket:[%d]", l.inode)
		wanted[key] = append(wanted[key], i)
	}
	if len(wanted) == 0 {
		return
	}
	for _, pid := range f.pids() {
		dir := fmt.Sprintf("%s/%d/fd", f.proc, pid)
		names, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			link, err := os.Readlink(dir + "/" + name.Name())
			if err != nil {
				continue
			}
			for _, i := range wanted[link] {
				// A socket that was handed on has several holders: the
				// youngest serves it, the first of all is systemd.
				l := &f.found.Listeners[i]
				if pid != 1 || l.PID == 0 {
					l.PID = pid
				}
			}
		}
	}
	for i := range f.found.Listeners {
		l := &f.found.Listeners[i]
		l.Hidden = l.PID == 0 && os.Geteuid() != 0
	}
}

// effectiveUser is in /proc/PID/status.
var effectiveUser = regexp.MustCompile(`(?m)^Uid:\t\d+\t(\d+)`)

var containerID = regexp.MustCompile(`([0-9a-f]{64})|lxc(?:\.payload)?[./]([A-Za-z0-9_.-]+)|machine-([A-Za-z0-9_.-]+)\.scope`)

// describe fills in what is known of the process.
func (f *finder) describe(l *Listener) {
	dir := fmt.Sprintf("%s/%d", f.proc, l.PID)
	// A socket belongs to whoever opened it; of more interest is as whom its
	// process runs by now.
	if text, err := os.ReadFile(dir + "/status"); err == nil && l.PID != 0 {
		if m := effectiveUser.FindSubmatch(text); m != nil {
			l.User = string(m[1])
		}
	}
	if u, err := user.LookupId(l.User); err == nil {
		l.User = u.Username
	}
	if l.PID == 0 {
		return
	}
	if comm, err := os.ReadFile(dir + "/comm"); err == nil {
		l.Process = escape.Text(bytes.TrimSpace(comm), 60)
	}
	if text, err := os.ReadFile(dir + "/cgroup"); err == nil {
		l.Unit, l.Container = fromCgroup(string(text))
	}
	if l.PID == 1 && strings.HasPrefix(l.Process, "systemd") {
		l.Activated = true
		l.Unit = socketUnit([]string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}, l.Port)
	}
}

// fromCgroup reads the unit and the container out of /proc/PID/cgroup.
func fromCgroup(text string) (unit, container string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		if m := containerID.FindStringSubmatch(parts[2]); m != nil {
			container = m[1] + m[2] + m[3]
			if m[1] != "" {
				container = container[:12]
			}
		}
		for name := range strings.SplitSeq(parts[2], "/") {
			if strings.HasSuffix(name, ".service") || strings.HasSuffix(name, ".scope") && !strings.HasPrefix(name, "init") {
				unit = name
			}
		}
	}
	return escape.Text(unit, 80), escape.Text(container, 80)
}

var listenStream = regexp.MustCompile(`(?m)^\s*ListenStream\s*=\s*(?:\S*:)?(\d+)\s*$`)

// socketUnit finds the socket unit that names the port. /proc shows systemd
// only, which holds the socket until somebody connects.
func socketUnit(dirs []string, port uint16) string {
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.socket"))
		drops, _ := filepath.Glob(filepath.Join(dir, "*.socket.d", "*.conf"))
		for _, path := range append(files, drops...) {
			text, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			for _, m := range listenStream.FindAllStringSubmatch(string(text), -1) {
				if m[1] == strconv.Itoa(int(port)) {
					unit := filepath.Base(path)
					if strings.HasSuffix(path, ".conf") {
						unit = strings.TrimSuffix(filepath.Base(filepath.Dir(path)), ".d")
					}
					return escape.Text(unit, 80)
				}
			}
		}
	}
	return ""
}

// table reads the listeners of a net/tcp and a net/tcp6, as /proc shows them
// to anybody.
func (f *finder) table(dir, name string) ([]Listener, error) {
	var out []Listener
	for _, file := range []string{"tcp", "tcp6"} {
		in, err := os.Open(dir + "/" + file)
		if err != nil {
			if file == "tcp6" && errors.Is(err, os.ErrNotExist) {
				continue
			}
			return nil, err
		}
		for s := bufio.NewScanner(in); s.Scan(); {
			if l, ok := readRow(s.Text()); ok && slices.Contains(f.ports, l.Port) {
				l.Namespace = name
				out = append(out, l)
			}
		}
		in.Close()
	}
	return out, nil
}
