package conform

import (
	"context"
	"time"

	"github.com/port843/port843/policy"
)

const groupWaiting = "silent clients"

func waitingCases() []Case {
	return []Case{
		{
			ID: "waits-for-request", Group: groupWaiting, stage: stageWaiting, run: waitsForRequest, unaided: true,
			Title: "nothing is said before the request",
			Asks:  "Connect and say nothing for a second. No byte may come.",
			Why:   "The newest documentation says that the server must wait; and whoever speaks first cannot tell a policy client from any other.",
		},
		{
			ID: "silence-blocks-nobody", Group: groupWaiting, stage: stageBlocking, run: blocksNobody(""),
			Title: "a silent client keeps nobody waiting",
			Asks:  "One connection that says nothing; a good client beside it must be served while that one is still there.",
			Why:   "Six of 28 known servers take one client at a time: a single idle connection stops them, for seconds or for ever.",
		},
		{
			ID: "byte-blocks-nobody", Group: groupWaiting, stage: stageBlocking, run: blocksNobody(policy.Request[:1]),
			Title: "a client that stops after one byte keeps nobody waiting",
			Asks:  "One connection that sends \"<\" and stops; a good client beside it must be served while that one is still there.",
			Why:   "Some servers poll until there is something to read, and then block on the rest.",
		},
		{
			ID: "silence-ends", Group: groupWaiting, stage: stageWaiting, run: ends(0), unaided: true,
			Title: "a silent client is sent away",
			Asks:  "Connect and say nothing: the server must end the connection by its own deadline.",
			Why:   "Without a deadline each forgotten connection keeps a descriptor for ever. Flash Player itself gives up after three seconds.",
		},
		{
			ID: "byte-ends", Group: groupWaiting, stage: stageWaiting, run: ends(1), unaided: true,
			Title: "a client that stops after one byte is sent away",
			Asks:  "Send \"<\" and stop: the server must end the connection by its own deadline.",
			Why:   "Four known servers that stand silence hang for ever once a byte has come.",
		},
		{
			ID: "drip-ends", Group: groupWaiting, stage: stageWaiting, run: ends(20), unaided: true,
			Title: "a client that drips is sent away",
			Asks:  "One byte of the request after the other, so slowly that the last does not come before the deadline: the server must end the connection by then.",
			Why:   "A deadline that starts anew with every byte is none: the whole exchange needs one.",
		},
	}
}

func waitsForRequest(ctx context.Context, r *runner) verdict {
	c, err := r.dial(ctx)
	if err != nil {
		return unreachable(err)
	}
	defer c.close()
	o := c.read(ctx, time.Second, 1)
	switch {
	case len(o.data) > 0:
		return fail("bytes before any request, after %s: %s", round(o.elapsed), sample(o.data))
	case o.end == stillOpen:
		return pass("nothing came for %s", round(o.elapsed))
	}
	return pass("%s", o)
}

// blocksNobody leaves one connection idle after head and asks beside it. An
// idle connection that ended first tells that the good client had to wait for
// it, however short the server's deadline is.
func blocksNobody(head string) func(context.Context, *runner) verdict {
	return func(ctx context.Context, r *runner) verdict {
		idle, err := r.dial(ctx)
		if err != nil {
			return unreachable(err)
		}
		defer idle.close()
		if head != "" {
			idle.send(ctx, []byte(head), r.opts.Timeout)
			idle.settle(ctx, r.opts.Timeout)
		}
		// The server gets the time to turn to it. Whoever answers or refuses it
		// by then does not wait for it, right or wrong.
		early := idle.read(ctx, r.opts.Pause, 0)
		took, err := r.served(ctx, r.opts.Timeout)
		if err != nil {
			return fail("a good client beside it: %v", err)
		}
		if early.end != stillOpen {
			return pass("it was ended at once (%s), and a good client was served in %s", early.end, round(took))
		}
		if o := idle.read(ctx, r.opts.Pause, 0); o.end != stillOpen {
			return fail("a good client was served only after the idle one had been ended (%s)", o.end)
		}
		return pass("a good client was served beside it in %s", round(took))
	}
}

// ends sends n bytes of the request, the first at once and the others spread
// over the deadline, and waits for the server to end the connection.
func ends(n int) func(context.Context, *runner) verdict {
	return func(ctx context.Context, r *runner) verdict {
		c, err := r.dial(ctx)
		if err != nil {
			return unreachable(err)
		}
		defer c.close()
		began := time.Now()
		drip := make(chan struct{})
		defer func() { <-drip }()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			defer close(drip)
			for i := range n {
				if c.conn.SetWriteDeadline(time.Now().Add(r.opts.Timeout)); ctx.Err() != nil {
					return
				}
				if _, err := c.conn.Write([]byte(policy.Request[i : i+1])); err != nil || i == n-1 {
					return
				}
				if !sleep(ctx, r.opts.Deadline/time.Duration(n)) {
					return
				}
			}
		}()
		o := c.read(ctx, r.opts.Deadline, 0)
		o.elapsed = time.Since(began)
		if o.end == stillOpen || o.end == endless {
			return fail("%s", o)
		}
		return pass("%s", o)
	}
}
