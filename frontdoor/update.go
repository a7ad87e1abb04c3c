package frontdoor

import (
	"fmt"
	"slices"
	"time"

	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// inForce is what a door does with the connections that come now. It is
// immutable: each connection keeps the one that it began with.
type inForce struct {
	o        Options
	limits   Limits
	answer   *server.Answer
	backends *backends // nil without Options.Backends
	dial     DialFunc  // nil: Accept
	route    route     // of the gateway
}

// Update puts other options in force for the connections that come from now
// on, under the same listeners: no connection is refused in between, and those
// that are open go on with what they began with. Backends whose address stays
// keep their state. Only how long HTTP headers may take stays as New was told.
//
// The error holds every mistake in the options, and changes nothing then.
func (d *Door) Update(o Options) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	return d.update(o)
}

// SetPolicy swaps the policy; sessions that are open stay. The error is that
// of a policy which cannot be served, and changes nothing.
func (d *Door) SetPolicy(p *policy.Policy) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	o := d.inForce.Load().o
	o.Policy = p
	return d.update(o)
}

// update makes what is in force; changing is held.
func (d *Door) update(o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	a, err := server.PolicyAnswer(InBand(o.Policy, o.Port))
	if err != nil {
		return fmt.Errorf("frontdoor: %w", err)
	}
	next := &inForce{o: o, limits: o.Limits.withDefaults(), answer: a, dial: o.Dial}
	var before *backends
	if last := d.inForce.Load(); last != nil {
		before = last.backends
	}
	if len(o.Backends) > 0 {
		next.backends = before.or(o.Backends, o.SendProxy, next.limits.Dial, d.notify)
		next.dial = next.backends.dial
	}
	reach := next.dial
	if reach == nil {
		reach = d.hand
	}
	next.route = tableRoute(func() *policy.Policy { return o.Policy }, o.Port, o.Origins, reach)
	d.room.limit(next.limits.MaxConnections, next.limits.MaxPerAddress)
	d.gateway.limits.Store(&next.limits)
	d.inForce.Store(next)
	if before != nil && before != next.backends {
		before.close()
	}
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed && next.backends != nil {
		next.backends.close()
	}
	return nil
}

// or returns these backends where they are the ones that are asked for, and
// others else, which begin with what is known of the same addresses. b may be
// nil.
func (b *backends) or(addresses []string, version int, timeout time.Duration, notify func(Event)) *backends {
	next := newBackends(addresses, version, timeout, notify)
	if b == nil {
		return next
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.EqualFunc(b.list, addresses, func(x *BackendState, a string) bool { return x.Address == a }) && b.version == next.version && b.timeout == timeout {
		next.stop()
		return b
	}
	next.mu.Lock()
	defer next.mu.Unlock()
	for _, x := range next.list {
		for _, was := range b.list {
			if was.Address != x.Address {
				continue
			}
			*x = *was
			if !x.Up && next.timer == nil {
				next.timer = time.AfterFunc(checkEvery, next.check)
			}
		}
	}
	return next
}
