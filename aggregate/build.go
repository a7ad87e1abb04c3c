package aggregate

import (
	"cmp"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/port843/port843/policy"
)

// Options are what holds for every table.
type Options struct {
	// ServedFrom is the port that clients see the policies come from; zero is
	// policy.MasterPort. From 1024 up, ports below 1024 are refused.
	ServedFrom uint16
	// Meta is the meta-policy of every table; policy.MetaUnset is
	// policy.MetaMasterOnly, which lets no other policy of the machine count.
	Meta policy.MetaPolicy
	// MaxShare is how many bytes the rules of one owner may have in a policy,
	// so that none can make the policy that it shares too long for the others;
	// zero is DefaultMaxShare. What of an owner is too much is decided by name:
	// services first, then fragments.
	MaxShare int
}

// DefaultMaxShare of an owner is sixteen times what every client reads
// (policy.SafeSize), and a sixteenth of policy.MaxSize: so many owners of one
// address can do what they like.
const DefaultMaxShare = 64 << 10

func (o Options) withDefaults() Options {
	if o.ServedFrom == 0 {
		o.ServedFrom = policy.MasterPort
	}
	if o.Meta == policy.MetaUnset {
		o.Meta = policy.MetaMasterOnly
	}
	if o.MaxShare == 0 {
		o.MaxShare = DefaultMaxShare
	}
	return o
}

// Standing says which version of an owner is in force.
type Standing uint8

const (
	StandingCurrent  Standing = iota // its newest, whole
	StandingLastGood                 // its last good one; the newest has mistakes
	StandingPartial                  // what is clean of its newest; there is no good one
)

var standingNames = [...]string{"current", "last-good", "partial"}

func (s Standing) String() string { return standingNames[s] }

// OwnerState is what became of an owner's newest version.
type OwnerState struct {
	Name     string
	Standing Standing
	Refusals []*Refusal // of the newest version
	Held     []*Input   // of the newest version, without fault, and not in force because of the refusals
	Inputs   int        // in force
}

// Result is what was built, read only.
type Result struct {
	Tables   []*Table     // the first is for every address without one of its own; then by address
	Owners   []OwnerState // by name
	Refusals []*Refusal   // of all owners, by file and place
	Warnings []*Warning   // of all owners, then of all tables
}

// Lookup returns the table of a local address.
func (r *Result) Lookup(local netip.Addr) *Table {
	local = local.Unmap().WithZone("")
	i, found := slices.BinarySearchFunc(r.Tables, local, func(t *Table, a netip.Addr) int { return t.Address.Compare(a) })
	if !found {
		i = 0
	}
	return r.Tables[i]
}

// Conflicts returns those of all tables.
func (r *Result) Conflicts() []*Conflict {
	var out []*Conflict
	for _, t := range r.Tables {
		out = append(out, t.Conflicts...)
	}
	return out
}

// Build builds the versions, each of another owner, without a past.
func Build(o Options, versions []Version) *Result {
	b := NewBuilder(o)
	for _, v := range versions {
		b.Set(v)
	}
	return b.Build()
}

// Builder builds again and again while owners change. It is for one goroutine
// at a time; the Results that it returned may be used meanwhile.
type Builder struct {
	o      Options
	owners map[string]*owned
	at     map[netip.Addr]map[*owned]struct{} // who has inputs in force for an address
	tables map[netip.Addr]*Table
	dirty  map[netip.Addr]bool
}

// owned is what the builder keeps of an owner.
type owned struct {
	name     string
	good     *Version // the last good one; nil: there never was one
	newest   *checked
	standing Standing
	force    map[netip.Addr][]*Input
	count    int
}

// NewBuilder returns a Builder without owners.
func NewBuilder(o Options) *Builder {
	return &Builder{
		o: o.withDefaults(), owners: map[string]*owned{}, at: map[netip.Addr]map[*owned]struct{}{},
		tables: map[netip.Addr]*Table{}, dirty: map[netip.Addr]bool{{}: true},
	}
}

// Set takes the newest version of an owner. With a refusal in it, the last
// good one stays in force; its bounds are always the newest.
func (b *Builder) Set(v Version) {
	w := b.owners[v.Owner.Name]
	if w == nil {
		w = &owned{name: v.Owner.Name}
		b.owners[w.name] = w
	}
	b.take(w, &v)
}

// SetOptions makes everything anew under other options. What they refuse of
// an owner's last good version is no longer in force.
func (b *Builder) SetOptions(o Options) {
	b.o = o.withDefaults()
	b.dirty[netip.Addr{}] = true
	for _, w := range b.owners {
		b.take(w, w.newest.version)
	}
}

// take decides which version of an owner is in force.
func (b *Builder) take(w *owned, v *Version) {
	w.newest = check(v, b.o)
	w.standing = StandingCurrent
	inForce := w.newest.inputs
	switch {
	case len(w.newest.refusals) == 0:
		w.good = v
	case w.good == nil:
		w.standing = StandingPartial
	default:
		within := *w.good
		within.Owner = v.Owner
		if again := check(&within, b.o); len(again.refusals) == 0 {
			w.standing, inForce = StandingLastGood, again.inputs
			break
		}
		w.good, w.standing = nil, StandingPartial
	}
	b.force(w, inForce)
}

// Remove takes an owner and everything it granted away.
func (b *Builder) Remove(owner string) {
	if w := b.owners[owner]; w != nil {
		b.force(w, nil)
		delete(b.owners, owner)
	}
}

// force puts the inputs in force in place of the owner's others.
func (b *Builder) force(w *owned, inputs []*Input) {
	for a := range w.force {
		b.dirty[a] = true
		delete(b.at[a], w)
	}
	w.force, w.count = map[netip.Addr][]*Input{}, len(inputs)
	for _, in := range inputs {
		w.force[in.Address] = append(w.force[in.Address], in)
	}
	for a := range w.force {
		b.dirty[a] = true
		if b.at[a] == nil {
			b.at[a] = map[*owned]struct{}{}
		}
		b.at[a][w] = struct{}{}
	}
}

// Build returns what is now in force. Tables that nothing touched since the
// last call are the same ones.
func (b *Builder) Build() *Result {
	b.rebuild()
	r := &Result{}
	for _, t := range b.tables {
		r.Tables = append(r.Tables, t)
	}
	slices.SortFunc(r.Tables, func(x, y *Table) int { return x.Address.Compare(y.Address) })
	for _, w := range b.owners {
		r.Owners = append(r.Owners, OwnerState{w.name, w.standing, w.newest.refusals, w.heldBack(), w.count})
	}
	slices.SortFunc(r.Owners, func(x, y OwnerState) int { return strings.Compare(x.Name, y.Name) })
	for i := range r.Owners {
		r.Refusals = append(r.Refusals, r.Owners[i].Refusals...)
		r.Warnings = append(r.Warnings, b.owners[r.Owners[i].Name].newest.warnings...)
	}
	slices.SortStableFunc(r.Refusals, func(x, y *Refusal) int {
		return cmp.Or(compareSource(x.Source, y.Source), strings.Compare(x.Owner, y.Owner), strings.Compare(x.Service, y.Service),
			strings.Compare(string(x.Code), string(y.Code)), strings.Compare(x.Value, y.Value))
	})
	slices.SortStableFunc(r.Warnings, func(x, y *Warning) int {
		return cmp.Or(compareSource(x.Source, y.Source), strings.Compare(x.Owner, y.Owner), strings.Compare(x.Msg, y.Msg))
	})
	for _, t := range r.Tables {
		r.Warnings = append(r.Warnings, t.Warnings...)
	}
	return r
}

// heldBack returns what is without fault in the newest version, and not in force.
func (w *owned) heldBack() []*Input {
	if w.standing == StandingLastGood {
		return slices.Concat(w.newest.inputs, w.newest.held)
	}
	return w.newest.held
}

// rebuild makes the dirty tables anew, as many at once as there are processors.
func (b *Builder) rebuild() {
	if b.dirty[netip.Addr{}] { // what holds for all addresses is in every table
		for a := range b.at {
			b.dirty[a] = true
		}
	}
	var work []netip.Addr
	for a := range b.dirty {
		delete(b.tables, a)
		if len(b.at[a]) > 0 || !a.IsValid() {
			work = append(work, a)
		} else {
			delete(b.at, a)
		}
	}
	clear(b.dirty)
	made := make([]*Table, len(work))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(work)) {
		wg.Go(func() {
			for i := range next {
				made[i] = newTable(work[i], b.gather(work[i]), b.o)
			}
		})
	}
	for i := range work {
		next <- i
	}
	close(next)
	wg.Wait()
	for i, t := range made {
		b.tables[work[i]] = t
	}
}

// gather returns what is in force for an address, in no order.
func (b *Builder) gather(a netip.Addr) []*Input {
	n := 0
	for w := range b.at[a] {
		n += len(w.force[a])
	}
	if a.IsValid() {
		for w := range b.at[netip.Addr{}] {
			n += len(w.force[netip.Addr{}])
		}
	}
	out := make([]*Input, 0, n)
	for w := range b.at[a] {
		out = append(out, w.force[a]...)
	}
	if a.IsValid() {
		for w := range b.at[netip.Addr{}] {
			out = append(out, w.force[netip.Addr{}]...)
		}
	}
	return out
}

func compareSource(a, b Source) int {
	return cmp.Or(strings.Compare(a.File, b.File), int(a.Pos.Line)-int(b.Pos.Line), int(a.Pos.Col)-int(b.Pos.Col))
}
