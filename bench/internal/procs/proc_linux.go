// Package procs counts what processes use, processor time, memory and
// sockets, and holds them to a quota in a cgroup.
package procs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// stat returns the fields of /proc/PID/stat after the program's name, which
// may itself hold spaces and parentheses.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	at := strings.LastIndexByte(string(text), ')')
	f := strings.Fields(string(text[at+1:]))
	if at < 0 || len(f) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat: not understood", pid)
	}
	return f, nil
}

// tree lists the processes given and all that descend from them.
func tree(roots []int) []int {
	children := map[int][]int{}
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, n := range names {
		pid, err := strconv.Atoi(filepath.Base(n))
		if err != nil {
			continue
		}
		if f, err := stat(pid); err == nil {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var out []int
	for next := roots; len(next) > 0; {
		pid := next[0]
		out = append(out, pid)
		next = append(next[1:len(next):len(next)], children[pid]...)
	}
	return out
}

// treeTime is the time that the processes and their descendants have used,
// those included that have ended and were waited for.
func treeTime(roots []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range tree(roots) {
		f, err := stat(pid)
		if err != nil {
			return 0, err
		}
		for _, s := range f[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// UserMemory is the sum of the processes' private pages, in bytes.
func UserMemory(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		for _, name := range []string{"Private_Clean", "Private_Dirty"} {
			kb, err := Field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), name)
			if err != nil {
				return 0, err
			}
			sum += kb << 10
		}
	}
	return sum, nil
}

// Slab is what the kernel has allocated in its caches of small objects, where
// connections are, in bytes. A cgroup does not count it all: sockets that come
// out of an accept were allocated in an interrupt, on nobody's account.
func Slab() (int64, error) {
	kb, err := Field("/proc/meminfo", "Slab")
	return kb << 10, err
}

// Sockets counts the processes' descriptors that are sockets.
func Sockets(pids []int) int {
	n := 0
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, e := range entries {
			if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(to, "socket:") {
				n++
			}
		}
	}
	return n
}

// Segments is the number of TCP segments received in this network namespace:
// on loopback every segment is received once, so this counts both directions.
func Segments() (int64, error) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == "InSegs" && i < len(f) {
				return strconv.ParseInt(f[i], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("/proc/net/snmp: no InSegs")
}
