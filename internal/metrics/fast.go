package metrics

import "github.com/prometheus/client_golang/prometheus"

// FastPath is the fast path on one interface.
type FastPath struct {
	Interface string
	Mode      string // native or generic
	Doors     int    // addresses and ports that it answers for
}

var (
	fastPackets = desc("fastpath_packets_total", "Packets that the fast path saw for a listener, by what became of them. Answers are exchanges too.", "listener", "result")
	fastDoors   = desc("fastpath_doors", "Addresses and ports that the fast path answers for on an interface.", "interface", "mode")

	fastDescriptions = []*prometheus.Desc{fastPackets, fastDoors}
)

// collectFast sends the fast path's metrics, where there is one.
func collectFast(s Snapshot, counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	if len(s.FastPaths) == 0 {
		return
	}
	for _, f := range s.FastPaths {
		gauge(fastDoors, float64(f.Doors), f.Interface, f.Mode)
	}
	for _, l := range s.Listeners {
		l.Fast.Each(func(name string, n uint64) { counter(fastPackets, n, l.Address, name) })
	}
}
