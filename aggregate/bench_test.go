package aggregate

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/port843/port843/policy"
)

// machine makes owners with ten services and eighty rules in eight files each,
// ten owners an address: a hundred rules an owner, as 20 services' domains and
// 80 of files.
func machine(owners int) []Version {
	vs := make([]Version, owners)
	for i := range vs {
		vs[i] = department(i, 0)
	}
	return vs
}

// department makes the i-th owner; another edition differs in one port.
func department(i, edition int) Version {
	base := fmt.Sprintf("dept-%d.example.edu", i)
	low := 2000 + i%10*4000
	v := Version{Owner: Owner{
		Name: fmt.Sprintf("dept-%d", i), Ports: policy.PortRanges(policy.PortRange{Lo: uint16(low), Hi: uint16(low + 3999)}),
		Domains:   []policy.Domain{domain("*." + base), domain("*.partner.example.org")},
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i / 2560), byte(i / 10), 1})},
	}}
	for s := range 10 {
		v.Services = append(v.Services, Service{
			Name: fmt.Sprintf("svc-%d-%d", i, s), Ports: policy.Ports(uint16(low + s)),
			Allow:  []policy.Domain{domain("*." + base), domain(fmt.Sprintf("s%d.partner.example.org", s))},
			Source: Source{File: "port843.toml", Pos: policy.Pos{Line: int32(10*i + s + 1), Col: 3}},
		})
	}
	for f := range 8 {
		var p policy.Policy
		for r := range 10 {
			p.Rules = append(p.Rules, policy.Rule{Domain: domain(fmt.Sprintf("h%d.lab%d.%s", r, f, base)), Ports: policy.Ports(uint16(low+20+r), uint16(low+40+f), uint16(low+60+edition))})
		}
		v.Fragments = append(v.Fragments, ReadFragment(fmt.Sprintf("policies.d/%d/%d.xml", i, f), policy.Format(&p)))
	}
	return v
}

// BenchmarkBuild builds everything with provenance, at four sizes: how the time
// a rule grows is the figure to look at.
func BenchmarkBuild(b *testing.B) {
	for _, owners := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("owners=%d/services=%d/rules=%d", owners, 10*owners, 100*owners), func(b *testing.B) {
			vs := machine(owners)
			b.ReportAllocs()
			var r *Result
			for b.Loop() {
				r = nil // or the last result counts as memory of this one
				r = Build(Options{}, vs)
			}
			inputs := 0
			for _, o := range r.Owners {
				inputs += o.Inputs
			}
			if inputs != 100*owners || len(r.Refusals) != 0 {
				b.Fatalf("%d inputs in force, refused %v", inputs, r.Refusals)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(inputs), "ns/rule")
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
			runtime.KeepAlive(vs)
			runtime.KeepAlive(r)
		})
	}
}

// BenchmarkChange replaces one fragment of one owner and builds again.
func BenchmarkChange(b *testing.B) {
	for _, owners := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("rules=%d", 100*owners), func(b *testing.B) {
			builder := NewBuilder(Options{})
			for _, v := range machine(owners) {
				builder.Set(v)
			}
			builder.Build()
			editions := [2]Version{department(3, 0), department(3, 1)}
			n := 0
			for b.Loop() {
				n++
				builder.Set(editions[n%2])
				builder.Build()
			}
		})
	}
}

// BenchmarkChangeShared is the same where all owners share one address, so
// that one table holds every rule.
func BenchmarkChangeShared(b *testing.B) {
	for _, owners := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", 100*owners), func(b *testing.B) {
			builder := NewBuilder(Options{})
			for i := range owners {
				v := department(i, 0)
				v.Owner.Addresses = nil
				builder.Set(v)
			}
			builder.Build()
			editions := [2]Version{department(3, 0), department(3, 1)}
			editions[0].Owner.Addresses, editions[1].Owner.Addresses = nil, nil
			n := 0
			for b.Loop() {
				n++
				builder.Set(editions[n%2])
				builder.Build()
			}
		})
	}
}

// BenchmarkReadFragment reads a file of ten rules.
func BenchmarkReadFragment(b *testing.B) {
	var p policy.Policy
	for r := range 10 {
		p.Rules = append(p.Rules, policy.Rule{Domain: domain(fmt.Sprintf("h%d.lab.example.edu", r)), Ports: policy.Ports(uint16(9000 + r))})
	}
	data := policy.Format(&p)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		ReadFragment("a.xml", data)
	}
}
