package player

import (
	"context"
	"net/netip"
	"sync"
)

// Table is a Fetcher without a network: what lies at each location. Nothing
// else is there, or, with Partial, nothing is known of anything else. It must
// not be changed while it is in use.
type Table struct {
	Files map[Location]File
	// Partial says that the table holds what somebody happened to give, not
	// all there is: another place is then "not given" instead of refused.
	Partial bool
}

// File is one policy of a [Table].
type File struct {
	Data        []byte
	ContentType string // over HTTP; empty: one that is right under every meta-policy
	MetaHeader  string // X-Permitted-Cross-Domain-Policies; empty: none
}

// Lookup returns one address that means nothing: a table needs none.
func (t *Table) Lookup(context.Context, string) ([]netip.Addr, error) {
	return make([]netip.Addr, 1), nil
}

// Fetch looks the location up. A file is delivered whole, in one piece, in no
// time, with its NUL: how it is served is no matter of the file.
func (t *Table) Fetch(_ context.Context, q Query) *Observation {
	f, ok := t.Files[q.Location]
	if !ok {
		return t.nothing(q)
	}
	data := f.Data
	for i, c := range data {
		if c == 0 && i > 0 && rootOf(data[:i]) == complete {
			data = data[:i] // the NUL of a file that was saved off the wire
			break
		}
	}
	o := &Observation{Outcome: OutcomePolicy, Data: data[:min(len(data), MaxRead)], NUL: true, Reads: []int{len(data)}, Final: q.Location}
	if len(data) > MaxRead {
		o.Outcome = OutcomeOversize
	} else if rootOf(data) == none {
		o.Outcome = OutcomeForeign
	}
	if !q.Location.IsSocket() {
		o.Status, o.NUL = 200, false
		o.ContentType, o.MetaHeader, o.HasMeta = f.ContentType, f.MetaHeader, f.MetaHeader != ""
		if o.ContentType == "" {
			o.ContentType = contentTypeExact
		}
	}
	return o
}

// Reach connects to nothing, and says so.
func (t *Table) Reach(context.Context, Query) *Observation { return &Observation{} }

func (t *Table) nothing(q Query) *Observation {
	switch {
	case t.Partial:
		return &Observation{Outcome: OutcomeUnknown}
	case q.Location.IsSocket():
		return &Observation{Outcome: OutcomeRefused}
	}
	return &Observation{Outcome: OutcomeAbsent, Status: 404, Final: q.Location}
}

// Memo is a Fetcher that asks each place once, however many clients want to
// know: for the same question in every profile. What differs between clients
// (their limits, how they read) is applied to what was observed. Make one for
// one question; it is safe for concurrent use.
type Memo struct {
	Fetcher Fetcher

	mu    sync.Mutex
	calls map[memoKey]*memoCall
	names map[string]*memoName
}

type memoKey struct {
	location Location
	addr     netip.Addr
	request  string
	reach    bool
}

type memoCall struct {
	once sync.Once
	o    *Observation
}

type memoName struct {
	once  sync.Once
	addrs []netip.Addr
	err   error
}

// Lookup looks a name up once.
func (m *Memo) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	m.mu.Lock()
	if m.names == nil {
		m.names = map[string]*memoName{}
	}
	n := m.names[host]
	if n == nil {
		n = &memoName{}
		m.names[host] = n
	}
	m.mu.Unlock()
	n.once.Do(func() { n.addrs, n.err = m.Fetcher.Lookup(ctx, host) })
	return n.addrs, n.err
}

// Fetch asks a place once.
func (m *Memo) Fetch(ctx context.Context, q Query) *Observation {
	c := m.call(memoKey{q.Location, q.Addr, q.Request, false})
	c.once.Do(func() { c.o = m.Fetcher.Fetch(ctx, q) })
	return c.o
}

// Reach connects to a place once.
func (m *Memo) Reach(ctx context.Context, q Query) *Observation {
	c := m.call(memoKey{q.Location, q.Addr, "", true})
	c.once.Do(func() { c.o = m.Fetcher.Reach(ctx, q) })
	return c.o
}

func (m *Memo) call(k memoKey) *memoCall {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == nil {
		m.calls = map[memoKey]*memoCall{}
	}
	c := m.calls[k]
	if c == nil {
		c = &memoCall{}
		m.calls[k] = c
	}
	return c
}
