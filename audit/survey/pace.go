package survey

import (
	"net/netip"
	"time"
)

// pace says when the next connection may be made: over all, and into one
// network. It is a clock of the earliest time for each, which every connection
// moves on; a target that took more connections than one moves it further, so
// that the rate holds on average. It is for one goroutine.
type pace struct {
	step, netStep time.Duration // between connections; 0: no limit
	next          time.Time
	nets          map[netip.Prefix]time.Time
}

// burst is how far behind the clock may be: what may be made up at once.
const burst = 100 * time.Millisecond

func newPace(rate, netRate float64) *pace {
	return &pace{step: every(rate), netStep: every(netRate), nets: map[netip.Prefix]time.Time{}}
}

func every(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// network is what the second rate is for: a /24, or a /64 of IPv6.
func network(a netip.Addr) netip.Prefix {
	n := 24
	if a.Is6() {
		n = 64
	}
	p, _ := a.Prefix(n) // n fits the family
	return p
}

// ready returns when a connection into a's network may be made.
func (p *pace) ready(a netip.Addr) time.Time {
	if p.netStep == 0 {
		return time.Time{}
	}
	return p.nets[network(a)]
}

// take counts n connections to a, made from now on.
func (p *pace) take(a netip.Addr, n int, now time.Time) {
	p.next = advance(p.next, now, p.step, n)
	if p.netStep == 0 {
		return
	}
	key := network(a)
	p.nets[key] = advance(p.nets[key], now, p.netStep, n)
	if len(p.nets) > 1<<14 {
		for key, t := range p.nets {
			if t.Before(now) {
				delete(p.nets, key)
			}
		}
	}
}

func advance(next, now time.Time, step time.Duration, n int) time.Time {
	if step == 0 {
		return next
	}
	if floor := now.Add(-burst); next.Before(floor) {
		next = floor
	}
	return next.Add(time.Duration(n) * step)
}
