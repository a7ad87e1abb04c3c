package policy

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the ports Lo to Hi, both included; 1 <= Lo <= Hi.
type PortRange struct{ Lo, Hi uint16 }

// PortSet is a set of TCP ports, 1 to 65535. The zero value is empty. It is
// immutable and may be shared between goroutines; compare with [PortSet.Equal].
type PortSet struct {
	r []PortRange // ascending, disjoint, not adjacent
}

// SmallRange is the longest run of ports that a generator writes as single
// ports: ranges are Adobe's own, but Lightspark honours only the first port of
// one and Unity leaves the last one out. Sixteen ports of five digits and
// their commas are 96 bytes, a twelfth of [AdvisedSize].
const SmallRange = 16

// AllPorts returns the set of every port, which is written "*".
func AllPorts() PortSet { return PortSet{[]PortRange{{1, 65535}}} }

// Ports returns the set of the given ports. Zero is no port and is left out.
func Ports(ports ...uint16) PortSet {
	r := make([]PortRange, 0, len(ports))
	for _, p := range ports {
		r = append(r, PortRange{p, p})
	}
	return PortRanges(r...)
}

// PortRanges returns the union of the ranges, in any order. A reversed range
// is empty; zero is no port.
func PortRanges(ranges ...PortRange) PortSet {
	r := make([]PortRange, 0, len(ranges))
	for _, x := range ranges {
		x.Lo = max(x.Lo, 1)
		if x.Lo <= x.Hi {
			r = append(r, x)
		}
	}
	slices.SortFunc(r, func(a, b PortRange) int { return int(a.Lo) - int(b.Lo) })
	return PortSet{mergeRanges(r)}
}

// mergeRanges joins overlapping and adjacent ranges of an ascending list, in place.
func mergeRanges(r []PortRange) []PortRange {
	out := r[:0]
	for _, x := range r {
		if n := len(out); n > 0 && int(x.Lo) <= int(out[n-1].Hi)+1 {
			out[n-1].Hi = max(out[n-1].Hi, x.Hi)
			continue
		}
		out = append(out, x)
	}
	return out
}

// ParsePorts reads a to-ports attribute.
//
// Permitted:
//
//	*
//	80
//	507,516-523
//	516-523,507,507
//
// Prohibited, where Adobe says nothing and we refuse (a client of ours takes
// such an attribute as granting nothing):
//
//	(empty)
//	80,
//	80, 443
//	0
//	70000
//	200-100
//	1-2-3
//	*,80
//	http
//
// The error is a [*ValueError].
func ParsePorts(s string) (PortSet, error) {
	if s == "*" {
		return AllPorts(), nil
	}
	if s == "" {
		return PortSet{}, &ValueError{CodePortsEmpty, s, "no port is named"}
	}
	var buf [8]PortRange
	r := buf[:0]
	ascending := true
	for rest, more := s, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		x, err := parsePortItem(item)
		if err != nil {
			return PortSet{}, err
		}
		if n := len(r); n > 0 && x.Lo < r[n-1].Lo {
			ascending = false
		}
		r = append(r, x)
	}
	if !ascending {
		return PortRanges(r...), nil
	}
	return PortSet{slices.Clone(mergeRanges(r))}, nil
}

func parsePortItem(item string) (PortRange, error) {
	lo, hi, isRange := strings.Cut(item, "-")
	if !isRange {
		hi = lo
	}
	a, err := parsePort(lo, item)
	if err != nil {
		return PortRange{}, err
	}
	b, err := parsePort(hi, item)
	if err != nil {
		return PortRange{}, err
	}
	if a > b {
		return PortRange{}, &ValueError{CodePortsReversed, item, "the range runs backwards"}
	}
	return PortRange{a, b}, nil
}

func parsePort(s, item string) (uint16, error) {
	if strings.ContainsAny(item, " \t\r\n") {
		return 0, &ValueError{CodePortsPadding, item, "white space among the ports"}
	}
	if s == "" {
		return 0, &ValueError{CodePortsSyntax, item, "a port is missing"}
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, &ValueError{CodePortsSyntax, item, "not a port, a range or \"*\" alone"}
		}
		n = min(n*10+int(c-'0'), 1<<20)
	}
	if n < 1 || n > 65535 {
		return 0, &ValueError{CodePortsRange, item, "ports are 1 to 65535"}
	}
	return uint16(n), nil
}

// Ranges returns the set as ascending, disjoint, non-adjacent ranges.
func (s PortSet) Ranges() []PortRange { return slices.Clone(s.r) }

// All goes through the ranges that [PortSet.Ranges] returns, without a copy.
func (s PortSet) All() iter.Seq[PortRange] { return slices.Values(s.r) }

// IsEmpty reports whether no port is in the set.
func (s PortSet) IsEmpty() bool { return len(s.r) == 0 }

// IsAll reports whether every port is in the set.
func (s PortSet) IsAll() bool { return len(s.r) == 1 && s.r[0] == PortRange{1, 65535} }

// Len returns the number of ports in the set.
func (s PortSet) Len() int {
	n := 0
	for _, x := range s.r {
		n += int(x.Hi) - int(x.Lo) + 1
	}
	return n
}

// Contains reports whether port is in the set.
func (s PortSet) Contains(port uint16) bool {
	i, found := slices.BinarySearchFunc(s.r, port, func(x PortRange, p uint16) int { return int(x.Lo) - int(p) })
	return found || i > 0 && port <= s.r[i-1].Hi
}

// Equal reports whether both sets hold the same ports.
func (s PortSet) Equal(t PortSet) bool { return slices.Equal(s.r, t.r) }

// Covers reports whether every port of t is in s.
func (s PortSet) Covers(t PortSet) bool {
	for _, x := range t.r {
		i, found := slices.BinarySearchFunc(s.r, x.Lo, func(y PortRange, p uint16) int { return int(y.Lo) - int(p) })
		if !found {
			i--
		}
		if i < 0 || s.r[i].Hi < x.Hi {
			return false
		}
	}
	return true
}

// Union returns the ports of s or t.
func (s PortSet) Union(t PortSet) PortSet {
	if s.Covers(t) {
		return s
	}
	if t.Covers(s) {
		return t
	}
	r := make([]PortRange, 0, len(s.r)+len(t.r))
	i, j := 0, 0
	for i < len(s.r) || j < len(t.r) {
		if j == len(t.r) || i < len(s.r) && s.r[i].Lo <= t.r[j].Lo {
			r = append(r, s.r[i])
			i++
		} else {
			r = append(r, t.r[j])
			j++
		}
	}
	return PortSet{mergeRanges(r)}
}

// Intersect returns the ports of both s and t.
func (s PortSet) Intersect(t PortSet) PortSet {
	var r []PortRange
	for i, j := 0, 0; i < len(s.r) && j < len(t.r); {
		lo, hi := max(s.r[i].Lo, t.r[j].Lo), min(s.r[i].Hi, t.r[j].Hi)
		if lo <= hi {
			r = append(r, PortRange{lo, hi})
		}
		if s.r[i].Hi < t.r[j].Hi {
			i++
		} else {
			j++
		}
	}
	return PortSet{r}
}

// Subtract returns the ports of s that are not in t.
func (s PortSet) Subtract(t PortSet) PortSet {
	if len(t.r) == 0 {
		return s
	}
	var r []PortRange
	j := 0
	for _, x := range s.r {
		lo := int(x.Lo)
		for j < len(t.r) && t.r[j].Hi < x.Lo {
			j++
		}
		for k := j; k < len(t.r) && t.r[k].Lo <= x.Hi; k++ {
			if int(t.r[k].Lo) > lo {
				r = append(r, PortRange{uint16(lo), t.r[k].Lo - 1})
			}
			lo = int(t.r[k].Hi) + 1
		}
		if lo <= int(x.Hi) {
			r = append(r, PortRange{uint16(lo), x.Hi})
		}
	}
	return PortSet{r}
}

// String returns the shortest form: "*", or ports and ranges, ascending. The
// empty set is "".
func (s PortSet) String() string { return s.write(1) }

// Enumerated returns the form that every known client reads alike: runs of up
// to [SmallRange] ports are written as single ports. Longer runs stay ranges;
// [PortSet.Portable] tells.
func (s PortSet) Enumerated() string { return s.write(SmallRange) }

// EnumeratedLen returns the length of what [PortSet.Enumerated] writes.
func (s PortSet) EnumeratedLen() int {
	if s.IsAll() {
		return 1
	}
	n := max(len(s.r)-1, 0)
	for _, x := range s.r {
		if int(x.Hi-x.Lo) >= SmallRange {
			n += digits(x.Lo) + 1 + digits(x.Hi)
			continue
		}
		for p := int(x.Lo); p <= int(x.Hi); p++ {
			n += digits(uint16(p))
		}
		n += int(x.Hi - x.Lo)
	}
	return n
}

func digits(p uint16) int {
	switch {
	case p < 10:
		return 1
	case p < 100:
		return 2
	case p < 1000:
		return 3
	case p < 10000:
		return 4
	}
	return 5
}

// Portable reports whether [PortSet.Enumerated] is free of ranges.
func (s PortSet) Portable() bool {
	if s.IsAll() {
		return true
	}
	return !slices.ContainsFunc(s.r, func(x PortRange) bool { return int(x.Hi-x.Lo) >= SmallRange })
}

func (s PortSet) write(single int) string {
	if s.IsAll() {
		return "*"
	}
	var b []byte
	for _, x := range s.r {
		if int(x.Hi-x.Lo) < single {
			for p := int(x.Lo); p <= int(x.Hi); p++ {
				b = append(strconv.AppendInt(b, int64(p), 10), ',')
			}
			continue
		}
		b = append(strconv.AppendInt(b, int64(x.Lo), 10), '-')
		b = append(strconv.AppendInt(b, int64(x.Hi), 10), ',')
	}
	return strings.TrimSuffix(string(b), ",")
}

// GoString makes a PortSet readable in test failures.
func (s PortSet) GoString() string { return fmt.Sprintf("policy.PortSet(%q)", s.String()) }
