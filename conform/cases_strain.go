package conform

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/port843/port843/policy"
)

const groupStrain = "strain"

func strainCases() []Case {
	return []Case{
		{
			ID: "connect-close", Group: groupStrain, stage: stageAlone, run: connectClose,
			Title: "clients that connect and close do no harm",
			Asks:  "Ten connections, each closed at once; then a good client must be served.",
			Why:   "One connect and close stopped two known servers for ever; port probes do it all day.",
		},
		{
			ID: "reset-on-connect", Group: groupStrain, stage: stageAlone, run: resets("on connect", "", 0),
			Title: "a reset on connect does no harm",
			Asks:  "Ten connections reset at once; then a good client must be served.",
			Why:   "accept or the first read returns an error: three of 28 known servers are killed by one RST.",
		},
		{
			ID: "reset-in-request", Group: groupStrain, stage: stageAlone, run: resets("in the request", policy.Request[:10], 0),
			Title: "a reset in the middle of the request does no harm",
			Asks:  "Ten connections that send 10 bytes and reset; then a good client must be served.",
			Why:   "A read that fails must end one connection, and nothing else.",
		},
		{
			ID: "reset-after-request", Group: groupStrain, stage: stageAlone, run: resets("after the request", policy.Request, 0),
			Title: "a reset after the request does no harm",
			Asks:  "Ten connections that send the request and reset at once; then a good client must be served.",
			Why:   "The write of the answer fails: SIGPIPE and an unhandled error event kill servers here.",
		},
		{
			ID: "reset-in-answer", Group: groupStrain, stage: stageAlone, run: resets("in the answer", policy.Request, 1),
			Title: "a reset in the middle of the answer does no harm",
			Asks:  "Ten connections that send the request, wait for the first byte of the answer, and reset; then a good client must be served.",
			Why:   "The half-close or the drain after the answer fails then, later than most servers expect an error.",
		},
		{
			ID: "idle-crowd", Group: groupStrain, stage: stageCrowd, run: idleCrowd,
			Title: "a crowd of idle connections keeps nobody waiting",
			Asks:  "1,000 idle connections from one address (the number is an option); good clients must be served while they stand, and after they have left. The server may end idle ones to make room.",
			Why:   "Five of 28 known servers do not serve the next client then. A school behind one address is no attack.",
		},
		{
			ID: "descriptors", Group: groupStrain, stage: stageFiles, run: descriptors,
			Title: "running out of descriptors passes by itself",
			Asks:  "The server is started with few descriptors, and more idle connections than that are opened. It must not burn CPU time meanwhile, a good client must be served by its deadline for silent clients, and at once after the others have left. Needs a command that starts the server.",
			Why:   "accept returns EMFILE again and again: two of 28 known servers exit, three spin, one never accepts again.",
		},
	}
}

const strainTimes = 10

func connectClose(ctx context.Context, r *runner) verdict {
	for range strainTimes {
		c, err := r.dial(ctx)
		if err != nil {
			return unreachable(err)
		}
		c.close()
	}
	if err := r.stillServes(ctx); err != nil {
		return unserved("after the closed connections", err)
	}
	return pass("%d connections closed, and it serves", strainTimes)
}

// resets sends head, waits for wait bytes of the answer, and resets.
func resets(where, head string, wait int) func(context.Context, *runner) verdict {
	return func(ctx context.Context, r *runner) verdict {
		for i := range strainTimes {
			c, err := r.dial(ctx)
			if err != nil {
				if i > 0 {
					return unserved(fmt.Sprintf("after %d resets %s", i, where), err)
				}
				return unreachable(err)
			}
			if head != "" {
				c.send(ctx, []byte(head), r.opts.Timeout)
			}
			if wait > 0 {
				c.read(ctx, r.opts.Timeout, wait)
			}
			c.abort()
		}
		if err := r.stillServes(ctx); err != nil {
			return unserved(fmt.Sprintf("after %d resets %s", strainTimes, where), err)
		}
		return pass("%d connections reset, and it serves", strainTimes)
	}
}

// crowd opens up to n idle connections within bound. The caller disperses them.
func (r *runner) crowd(ctx context.Context, n int, bound time.Duration) ([]*client, error) {
	const atATime = 64
	dialling, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var (
		mu    sync.Mutex
		stand []*client
		first error
		wg    sync.WaitGroup
		gate  = make(chan struct{}, atATime)
	)
	for range n {
		gate <- struct{}{}
		if dialling.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-gate }()
			c, err := r.dial(dialling)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stand = append(stand, c)
			} else if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return stand, first
}

// disperse resets the connections of a crowd, so that no local port of this
// machine is left waiting.
func disperse(stand []*client) {
	for _, c := range stand {
		c.abort()
	}
}

func idleCrowd(ctx context.Context, r *runner) verdict {
	stand, err := r.crowd(ctx, r.opts.Idle, r.opts.Deadline)
	defer func() { disperse(stand) }()
	if isOutOfFiles(err) {
		return notRun("this machine has no descriptor or local port left after %d idle connections: %v", len(stand), err)
	}
	var slowest time.Duration
	for range 3 {
		took, err := r.served(ctx, r.opts.Timeout)
		if err != nil {
			return fail("beside %d idle connections, a good client is not served: %v", len(stand), err)
		}
		slowest = max(slowest, took)
	}
	n := len(stand)
	disperse(stand)
	stand = nil
	if err := r.stillServes(ctx); err != nil {
		return unserved(fmt.Sprintf("after %d idle connections have left", n), err)
	}
	v := pass("beside %d idle connections a good client was served in %s", n, round(slowest))
	if n < r.opts.Idle {
		v.warnings = append(v.warnings, fmt.Sprintf("only %d of %d idle connections could be opened: %v", n, r.opts.Idle, err))
	}
	return v
}

// descriptors starts the server anew with few descriptors and fills them.
func descriptors(ctx context.Context, r *runner) verdict {
	const (
		beyond   = 8 // idle connections beyond the limit
		measured = 2 * time.Second
		// A server that waits uses next to nothing, one that spins a whole
		// processor, or what other programs leave it.
		mostCPU = 0.2
	)
	if r.opts.Exec == "" {
		return notRun("it needs a server that the suite starts itself")
	}
	if err := r.restart(ctx, r.opts.Files); err != nil {
		return notRun("the server did not start with %d descriptors: %v", r.opts.Files, err)
	}
	if err := r.stillServes(ctx); err != nil {
		return notRun("with %d descriptors the server serves nobody: %v", r.opts.Files, err)
	}
	stand, err := r.crowd(ctx, r.opts.Files+beyond, r.opts.Deadline)
	defer func() { disperse(stand) }()
	if isOutOfFiles(err) {
		return notRun("this machine has no descriptor or local port left: %v", err)
	}
	type service struct {
		took time.Duration
		err  error
	}
	good := make(chan service, 1) // one client comes while the descriptors are exhausted
	go func() {
		took, err := r.served(ctx, r.opts.Deadline+r.opts.Timeout)
		good <- service{took, err}
	}()
	share, held, known := r.server.watch(ctx, measured, r.opts.Files)
	during := <-good
	facts := fmt.Sprintf("%d idle connections on %d descriptors", len(stand), r.opts.Files)
	if known {
		facts += fmt.Sprintf(" (%.0f %% of a processor", 100*share)
		if held > 0 { // a process that has changed its user hides them
			facts += fmt.Sprintf(", %d held", held)
		}
		facts += ")"
	}
	switch {
	case share > mostCPU:
		return fail("with its descriptors exhausted it spins: %s", facts)
	case during.err != nil:
		return fail("with %s, a good client is not served: %v", facts, r.server.explain(during.err))
	}
	disperse(stand)
	stand = nil
	if err := r.stillServes(ctx); err != nil {
		return unserved("after its descriptors were exhausted", r.server.explain(err))
	}
	return pass("%s; a good client that came meanwhile was served after %s", facts, round(during.took))
}
