package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/bench/internal/procs"
	"github.com/port843/port843/bench/internal/report"
)

// bench is a run, inside the namespaces.
type bench struct {
	setup *setup
	cage  *procs.Cage
	port  int
	cores int // of the machine: a contender that has workers gets as many
	scale scale
}

// measureAll does all rounds and keeps results.json up to date.
func measureAll(o options, root, name string, chosen []contender, measures []report.Measure, say io.Writer) error {
	s := &setup{}
	if err := readJSON(filepath.Join(root, "bench", "out", "setup.json"), s); err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return err
	}
	cage, err := procs.NewCage(name)
	if err != nil {
		return err
	}
	s.Loss = lossTool(s)
	b := &bench{setup: s, cage: cage, port: 843, cores: runtime.NumCPU(), scale: full}
	if o.quick {
		b.scale = quick
	}
	r := &report.Results{Machine: machine(cage, s), Rounds: o.rounds, Heavy: o.heavy, Quick: o.quick, Contenders: s.Contenders, LeftOut: s.LeftOut}
	running := slices.DeleteFunc(chosen, func(c contender) bool {
		return !slices.ContainsFunc(s.Contenders, func(a report.Contender) bool { return a.ID == c.ID })
	})
	for round := range o.rounds {
		for _, m := range measures {
			if m.Heavy && round >= o.heavy {
				continue
			}
			for i := range running {
				// Each round begins with another one, so that no contender
				// always follows the same.
				c := &running[(i+round)%len(running)]
				b.sample(r, round+1, m, c, say)
			}
			if err := writeJSON(resultsPath(root), r); err != nil {
				return err
			}
		}
	}
	if o.quick || !slices.ContainsFunc(running, func(c contender) bool { return c.ID == report.Subject }) {
		return nil
	}
	if r.Profile, err = b.profile(); err != nil {
		r.LeftOut = append(r.LeftOut, fmt.Sprintf("the profile: %v", err))
	}
	return writeJSON(resultsPath(root), r)
}

// sample takes one measure of one contender into the results.
func (b *bench) sample(r *report.Results, round int, m report.Measure, c *contender, say io.Writer) {
	v, err := b.run(m.ID, c)
	var left skip
	if errors.As(err, &left) {
		why := fmt.Sprintf("%s: %s: %s", c.Title, m.Title, left)
		if !slices.Contains(r.LeftOut, why) {
			r.LeftOut = append(r.LeftOut, why)
		}
		return
	}
	s := report.Sample{Round: round, Measure: m.ID, Contender: c.ID, Values: v}
	if err != nil {
		s.Values, s.Note = nil, err.Error()
	}
	r.Samples = append(r.Samples, s)
	line := s.Note
	for _, col := range m.Columns {
		if x, ok := s.Values[col.Key]; ok {
			line += fmt.Sprintf(" %s %.5g", col.Key, x)
		}
	}
	fmt.Fprintf(say, "round %d %-9s %-16s %s\n", round, m.ID, c.ID, strings.TrimSpace(line))
}

// furnish makes the namespaces fit to work in: /proc shows its processes,
// loopback is up, and there are ports enough.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("1024 65535"), 0)
}

// machine names where the run takes place.
func machine(c *procs.Cage, s *setup) report.Machine {
	m := report.Machine{
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), Cores: runtime.NumCPU(),
		Accounting: c.String(), Loss: s.Loss, Descriptors: usual,
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Machine[:])
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	if kb, err := procs.Field("/proc/meminfo", "MemTotal"); err == nil {
		m.MemoryMB = kb / 1024
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	return m
}
