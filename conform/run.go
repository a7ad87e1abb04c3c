package conform

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// ConnectError says that the target could not be found, started or connected
// to, so that nothing was tested.
type ConnectError struct {
	Target string // as it was given
	Err    error
}

func (e *ConnectError) Error() string { return fmt.Sprintf("%s: %v", e.Target, e.Err) }

func (e *ConnectError) Unwrap() error { return e.Err }

// Run puts the server at target, "host:port", through the cases. The host may
// be a name or an IPv4 or (in brackets) IPv6 address; of a name's addresses the
// first that accepts a connection is tested.
//
// The error is an [OptionError] or a [ConnectError], and then the report is
// nil; or that of ctx, and then the report holds what was found until it ended.
// A server that fails is no error. Several runs may go on at once, though not
// against one server: each strains it.
func Run(ctx context.Context, target string, opts Options) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &runner{opts: opts, cases: Cases(), parallel: 1}
	if r.candidates, err = resolve(ctx, target); err != nil {
		return nil, &ConnectError{target, err}
	}
	defer func() {
		if r.server != nil {
			r.server.stop()
		}
	}()
	began := time.Now()
	if opts.Exec != "" {
		err = r.restart(ctx, 0)
	} else {
		err = r.connect(ctx)
	}
	if err != nil {
		return nil, &ConnectError{target, err}
	}
	r.results = make([]Result, len(r.cases))
	r.all(ctx)
	return &Report{Target: target, Address: r.address, Started: began, Elapsed: time.Since(began),
		Answer: r.answer, Results: r.results}, ctx.Err()
}

// resolve returns the addresses that target stands for.
func resolve(ctx context.Context, target string) ([]string, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return nil, fmt.Errorf("the host is missing")
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("port 0 cannot be connected to")
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ip := range ips {
		out = append(out, net.JoinHostPort(ip.String(), fmt.Sprint(n)))
	}
	return out, nil
}

// runner is one run. Its answer and parallel are set by cases that run alone,
// before the others read them.
type runner struct {
	opts       Options
	candidates []string // the addresses of the target
	address    string   // the one under test
	cases      []Case
	opened     *net.TCPConn // the connection that connect made, until it is used
	server     *process     // where the suite started it
	answer     []byte       // the reference answer
	parallel   int          // exchanges at a time

	mu      sync.Mutex
	results []Result
	done    int
	gone    string // the case after which the server could not be reached
}

// connect settles on the first candidate that accepts a connection, or returns
// the error of the last. The connection is kept for the first exchange: a
// server that one connect and close stops for ever must not fail for ours.
func (r *runner) connect(ctx context.Context) error {
	var last error
	for _, address := range r.candidates {
		conn, err := (&net.Dialer{Timeout: r.opts.Timeout, KeepAlive: -1}).DialContext(ctx, "tcp", address)
		if err == nil {
			r.address, r.opened = address, conn.(*net.TCPConn)
			return nil
		}
		last = err
	}
	return last
}

// all runs the stages one after the other.
func (r *runner) all(ctx context.Context) {
	r.stage(ctx, stageFirst, 1)
	r.stage(ctx, stageAnswer, 1)
	r.stage(ctx, stageBlocking, 1)
	if r.takesSeveral() {
		r.parallel = r.opts.Parallel
	}
	r.stage(ctx, stageTogether, r.parallel)
	r.stage(ctx, stageAlone, 1)
	r.stage(ctx, stageWaiting, len(r.cases))
	r.stage(ctx, stageCrowd, 1)
	r.stage(ctx, stageFiles, 1)
}

// takesSeveral tells whether the server was seen to serve clients side by
// side. One that was not is asked one thing at a time, so that no case fails
// because of its neighbour.
func (r *runner) takesSeveral() bool {
	return !slices.ContainsFunc(r.results, func(res Result) bool {
		return res.Case.stage == stageBlocking && res.Outcome != Pass
	})
}

// stage runs the cases of one stage, at most width at a time.
func (r *runner) stage(ctx context.Context, s stage, width int) {
	gate := make(chan struct{}, width)
	var wg sync.WaitGroup
	for i, c := range r.cases {
		if c.stage != s {
			continue
		}
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			began := time.Now()
			v := r.one(ctx, c)
			r.record(i, c, v, time.Since(began))
		})
	}
	wg.Wait()
}

// one runs a case, or says why not.
func (r *runner) one(ctx context.Context, c Case) verdict {
	const interrupted = "the run was ended before"
	wanted := r.opts.wants(c.ID)
	switch {
	case ctx.Err() != nil:
		return notRun(interrupted)
	case !wanted && c.stage != stageFirst:
		return verdict{outcome: Skipped, seen: "left out by choice"}
	}
	// The last stage starts the server anew.
	if after := r.goneAfter(); after != "" && c.stage != stageFiles {
		conn, err := r.dial(ctx)
		if err != nil {
			return notRun("the server has not been reachable since %s", after)
		}
		conn.close()
	}
	if r.answer == nil && !c.unaided && c.stage != stageFirst {
		return notRun("there is no answer to the exact request to compare with")
	}
	v := c.run(ctx, r)
	switch {
	case ctx.Err() != nil:
		return notRun(interrupted)
	case !wanted:
		v.outcome, v.seen = Skipped, "left out by choice; run for the reference answer only"
	}
	return v
}

func (r *runner) goneAfter() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

func (r *runner) record(i int, c Case, v verdict, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.gone && r.gone == "" {
		r.gone = c.ID
	}
	r.results[i] = Result{Case: c, Outcome: v.outcome, Seen: v.seen, Warnings: v.warnings, Elapsed: took}
	r.done++
	if r.opts.Progress != nil {
		r.opts.Progress(r.done, len(r.cases), r.results[i])
	}
}
