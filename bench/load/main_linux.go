// Command load is the benchmark's load generator: one process, one thread, raw
// sockets and one epoll instance, so that it costs little beside the server it
// measures. It does what one [tally.Plan] says and ends:
//
//	load < plan.json > report.json
//
// The plan is one line of JSON on standard input, the report one on standard
// output. In the mode Hold a first report, with Ready set, says that all
// connections have been begun; the end of standard input stops it then.
//
// The client it plays is a good one. It connects from one of many addresses in
// 127/8, sends the 23 bytes of the request with the connect or a fixed time
// later, compares every byte of the answer, and waits for the end of the
// connection, which it tells apart: FIN, RST, or nothing in time.
//
// Limits: IPv4 on loopback, Linux 5.11 or newer (epoll_pwait2), and as many
// connections at a time as the process may have descriptors. Number, time and
// memory are bounded by the plan: nothing is allocated once connections run.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/bench/internal/tally"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no plan: %w", err)
	}
	var plan tally.Plan
	if err := json.Unmarshal(line, &plan); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	g, err := newGenerator(plan)
	if err != nil {
		return err
	}
	defer g.close()

	var stop atomic.Bool
	if plan.Mode == tally.Hold {
		go func() {
			// Whatever comes, its end is the order to stop.
			_, _ = io.Copy(io.Discard, lines)
			stop.Store(true)
		}()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Everything is allocated, and the collector would only disturb the clock.
	debug.SetGCPercent(-1)
	// The timer's slack, 50 µs by default, would be on every open-loop latency.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	enc := json.NewEncoder(out)
	switch plan.Mode {
	case tally.Closed:
		err = g.closedLoop()
	case tally.Open:
		err = g.openLoop()
	case tally.Hold:
		err = g.hold(&stop, func() error { return enc.Encode(&tally.Report{Ready: true, Holding: g.live}) })
	}
	if err != nil {
		return err
	}
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		return err
	}
	g.report.CPU = unix.TimevalToNsec(use.Utime) + unix.TimevalToNsec(use.Stime)
	return enc.Encode(&g.report)
}
