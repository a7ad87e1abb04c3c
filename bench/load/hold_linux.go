package main

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// hold opens the plan's connections at its pace, sends the first byte of a
// request on each, so that a server which waits for data before it accepts
// has to accept it, and then one byte more after every plan.Every. A
// connection that the server closes comes back after plan.Return.
// ready is called once, when all connections have been begun.
func (g *generator) hold(stop *atomic.Bool, ready func() error) error {
	pace := int64(float64(time.Second) / max(1, g.plan.Rate))
	told := false
	for n := int64(0); !stop.Load(); {
		now := g.now()
		if now >= g.endAt {
			break
		}
		// In bursts that leave time for the events in between.
		for b := 0; b < batch && n < int64(g.plan.Concurrency) && n*pace <= now; b++ {
			g.open(now)
			n++
		}
		wait := maxWait
		if n < int64(g.plan.Concurrency) {
			wait = n*pace - now
		} else if !told {
			told = true
			if err := ready(); err != nil {
				return err
			}
		}
		for _, q := range []queue{g.later, g.away} {
			if q.first != none {
				wait = min(wait, g.conns[q.first].act-now)
			}
		}
		if err := g.wait(wait, g.holdEvent); err != nil {
			return err
		}
		now = g.now()
		for g.later.first != none && g.conns[g.later.first].act <= now {
			g.dribble(g.later.first, now)
		}
		for g.away.first != none && g.conns[g.away.first].act <= now {
			slot := g.away.first
			g.away.remove(slot)
			g.free = append(g.free, slot)
			g.open(now)
		}
	}
	g.report.Holding = g.live
	return nil
}

// open begins one connection of those that are held.
func (g *generator) open(now int64) {
	slot := g.begin(now)
	if slot == none {
		return
	}
	if !g.ask(slot, 1) {
		g.report.Refused++
		g.end(slot)
		return
	}
	if g.plan.Every > 0 {
		g.conns[slot].act = now + int64(g.plan.Every)
		g.later.push(slot)
	}
}

func (g *generator) holdEvent(slot int32, events uint32) {
	c := &g.conns[slot]
	if events&unix.EPOLLOUT != 0 && c.sent == 0 && !g.ask(slot, 1) {
		g.drop(slot)
		return
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		g.drop(slot)
	}
}

// drop ends a held connection that the server has closed. It comes back
// later, where the plan says so, and not at once: the load is to stay what it
// was, and no storm.
func (g *generator) drop(slot int32) {
	g.report.Shut++
	if g.plan.Every > 0 {
		g.later.remove(slot)
	}
	g.end(slot)
	if g.plan.Return == 0 {
		return
	}
	g.free = g.free[:len(g.free)-1] // the slot is kept for it
	g.conns[slot].act = g.now() + int64(g.plan.Return)
	g.away.push(slot)
}

// dribble sends one byte more. The last two are never sent: this request is
// not going to be complete, and the connection is silent in the end.
func (g *generator) dribble(slot int32, now int64) {
	c := &g.conns[slot]
	if int(c.sent) < len(request)-2 && !g.ask(slot, c.sent+1) {
		g.drop(slot)
		return
	}
	g.later.remove(slot)
	c.act = now + int64(g.plan.Every)
	g.later.push(slot)
}
