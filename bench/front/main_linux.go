// Command front measures the front door against HAProxy in TCP mode, against
// websockify and against no proxy at all, in one interleaved run: each round
// measures everyone, one after the other, and the medians are printed as
// tables.
//
//	go run ./bench/front [-rounds 5] [-idle 50000]
//
// Every proxy is a process of its own in a cgroup of its own, before the same
// echo server, so that its processor time is known and can be held to a quota:
// on a machine that is not large the load generator is what limits messages a
// second, and the figures to compare are those for equal processor time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// scale is how long and how often things are done.
type scale struct {
	rounds int
	bulk   int           // bytes of a raw stream
	pings  int           // raw messages there and back, one at a time
	visits int           // raw connections with one byte there and back
	spell  time.Duration // of sending messages through a gateway
	idle   int           // WebSockets that are held
	each   int           // of them by one process
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		check(play(role))
		return
	}
	s := scale{bulk: 1 << 30, pings: 20_000, visits: 2_000, each: perProcess}
	flag.IntVar(&s.rounds, "rounds", 5, "measure everyone `N` times")
	flag.IntVar(&s.idle, "idle", 50_000, "hold `N` idle WebSockets; 0: none")
	flag.DurationVar(&s.spell, "spell", time.Second, "send messages for this `time` for each figure")
	flag.Parse()
	check(run(s, os.Stdout))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run measures and prints. What it starts it ends, after an interrupt too.
func run(s scale, out io.Writer) (err error) {
	f, err := startAll()
	defer func() { err = errors.Join(err, f.stop()) }()
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	got := results{}
	for round := range s.rounds {
		// Nobody is always first.
		for _, p := range rotated(f.raws(), round) {
			if err := raw(p, s, got); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		for _, p := range rotated(f.gateways(), round) {
			if err := gateway(p, s, got); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		select {
		case sig := <-interrupted:
			return fmt.Errorf("ended by %s", sig)
		default:
		}
	}
	got.print(out)
	if s.idle > 0 {
		return hold(s, out)
	}
	return nil
}

func rotated(list []*process, by int) []*process {
	by %= len(list)
	return slices.Concat(list[by:], list[:by])
}
