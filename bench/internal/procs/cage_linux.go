package procs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cage is the cgroup that a server runs in: it counts the processor time of
// all its processes, and can hold them to a quota. Version 1 (a folder for
// each controller) and version 2 (one folder) are both known.
//
// The zero Cage has no cgroup: time is then the sum over the processes and
// their children that /proc shows, and there is no quota.
type Cage struct {
	v2        bool
	cpu, acct string // folders; the same with version 2, or where they are mounted together
}

// leaveTime is how long a process that has ended may hold its cgroup.
const leaveTime = 5 * time.Second

// CagePrefix begins the name of every cage; the process's number follows.
const CagePrefix = "port843-bench-"

// Folders are those that a process must enter.
func (c *Cage) Folders() []string {
	switch c.cpu {
	case "":
		return nil
	case c.acct:
		return []string{c.cpu}
	}
	return []string{c.cpu, c.acct}
}

// NewCage makes a cgroup of the name given below the roots that are mounted.
func NewCage(name string) (*Cage, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	c := &Cage{}
	unified := ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		options := strings.Split(f[3], ",")
		switch f[2] {
		case "cgroup2":
			unified = f[1]
		case "cgroup":
			for controller, at := range map[string]*string{"cpu": &c.cpu, "cpuacct": &c.acct} {
				if slices.Contains(options, controller) {
					*at = filepath.Join(f[1], name)
				}
			}
		}
	}
	if c.cpu == "" || c.acct == "" {
		if unified == "" {
			return nil, errors.New("no cgroup controller for cpu is mounted")
		}
		if err := c.unify(unified, name); err != nil {
			return nil, err
		}
	}
	for _, d := range c.Folders() {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	return c, nil
}

// unify sets the cage up in the one tree of version 2.
func (c *Cage) unify(root, name string) error {
	has, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(has)), "cpu") {
		return errors.New("cgroup version 2 is mounted, without the cpu controller")
	}
	*c = Cage{v2: true}
	c.cpu = filepath.Join(root, name)
	c.acct = c.cpu
	if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu"), 0); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return nil
}

// Remove takes the cgroup away, and with it empty ones that runs which were
// killed have left. A process that has just ended may hold its own for a
// moment more.
func (c *Cage) Remove() {
	for _, d := range c.Folders() {
		for deadline := time.Now().Add(leaveTime); os.Remove(d) != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(d), CagePrefix+"*"))
		for _, l := range left {
			_ = os.Remove(l) // fails where a process is in it, as it should
		}
	}
}

func (c *Cage) String() string {
	switch {
	case c.cpu == "":
		return "sums over /proc/PID/stat"
	case c.v2:
		return "cgroup version 2"
	}
	return "cgroup version 1"
}

// Quota holds the cage to so many processors; 0 sets it free.
func (c *Cage) Quota(processors float64) error {
	const period = 10_000 // µs: short, so that a server which is held does not work through one long queue after another
	limit := strconv.Itoa(int(processors * period))
	if c.v2 {
		if processors == 0 {
			limit = "max"
		}
		return os.WriteFile(filepath.Join(c.cpu, "cpu.max"), fmt.Appendf(nil, "%s %d", limit, period), 0)
	}
	if processors == 0 {
		limit = "-1"
	}
	if err := os.WriteFile(filepath.Join(c.cpu, "cpu.cfs_period_us"), []byte(strconv.Itoa(period)), 0); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.cpu, "cpu.cfs_quota_us"), []byte(limit), 0)
}

// Pids lists the processes in the cage, or below root where there is none.
func (c *Cage) Pids(roots []int) []int {
	if c.cpu == "" {
		return tree(roots)
	}
	text, err := os.ReadFile(filepath.Join(c.cpu, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var out []int
	for _, f := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// Used is the processor time that the cage's processes have used so far.
func (c *Cage) Used(roots []int) (time.Duration, error) {
	switch {
	case c.cpu == "":
		return treeTime(roots)
	case c.v2:
		v, err := Field(filepath.Join(c.cpu, "cpu.stat"), "usage_usec")
		return time.Duration(v) * time.Microsecond, err
	}
	v, err := number(filepath.Join(c.acct, "cpuacct.usage"))
	return time.Duration(v), err
}

// number reads a file that holds one.
func number(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}

// Field reads the number after a name at the beginning of a line.
func Field(path, name string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) > 1 && strings.TrimSuffix(w[0], ":") == name {
			return strconv.ParseInt(w[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}
