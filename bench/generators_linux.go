package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/port843/port843/bench/internal/tally"
)

// perGenerator is the most connections that one generator holds: below the
// 20,000 descriptors that a process commonly may have.
const perGenerator = 19_000

// generators are load processes that run one plan together.
type generators struct {
	procs []*exec.Cmd
	in    []io.WriteCloser
	out   []*bufio.Reader
	errs  []*bytes.Buffer
}

// generate starts n load processes that share the plan: its concurrency and
// its rate are for all of them together. networks is the first of their
// source networks; two groups that run at a time must not overlap.
func (b *bench) generate(p tally.Plan, n, network int) (*generators, error) {
	p.Port = b.port
	g := &generators{}
	for i := range n {
		mine := p
		mine.Concurrency = p.Concurrency / n
		if i < p.Concurrency%n {
			mine.Concurrency++
		}
		mine.Rate = p.Rate / float64(n)
		mine.Network = network + i
		if err := g.launch(b.setup.Programs["load"], mine); err != nil {
			return nil, errors.Join(err, g.kill())
		}
	}
	return g, nil
}

func (g *generators) launch(program string, p tally.Plan) error {
	cmd := exec.Command(program)
	// The scheduler's own signals would only interrupt the one thread there is.
	cmd.Env = append(cmd.Environ(), "GODEBUG=asyncpreemptoff=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	said := new(bytes.Buffer)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return err
	}
	g.procs, g.in, g.out, g.errs = append(g.procs, cmd), append(g.in, in), append(g.out, bufio.NewReaderSize(out, 1<<20)), append(g.errs, said)
	return json.NewEncoder(in).Encode(p)
}

// read takes the next report of each, added up.
func (g *generators) read() (*tally.Report, error) {
	sum := &tally.Report{}
	for _, out := range g.out {
		line, err := out.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("a generator gave no report: %w", err)
		}
		var r tally.Report
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		sum.Add(&r)
		sum.Ready = r.Ready
	}
	return sum, nil
}

// finish tells those that hold connections to stop, takes the last reports and
// waits for the processes.
func (g *generators) finish() (*tally.Report, error) {
	for _, in := range g.in {
		_ = in.Close() // one that has ended already has said why
	}
	sum, err := g.read()
	if err != nil {
		return nil, errors.Join(err, g.kill())
	}
	for i, p := range g.procs {
		if err := p.Wait(); err != nil {
			return nil, fmt.Errorf("a generator ended with %w: %q", err, g.errs[i].Bytes())
		}
	}
	if sum.Complain != "" {
		return nil, errors.New(sum.Complain)
	}
	if sum.Shed > 0 {
		return nil, fmt.Errorf("the generator was at its bound %d times: the figures would be void", sum.Shed)
	}
	return sum, nil
}

// kill ends the processes, and returns what they had to complain about.
func (g *generators) kill() error {
	var all []error
	for i, p := range g.procs {
		_ = p.Process.Kill() // it may have ended
		_ = p.Wait()         // its exit code says only that it was killed
		if text := g.errs[i].String(); text != "" {
			all = append(all, fmt.Errorf("it printed: %q", text))
		}
	}
	return errors.Join(all...)
}

// drive runs a plan to its end.
func (b *bench) drive(p tally.Plan, n, network int) (*tally.Report, error) {
	g, err := b.generate(p, n, network)
	if err != nil {
		return nil, err
	}
	return g.finish()
}

// closed is a plan for a loop that keeps so many connections going.
func (s *server) closed(concurrency int, d time.Duration) tally.Plan {
	return tally.Plan{Mode: tally.Closed, Answer: s.answer, Duration: d, Timeout: 5 * time.Second, Concurrency: concurrency, Sources: 1000}
}

// open is a plan for exchanges at fixed times.
func (s *server) open(rate float64, d, timeout, late time.Duration) tally.Plan {
	return tally.Plan{Mode: tally.Open, Answer: s.answer, Duration: d, Timeout: timeout, Late: late, Rate: rate,
		Concurrency: min(perGenerator, int(rate*timeout.Seconds())+1000), Sources: 1000}
}

// hold is a plan for connections that send one byte and are silent, or send
// one byte more after every such time and come back when they are closed.
func (s *server) hold(n int, every time.Duration) tally.Plan {
	return tally.Plan{Mode: tally.Hold, Duration: 10 * time.Minute, Timeout: time.Hour, Concurrency: n, Rate: 15_000, Every: every, Return: 5 * every, Sources: 10_000}
}
