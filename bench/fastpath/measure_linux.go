package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"

	"github.com/port843/port843/bench/internal/procs"
	"github.com/port843/port843/bench/internal/tally"
	"github.com/port843/port843/internal/xdp/xdptest"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

const startTime = 15 * time.Second // for a server to give its first answer

// measure starts a contender, loads it, and stops it.
func (c *contender) measure(o options, n *xdptest.Network, dir string) (f figures, err error) {
	document, err := os.ReadFile(filepath.Join(dir, "policy.xml"))
	if err != nil {
		return f, err
	}
	answer := append(document, 0)
	argv := append([]string{"--net=" + n.Path()}, c.argv...)
	argv[1] = filepath.Join(dir, argv[1])
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "{policy}", filepath.Join(dir, "policy.xml"))
	}
	var said bytes.Buffer
	server := exec.Command("nsenter", argv...)
	server.Stdout, server.Stderr = &said, &said
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		return f, err
	}
	defer func() {
		server.Process.Signal(syscall.SIGTERM)
		if end := server.Wait(); err != nil {
			err = fmt.Errorf("%w; it ended with %v, saying: %s", err, end, said.Bytes())
		}
	}()
	if err := await(answer); err != nil {
		return f, err
	}
	before, err := c.meter(server.Process.Pid)
	if err != nil {
		return f, err
	}
	r, err := drive(o, filepath.Join(dir, "load"), answer)
	if err != nil {
		return f, err
	}
	after, err := c.meter(server.Process.Pid)
	if err != nil {
		return f, err
	}
	by := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(r.Answered()) }
	f = figures{
		PerSecond: r.PerSecond(), Busy: by(after.busy - before.busy), Process: by(after.process - before.process), Program: by(after.program - before.program),
		P50: float64(r.Latency.Quantile(.5)) / 1e3, P99: float64(r.Latency.Quantile(.99)) / 1e3, Failed: float64(r.Failed()),
		Packets: float64(after.packets-before.packets) / float64(r.Answered()),
	}
	if n := after.packets - before.packets; n > 0 {
		f.Packet = float64(after.program-before.program) / float64(n)
	}
	return f, nil
}

// await waits for the first right answer.
func await(answer []byte) error {
	var last error
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", xdptest.Server4, port), time.Second)
		if last = err; err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(time.Second))
		got := make([]byte, len(answer)+1)
		_, last = c.Write([]byte("<policy-file-request/>\x00"))
		k := 0
		for err := last; err == nil && k < len(got); {
			var m int
			m, err = c.Read(got[k:])
			k += m
		}
		c.Close()
		if bytes.Equal(got[:k], answer) {
			return nil
		}
	}
	return fmt.Errorf("it does not answer: %v", last)
}

// drive runs two client processes and adds up their reports.
func drive(o options, program string, answer []byte) (*tally.Report, error) {
	sum := &tally.Report{}
	type done struct {
		r   tally.Report
		err error
	}
	all := make(chan done)
	for i := range 2 {
		go func() {
			var d done
			line, err := json.Marshal(plan(o, answer, 1+i))
			if d.err = err; err == nil {
				cmd := exec.Command(program)
				cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
				cmd.Stdin, cmd.Stderr = bytes.NewReader(append(line, '\n')), os.Stderr
				var out []byte
				if out, d.err = cmd.Output(); d.err == nil {
					d.err = json.Unmarshal(out, &d.r)
				}
			}
			all <- d
		}()
	}
	var errs []error
	for range 2 {
		d := <-all
		errs = append(errs, d.err)
		sum.Add(&d.r)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if sum.Answered() == 0 {
		return nil, errors.New("nothing was answered")
	}
	return sum, nil
}

// meter is what was used so far.
type meter struct {
	busy, process, program time.Duration
	packets                uint64
}

func (c *contender) meter(pid int) (m meter, err error) {
	if m.busy, err = busy(); err != nil {
		return m, err
	}
	if m.process, err = new(procs.Cage).Used([]int{pid}); err != nil || !c.fast {
		return m, err
	}
	m.program, m.packets, err = programTime()
	return m, err
}

// busy is the time of all processors but what they idled, waited for a disk,
// or were not given by a hypervisor (proc(5)).
func busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var sum time.Duration
	for i, f := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 7 { // the name, idle, iowait; steal and guest
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// programTime is the kernel's account of the newest program of ours.
func programTime() (time.Duration, uint64, error) {
	var spent time.Duration
	var count uint64
	found := false
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it has just gone
		}
		info, err := p.Info()
		if err == nil && info.Name == "port843" {
			var stats *ebpf.ProgramStats
			if stats, err = p.Stats(); err == nil {
				spent, count, found = stats.Runtime, stats.RunCount, true
			}
		}
		p.Close()
		if err != nil {
			return 0, 0, err
		}
	}
	if !found {
		return 0, 0, errors.New("there is no program port843 in the kernel")
	}
	return spent, count, nil
}
