package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxWait bounds a wait where nothing is due.
const maxWait = int64(100 * time.Millisecond)

// closedLoop keeps all slots busy until the time is over, and then waits for
// those that still run.
func (g *generator) closedLoop() error {
	g.restart = true
	for range g.plan.Concurrency {
		g.exchange(g.now())
	}
	for {
		now := g.now()
		if now >= g.endAt {
			g.restart = false
			if g.live == 0 {
				break
			}
		}
		// A connect that fails at once leaves its slot idle: it is tried again
		// here, at the pace of the waits, and not in a busy loop.
		if g.restart && len(g.free) > 0 && g.begun < g.plan.Most {
			g.exchange(now)
		}
		if g.begun >= g.plan.Most && g.live == 0 {
			break
		}
		if err := g.turn(g.nextDue(now, maxWait)); err != nil {
			return err
		}
	}
	g.report.Seconds = min(g.plan.Duration, time.Duration(g.now())).Seconds()
	return nil
}

// openLoop begins an exchange whenever one is due by the clock, late ones with
// the time at which they were due.
func (g *generator) openLoop() error {
	step := float64(time.Second) / g.plan.Rate
	for n := 0; ; {
		now := g.now()
		due := int64(float64(n) * step)
		for ; due <= now && due < g.endAt; due = int64(float64(n) * step) {
			g.exchange(due)
			n++
		}
		if due >= g.endAt && g.live == 0 {
			break
		}
		wait := maxWait
		if due < g.endAt {
			wait = min(wait, due-g.now())
		}
		if err := g.turn(g.nextDue(g.now(), wait)); err != nil {
			return err
		}
	}
	g.report.Seconds = g.plan.Duration.Seconds()
	return nil
}

// nextDue shortens a wait to the next thing that is due in the queues.
func (g *generator) nextDue(now, wait int64) int64 {
	if g.limits.first != none {
		wait = min(wait, g.conns[g.limits.first].limit-now)
	}
	if g.later.first != none {
		wait = min(wait, g.conns[g.later.first].act-now)
	}
	return wait
}

// exchange begins one, due at the time given.
func (g *generator) exchange(due int64) {
	slot := g.begin(due)
	if slot == none {
		return
	}
	if g.plan.Late == 0 {
		g.askAll(slot)
		return
	}
	// The request's own time is what latency counts from. Until then nobody
	// reads: a server that answers unasked is heard when the client asks.
	c := &g.conns[slot]
	c.act = g.now() + int64(g.plan.Late)
	c.due = c.act
	g.later.push(slot)
}

func (g *generator) askAll(slot int32) {
	if !g.ask(slot, int32(len(request))) {
		g.finish(slot, refused)
	}
}

// finish counts an exchange, ends it, and in the closed loop begins the next.
func (g *generator) finish(slot int32, e ending) {
	g.count(e)
	g.end(slot)
	if g.restart && g.begun < g.plan.Most {
		if now := g.now(); now < g.endAt {
			g.exchange(now)
		}
	}
}

// turn waits for events, and does what is due.
func (g *generator) turn(wait int64) error {
	err := g.wait(wait, func(slot int32, events uint32) {
		c := &g.conns[slot]
		if events&unix.EPOLLOUT != 0 && c.sent < int32(len(request)) && !g.ask(slot, int32(len(request))) {
			g.finish(slot, refused)
			return
		}
		if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return
		}
		if e := g.hear(slot, events&unix.EPOLLRDHUP != 0, events&unix.EPOLLERR != 0); e != running {
			g.finish(slot, e)
		}
	})
	if err != nil {
		return err
	}
	now := g.now()
	for g.later.first != none && g.conns[g.later.first].act <= now {
		slot := g.later.first
		g.later.remove(slot)
		g.askAll(slot)
	}
	for g.limits.first != none && g.conns[g.limits.first].limit <= now {
		g.giveUp(g.limits.first)
	}
	return nil
}

// giveUp ends an exchange whose time is over. Where all bytes of the answer
// came and only the end did not, the client has what it wanted, yet the server
// has left the connection open: that is a timeout too.
func (g *generator) giveUp(slot int32) {
	c := &g.conns[slot]
	if g.plan.Late != 0 && !c.armed {
		g.later.remove(slot)
	}
	g.finish(slot, timeout)
}
