// Package metrics shows the server's counters to Prometheus.
//
// [New] returns a collector over a function that takes snapshots: nothing is
// counted here, and the server knows nothing of it. A scrape costs one
// snapshot.
package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// Snapshot is the state of the service at one moment.
type Snapshot struct {
	Version   string
	Limits    server.Limits
	Listeners []Listener
	Fronts    []Front
	Sources   []Source
	FastPaths []FastPath
	Healthy   bool
	Ready     bool // every listener serves
}

// Listener is one listening socket.
type Listener struct {
	Address string
	Stats   server.Stats
	Digest  string // of the default policy
	Bytes   int    // size of the default answer
	Fast    xdp.Counters
}

// Source is where policies come from.
type Source struct {
	Name        string
	Reloads     uint64
	Refusals    uint64
	LastRefused bool // the newest reload was refused, or a part of what it read
	Since       time.Time
}

type collector struct{ snapshot func() Snapshot }

// New returns a collector that calls snapshot at each scrape, from any
// goroutine.
func New(snapshot func() Snapshot) prometheus.Collector { return collector{snapshot} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("port843_"+name, help, labels, nil)
}

var (
	build        = desc("build_info", "Always 1; the version that runs.", "version")
	healthy      = desc("healthy", "1 while every listener serves, no reload is refused and every backend is up, else 0.")
	ready        = desc("ready", "1 while every listener serves, else 0.")
	exchanges    = desc("exchanges_total", "Connections that have ended, by how they did.", "listener", "outcome")
	accepted     = desc("connections_accepted_total", "Connections accepted.", "listener")
	open         = desc("connections_open", "Connections open now.", "listener")
	acceptErrors = desc("accept_errors_total", "Failures of accept after which the server went on, such as a lack of descriptors.", "listener")
	policyInfo   = desc("policy_info", "Always 1; the SHA-256 of the policy in service.", "listener", "digest")
	policyBytes  = desc("policy_bytes", "Size of the answer in service, its NUL included.", "listener")
	limitAll     = desc("connections_limit", "How many connections may be open at a time.")
	limitClient  = desc("connections_per_address_limit", "How many connections of one client address may be open at a time.")
	reloads      = desc("reloads_total", "Reloads, by whether they were accepted.", "source", "result")
	refused      = desc("reload_refused", "1 while the newest reload, or a part of it, is refused and the last good policy stays in service.", "source")
	loadedAt     = desc("policy_loaded_timestamp_seconds", "When the policies in service were loaded.", "source")
	descriptions = []*prometheus.Desc{build, healthy, ready, exchanges, accepted, open, acceptErrors, policyInfo, policyBytes, limitAll, limitClient, reloads, refused, loadedAt}
)

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(descriptions, frontDescriptions, fastDescriptions) {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.snapshot()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(build, 1, s.Version)
	gauge(healthy, number(s.Healthy))
	gauge(ready, number(s.Ready))
	gauge(limitAll, float64(s.Limits.MaxConnections))
	gauge(limitClient, float64(s.Limits.MaxPerAddress))
	for _, l := range s.Listeners {
		for _, o := range server.Outcomes() {
			counter(exchanges, l.Stats.Ended[o], l.Address, o.String())
		}
		counter(accepted, l.Stats.Accepted, l.Address)
		counter(acceptErrors, l.Stats.AcceptErrors, l.Address)
		gauge(open, float64(l.Stats.Open), l.Address)
		gauge(policyInfo, 1, l.Address, l.Digest)
		gauge(policyBytes, float64(l.Bytes), l.Address)
	}
	collectFast(s, counter, gauge)
	for _, f := range s.Fronts {
		collectFront(f, counter, gauge)
	}
	for _, x := range s.Sources {
		counter(reloads, x.Reloads, x.Name, "accepted")
		counter(reloads, x.Refusals, x.Name, "refused")
		gauge(refused, number(x.LastRefused), x.Name)
		gauge(loadedAt, float64(x.Since.UnixNano())/1e9, x.Name)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
