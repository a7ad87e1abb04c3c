package aggregate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/port843/port843/policy"
)

// Conflict is a port of one address that several owners open. One of them is
// the one that listens there; the rules of the others let their requestors in
// to it.
type Conflict struct {
	Address netip.Addr
	Ports   policy.PortSet
	Sides   []Side // by owner, up to MaxSides
	More    int    // further owners
}

// Side is one owner in a conflict.
type Side struct {
	Owner string
	Input *Input // the first by which it opens a port of the conflict
}

// Bounds of what is said of conflicts, so that a machine on which everyone
// opens everything is still described in a screen.
const (
	MaxSides     = 8
	MaxConflicts = 1000 // of one table
)

// String names the ports and every side.
func (c *Conflict) String() string {
	sides := make([]string, len(c.Sides))
	for i, s := range c.Sides {
		sides[i] = s.Input.String()
	}
	out := fmt.Sprintf("%s: %s: %s", AddressName(c.Address), c.Title(), strings.Join(sides, "; "))
	if c.More > 0 {
		out += fmt.Sprintf("; and %d more", c.More)
	}
	return out
}

// Title names the ports and counts the sides.
func (c *Conflict) Title() string {
	return fmt.Sprintf("%s opened by %d owners", portsVerb(c.Ports, "is", "are"), len(c.Sides)+c.More)
}

// claim is a range of ports that an owner opens, with the first input that does.
type claim struct {
	policy.PortRange
	owner int // index in Table.Owners
	input int // index in Table.Inputs
}

// claims returns each owner's ranges, each range once.
func claims(t *Table) []claim {
	index := make(map[string]int, len(t.Owners))
	for i, o := range t.Owners {
		index[o] = i
	}
	type key struct {
		policy.PortRange
		owner int
	}
	seen := map[key]bool{}
	var out []claim
	for i, in := range t.Inputs {
		owner := index[in.Owner]
		for r := range in.Grant.Ports.All() {
			if k := (key{r, owner}); !seen[k] {
				seen[k] = true
				out = append(out, claim{r, owner, i})
			}
		}
	}
	return out
}

// conflicts sweeps over the ports with the claims that hold at each.
func conflicts(t *Table) []*Conflict {
	if len(t.Owners) < 2 {
		return nil
	}
	all := claims(t)
	slices.SortStableFunc(all, func(a, b claim) int { return int(a.Lo) - int(b.Lo) })
	ends := slices.Clone(all)
	slices.SortStableFunc(ends, func(a, b claim) int { return int(a.Hi) - int(b.Hi) })

	found := map[string]*Conflict{}
	var out []*Conflict
	held := make([]int, len(t.Owners)) // open claims of each owner
	var open []int                     // owners with some, ascending
	first := map[int][]int{}           // open claims' inputs of each owner, ascending
	for port := 1; len(ends) > 0; {
		for ; len(all) > 0 && int(all[0].Lo) <= port; all = all[1:] {
			c := all[0]
			if held[c.owner]++; held[c.owner] == 1 {
				i, _ := slices.BinarySearch(open, c.owner)
				open = slices.Insert(open, i, c.owner)
			}
			i, _ := slices.BinarySearch(first[c.owner], c.input)
			first[c.owner] = slices.Insert(first[c.owner], i, c.input)
		}
		next := int(ends[0].Hi) + 1
		if len(all) > 0 {
			next = min(next, int(all[0].Lo))
		}
		if len(open) > 1 && len(found) < MaxConflicts {
			ports := policy.PortRange{Lo: uint16(port), Hi: uint16(next - 1)}
			out = addConflict(out, found, t, open, first, ports)
		}
		for ; len(ends) > 0 && int(ends[0].Hi) < next; ends = ends[1:] {
			c := ends[0]
			if held[c.owner]--; held[c.owner] == 0 {
				i, _ := slices.BinarySearch(open, c.owner)
				open = slices.Delete(open, i, i+1)
			}
			i, _ := slices.BinarySearch(first[c.owner], c.input)
			first[c.owner] = slices.Delete(first[c.owner], i, i+1)
		}
		port = next
	}
	return out
}

// addConflict adds the ports to the conflict of the same sides, or makes it.
func addConflict(out []*Conflict, found map[string]*Conflict, t *Table, open []int, first map[int][]int, ports policy.PortRange) []*Conflict {
	named := open[:min(len(open), MaxSides)]
	key := strconv.Itoa(len(open))
	for _, o := range named {
		key += "," + strconv.Itoa(o)
	}
	if c := found[key]; c != nil {
		c.Ports = c.Ports.Union(policy.PortRanges(ports))
		return out
	}
	c := &Conflict{Address: t.Address, Ports: policy.PortRanges(ports), More: len(open) - len(named)}
	for _, o := range named {
		c.Sides = append(c.Sides, Side{t.Owners[o], t.Inputs[first[o][0]]})
	}
	found[key] = c
	return append(out, c)
}

// measure takes the size of the table and says what there is to say of it.
func (t *Table) measure(rules int) {
	t.Size = len(policy.Format(&policy.Policy{Meta: t.Meta})) + rules + 1
	warn := func(code WarningCode, format string, args ...any) {
		t.Warnings = append(t.Warnings, &Warning{Code: code, Address: t.Address, Msg: fmt.Sprintf(format, args...)})
	}
	if n := len(t.Owners); n > 1 {
		names := strings.Join(t.Owners[:min(n, MaxSides)], ", ")
		if n > MaxSides {
			names += fmt.Sprintf(" and %d more", n-MaxSides)
		}
		warn(WarnShared, "%s share one policy: a request names no host, so what one of them grants holds at the hosts of all", names)
	}
	switch {
	case t.Size-1 > policy.MaxSize:
		warn(WarnMax, "%d bytes, over %d: no client can be trusted to read that much", t.Size, policy.MaxSize)
	case t.Size > policy.SafeSize:
		warn(WarnSafe, "%d bytes, over %d: clients that read once lose the end", t.Size, policy.SafeSize)
	case t.Size > policy.AdvisedSize:
		warn(WarnAdvised, "%d bytes, over %d: more than one segment on some paths", t.Size, policy.AdvisedSize)
	}
	ranges, example := 0, 0
	for i := range t.Rules {
		if !t.Rules[i].Ports.Portable() {
			if ranges++; ranges == 1 {
				example = i
			}
		}
	}
	if ranges > 0 {
		r := &t.Rules[example]
		warn(WarnRange, "%d of %d rules keep a range of ports, such as %s to %s: Lightspark takes its first port only, Unity all but its last", ranges, len(t.Rules), r.Domain, shortPorts(r.Ports))
	}
}
