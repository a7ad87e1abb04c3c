package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/bench/internal/report"
)

// profile samples port843 with perf while it is saturated, and sums the
// samples up by the system call they fell into.
func (b *bench) profile() ([]report.Share, error) {
	perf := b.setup.Programs["perf"]
	if perf == "" {
		return nil, errors.New("perf is not installed")
	}
	at := slices.IndexFunc(contenders, func(c contender) bool { return c.ID == report.Subject })
	var shares []report.Share
	_, err := b.with(&contenders[at], asUsual, usual, func(s *server) (values, error) {
		data := filepath.Join(b.setup.Out, "run", "perf.data")
		var pids []string
		for _, p := range s.pids() {
			pids = append(pids, strconv.Itoa(p))
		}
		// The clock works where there are no hardware counters, as in most
		// virtual machines.
		cmd := exec.Command(perf, "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", data, "-p", strings.Join(pids, ","), "--", "sleep", "3")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		_, err := b.drive(s.closed(128, 4*time.Second), threads, goodFirst)
		if err := errors.Join(err, cmd.Wait()); err != nil {
			return nil, err
		}
		script, err := exec.Command(perf, "script", "-i", data, "-F", "ip,sym").Output()
		if err != nil {
			return nil, err
		}
		shares, err = sumStacks(script)
		return nil, err
	})
	return shares, err
}

// entry is the frame of a system call's entry, in the kernel's own naming.
var entry = regexp.MustCompile(`__(?:x64|arm64|se|do)_sys_([a-z0-9_]+)`)

// softirq marks work for arriving packets, whatever it interrupted: on
// loopback most of it is the other side of a send or a close.
const softirq = "net_rx_action"

// sumStacks reads perf script's stacks, one frame a line and an empty line
// after each, and returns shares in percent, the largest first.
func sumStacks(script []byte) ([]report.Share, error) {
	counts := map[string]int{}
	total := 0
	var frames []string
	note := func() {
		if len(frames) > 0 {
			counts[place(frames)]++
			total++
		}
		frames = nil
	}
	lines := bufio.NewScanner(bytes.NewReader(script))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 0 {
			frames = append(frames, f[len(f)-1])
		} else {
			note()
		}
	}
	note()
	if total == 0 {
		return nil, errors.New("perf took no samples")
	}
	var out []report.Share
	for name, n := range counts {
		out = append(out, report.Share{Name: name, Percent: 100 * float64(n) / float64(total)})
	}
	slices.SortFunc(out, func(a, b report.Share) int {
		return cmp.Or(cmp.Compare(b.Percent, a.Percent), strings.Compare(a.Name, b.Name))
	})
	return out, lines.Err()
}

// place names what a stack, innermost frame first, was busy with.
func place(frames []string) string {
	call := ""
	for _, f := range frames {
		if m := entry.FindStringSubmatch(f); m != nil {
			call = m[1]
		}
	}
	packets := slices.ContainsFunc(frames, func(f string) bool { return strings.HasPrefix(f, softirq) })
	switch {
	case call != "" && packets:
		return call + ", packets on their way"
	case call != "":
		return call
	case packets:
		return "packets, in an interrupt"
	}
	kernel := slices.ContainsFunc(frames, func(f string) bool {
		return strings.HasPrefix(f, "do_syscall") || strings.HasPrefix(f, "entry_SYSCALL") || strings.HasPrefix(f, "asm_") || strings.HasPrefix(f, "syscall_")
	})
	if kernel {
		return "entering and leaving the kernel, interrupts"
	}
	return "the program's own code"
}
