package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/port843/port843/bench/internal/procs"
	"github.com/port843/port843/bench/internal/report"
	"github.com/port843/port843/bench/internal/tally"
)

type values = map[string]float64

// skip says why a contender takes no part in a measure; it is not a failure.
type skip string

func (s skip) Error() string { return string(s) }

// scale is how long and how large the measures are.
type scale struct {
	short, open, loss, beside time.Duration
	timeout                   time.Duration // under loss: SYNs are repeated after 1, 3, 7, 15, 31 s
	idle                      [2]int        // connections
	dribbling, laggards       int
}

var (
	full  = scale{3 * time.Second, 5 * time.Second, 8 * time.Second, 5 * time.Second, 40 * time.Second, [2]int{10_000, 19_000}, 50_000, 3_000}
	quick = scale{500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second, [2]int{1_000, 2_000}, 3_000, 1_500}
)

const (
	usual     = 20_000 // descriptors that each server may have
	few       = 1_000  // the same where they are to be exhausted
	budget    = 0.25   // processors
	threads   = 2      // generators
	goodFirst = 1      // source networks: of good clients,
	badFirst  = 100    // and of those that hold connections
)

// run measures one contender once.
func (b *bench) run(measure string, c *contender) (values, error) {
	switch measure {
	case "cap":
		return b.under(c, budget, func(s *server) tally.Plan { return s.closed(1000, b.scale.short) })
	case "saturated":
		return b.under(c, 0, func(s *server) tally.Plan { return s.closed(1000, b.scale.short) })
	case "open":
		return b.under(c, 0, func(s *server) tally.Plan { return s.open(1000, b.scale.open, 5*time.Second, 0) })
	case "late":
		return b.under(c, 0, func(s *server) tally.Plan { return s.open(1000, b.scale.short, 5*time.Second, 5*time.Millisecond) })
	case "start":
		return b.startTime(c)
	case "calls":
		return b.calls(c)
	case "loss2":
		return b.loss(c, 2)
	case "loss5":
		return b.loss(c, 5)
	case "idle10":
		return b.idle(c, b.scale.idle[0])
	case "idle19":
		return b.idle(c, b.scale.idle[1])
	case "dribble":
		return b.dribble(c, 1)
	case "dribble4":
		return b.dribble(c, 4)
	case "exhausted":
		return b.exhausted(c)
	}
	return nil, fmt.Errorf("no such measure: %s", measure)
}

// with starts a contender as n processes, for what do measures, and stops it
// afterwards.
func (b *bench) with(c *contender, n int, files uint64, do func(*server) (values, error)) (values, error) {
	s, err := b.start(c, n, files)
	if err != nil {
		return nil, err
	}
	v, err := do(s)
	return v, errors.Join(err, s.stop())
}

// meter is what a server had used when it was read.
type meter struct {
	at   time.Time
	cpu  time.Duration
	segs int64
}

func (s *server) meter() (meter, error) {
	cpu, err1 := s.used()
	segs, err2 := procs.Segments()
	return meter{time.Now(), cpu, segs}, errors.Join(err1, err2)
}

// cores is how many processors were used since.
func (s *server) cores(since meter) (float64, error) {
	now, err := s.meter()
	return float64(now.cpu-since.cpu) / float64(now.at.Sub(since.at)), err
}

// figures are those that every exchange gives.
func figures(r *tally.Report) values {
	v := values{
		report.PerSecond: r.PerSecond(), report.Answered: float64(r.Answered()), report.Failed: float64(r.Failed()), report.Lost: float64(r.Lost),
		report.Cut: float64(r.Cut), report.Timeouts: float64(r.Timeouts), report.Wrong: float64(r.Wrong), report.Refused: float64(r.Refused),
		report.P50: micro(r.Latency.Quantile(.5)), report.P99: micro(r.Latency.Quantile(.99)), report.P999: micro(r.Latency.Quantile(.999)),
	}
	if n := r.Answered(); n > 0 {
		v[report.Resets] = float64(r.Reset) / float64(n)
	}
	return v
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// under runs a plan against a server that is held to a number of processors,
// after a short run that warms it up.
func (b *bench) under(c *contender, processors float64, plan func(*server) tally.Plan) (values, error) {
	return b.with(c, asUsual, usual, func(s *server) (values, error) {
		if _, err := b.drive(s.closed(32, 200*time.Millisecond), 1, goodFirst); err != nil {
			return nil, err
		}
		if processors > 0 {
			if err := b.cage.Quota(processors); err != nil {
				return nil, err
			}
			defer func() { _ = b.cage.Quota(0) }() // it was possible to set it
		}
		before, err := s.meter()
		if err != nil {
			return nil, err
		}
		r, err := b.drive(plan(s), threads, goodFirst)
		if err != nil {
			return nil, err
		}
		after, err := s.meter()
		if err != nil {
			return nil, err
		}
		v := figures(r)
		if n := float64(r.Answered()); n > 0 {
			v[report.CPU] = micro(after.cpu-before.cpu) / n
			v[report.Segments] = float64(after.segs-before.segs) / n
		}
		v[report.Cores] = float64(after.cpu-before.cpu) / float64(after.at.Sub(before.at))
		return v, nil
	})
}

func (b *bench) startTime(c *contender) (values, error) {
	return b.with(c, asUsual, usual, func(s *server) (values, error) {
		return values{report.StartMS: micro(s.startup) / 1000}, nil
	})
}

// calls counts system calls with strace, which slows the server down: the
// count is right, the time is not.
func (b *bench) calls(c *contender) (values, error) {
	strace := b.setup.Programs["strace"]
	if strace == "" {
		return nil, skip("strace is not installed")
	}
	return b.with(c, asUsual, usual, func(s *server) (values, error) {
		out := filepath.Join(b.setup.Out, "run", c.ID, "strace")
		args := []string{"-c", "-f", "-o", out}
		pids := s.pids()
		for _, p := range pids {
			args = append(args, "-p", strconv.Itoa(p))
		}
		cmd := exec.Command(strace, args...)
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		attached := s.poll(func() (bool, error) { return traced(pids), errors.New("strace does not attach") })
		var r *tally.Report
		var err error
		if attached == nil {
			r, err = b.drive(s.closed(256, min(time.Second, b.scale.short)), threads, goodFirst)
		}
		_ = cmd.Process.Signal(syscall.SIGINT) // strace detaches and writes its table
		_ = cmd.Wait()                         // it ends by that signal
		if err := errors.Join(attached, err); err != nil {
			return nil, err
		}
		n, err := straceTotal(out)
		if err != nil || r.Answered() == 0 {
			return nil, fmt.Errorf("no system calls counted: %w", err)
		}
		return values{report.Calls: float64(n) / float64(r.Answered())}, nil
	})
}

// traced tells whether every thread of the processes has a tracer.
func traced(pids []int) bool {
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, t := range tasks {
			if by, err := procs.Field(t, "TracerPid"); err == nil && by == 0 {
				return false
			}
		}
	}
	return true
}

// straceTotal reads the sum of the calls from strace's table, whose last line
// is: 100.00, seconds, µs/call, calls, errors where there are any, total.
func straceTotal(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 5 && f[len(f)-1] == "total" {
			return strconv.ParseInt(f[3], 10, 64)
		}
	}
	return 0, errors.New("strace wrote no total")
}

func (b *bench) loss(c *contender, percent int) (values, error) {
	if b.setup.Loss == "" {
		return nil, skip("neither netem nor nft can lose packets here")
	}
	return b.with(c, asUsual, usual, func(s *server) (values, error) {
		lift, err := lose(b.setup, b.port, percent)
		if err != nil {
			return nil, err
		}
		r, err := b.drive(s.open(500, b.scale.loss, b.scale.timeout, 0), threads, goodFirst)
		if err := errors.Join(err, lift()); err != nil {
			return nil, err
		}
		return figures(r), nil
	})
}

// idle compares the server's memory without connections and with n of them.
func (b *bench) idle(c *contender, n int) (values, error) {
	if !c.Reads {
		return nil, skip("it answers unasked: nothing stays idle")
	}
	return b.with(c, 1, usual, func(s *server) (values, error) {
		// What the first exchanges allocate is not the connections'.
		if _, err := b.drive(s.closed(32, 200*time.Millisecond), 1, goodFirst); err != nil {
			return nil, err
		}
		user0, err1 := procs.UserMemory(s.pids())
		kernel0, err2 := procs.Slab()
		held0 := procs.Sockets(s.pids())
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		g, err := b.generate(s.hold(n, 0), (n+perGenerator-1)/perGenerator, badFirst)
		if err != nil {
			return nil, err
		}
		held, err := s.settled(g, held0)
		user1, err1 := procs.UserMemory(s.pids())
		kernel1, err2 := procs.Slab()
		_, err3 := g.finish()
		if err := errors.Join(err, err1, err2, err3); err != nil {
			return nil, err
		}
		if held < n/2 {
			return nil, fmt.Errorf("it holds %d of %d connections", held, n)
		}
		// Both ends of each connection are on this machine.
		v := values{report.Held: float64(held), report.User: float64(user1-user0) / float64(held), report.Kernel: float64(kernel1-kernel0) / 2 / float64(held)}
		return v, nil
	})
}

// settled waits until the generators have begun all connections and the server
// takes no more of them, and returns how many it holds.
func (s *server) settled(g *generators, before int) (int, error) {
	if r, err := g.read(); err != nil || !r.Ready {
		return 0, fmt.Errorf("the generators did not open their connections: %w", err)
	}
	last, since := -1, time.Now()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		n := procs.Sockets(s.pids()) - before
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) >= 250*time.Millisecond {
			break
		}
	}
	return last, nil
}

// dribble sets a good client beside many that send a byte a second.
func (b *bench) dribble(c *contender, processes int) (values, error) {
	if processes > 1 && c.Spread == alone {
		return nil, skip("it runs as one process only")
	}
	return b.with(c, processes, usual, func(s *server) (values, error) {
		return b.beside(s, b.scale.dribbling, s.closed(64, b.scale.beside))
	})
}

// exhausted lets laggards take all descriptors that the server may have.
func (b *bench) exhausted(c *contender) (values, error) {
	return b.with(c, 1, few, func(s *server) (values, error) {
		return b.beside(s, b.scale.laggards, s.open(500, b.scale.beside, 3*time.Second, 0))
	})
}

// beside holds n connections that send a byte a second, reads what the server
// uses for them alone, and then runs the plan of a good client.
func (b *bench) beside(s *server, n int, good tally.Plan) (values, error) {
	before := procs.Sockets(s.pids())
	g, err := b.generate(s.hold(n, time.Second), (n+perGenerator-1)/perGenerator, badFirst)
	if err != nil {
		return nil, err
	}
	held, err := s.settled(g, before)
	if err != nil {
		return nil, errors.Join(err, g.kill())
	}
	v, err := s.measureBeside(good)
	_, err2 := g.finish()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	v[report.Held] = float64(held)
	return v, nil
}

func (s *server) measureBeside(good tally.Plan) (values, error) {
	start, err := s.meter()
	if err != nil {
		return nil, err
	}
	time.Sleep(min(time.Second, s.b.scale.beside)) // the time over which the use is read
	aloneCores, err := s.cores(start)
	if err != nil {
		return nil, err
	}
	if start, err = s.meter(); err != nil {
		return nil, err
	}
	r, err := s.b.drive(good, threads, goodFirst)
	if err != nil {
		return nil, err
	}
	used, err := s.cores(start)
	if err != nil {
		return nil, err
	}
	v := figures(r)
	v[report.Cores], v[report.CoresAlone] = used, aloneCores
	return v, nil
}
