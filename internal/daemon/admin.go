package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/port843/port843/internal/metrics"
	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// Status is what /status tells, and what the metrics are made of.
type Status struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Status    string           `json:"status"` // "ok" or "degraded"
	Reasons   []string         `json:"reasons,omitempty"`
	Ready     bool             `json:"ready"`
	User      string           `json:"user"`
	Limits    StatusLimits     `json:"limits"`
	Listeners []StatusListener `json:"listeners"`
	Fronts    []StatusFront    `json:"fronts,omitempty"`
	Sources   []SourceState    `json:"sources"`
	FastPaths []StatusFastPath `json:"fast_paths,omitempty"`
	// PerSecond is how many exchanges ended how, a second, over the last ten.
	PerSecond map[string]float64 `json:"exchanges_per_second,omitempty"`
	// Who may reach what; only where it is asked for ("/status?who"), since it
	// may be long.
	Who *web.Who `json:"who,omitempty"`
}

// StatusLimits are the limits in force.
type StatusLimits struct {
	DeadlineSeconds float64 `json:"deadline_seconds"`
	MaxConnections  int     `json:"max_connections"`
	MaxPerAddress   int     `json:"max_per_address"`
}

// StatusListener is one listening socket.
type StatusListener struct {
	Address      string            `json:"address"`
	Source       string            `json:"source"`
	Digest       string            `json:"digest"`
	Bytes        int               `json:"bytes"`
	Accepted     uint64            `json:"accepted"`
	Open         int64             `json:"open"`
	AcceptErrors uint64            `json:"accept_errors"`
	Outcomes     map[string]uint64 `json:"outcomes"`

	stats server.Stats
	fast  xdp.Counters
}

// status takes a snapshot.
func (d *daemon) status() Status {
	limits := d.server.Limits()
	s := Status{
		Version: d.o.Version, Started: d.started, Ready: d.ready.Load(), User: d.user,
		Limits: StatusLimits{limits.Deadline.Seconds(), limits.MaxConnections, limits.MaxPerAddress},
	}
	var fast []xdp.Counters
	s.FastPaths, fast, s.Reasons = d.fast.status()
	for i, l := range d.server.Listeners() {
		stats := d.statsOf(i, l, fast)
		answer := l.Policies().Default
		row := StatusListener{
			Address: l.Addr().String(), Source: d.sockets[i].keeper.source.String(),
			Digest: answer.Digest(), Bytes: answer.Size(),
			Accepted: stats.Accepted, Open: stats.Open, AcceptErrors: stats.AcceptErrors,
			Outcomes: map[string]uint64{}, stats: stats,
		}
		for _, o := range server.Outcomes() {
			row.Outcomes[o.String()] = stats.Ended[o]
		}
		if i < len(fast) {
			row.fast = fast[i]
		}
		s.Listeners = append(s.Listeners, row)
	}
	s.Fronts = d.frontStatus()
	for _, f := range s.Fronts {
		if f.certs != nil {
			s.Reasons = append(s.Reasons, f.certs.reasons(f.Address, time.Now())...)
		}
		for _, b := range f.Backends {
			if !b.Up {
				s.Reasons = append(s.Reasons, "the backend "+b.Address+" of "+f.Address+" is down: "+b.Error)
			}
		}
	}
	for _, k := range d.keepers {
		state := k.snapshot()
		s.Sources = append(s.Sources, state)
		if state.Error != "" {
			s.Reasons = append(s.Reasons, "reload refused, the last good policy stays in service: "+state.Error)
		}
		s.Reasons = append(s.Reasons, state.Refused...)
	}
	if !s.Ready {
		s.Reasons = append(s.Reasons, "not every listener serves")
	}
	s.Status = "ok"
	if len(s.Reasons) > 0 {
		s.Status = "degraded"
	}
	return s
}

func (d *daemon) metricsSnapshot() metrics.Snapshot {
	st := d.status()
	m := metrics.Snapshot{Version: st.Version, Limits: d.server.Limits(), Healthy: st.Status == "ok", Ready: st.Ready}
	for _, l := range st.Listeners {
		m.Listeners = append(m.Listeners, metrics.Listener{Address: l.Address, Stats: l.stats, Digest: l.Digest, Bytes: l.Bytes, Fast: l.fast})
	}
	for _, f := range st.FastPaths {
		m.FastPaths = append(m.FastPaths, metrics.FastPath{Interface: f.Interface, Mode: f.Mode, Doors: f.Doors})
	}
	for _, f := range st.Fronts {
		m.Fronts = append(m.Fronts, metrics.Front{Address: f.Address, Stats: f.stats})
	}
	for _, x := range st.Sources {
		m.Sources = append(m.Sources, metrics.Source{
			Name: x.Name, Reloads: x.Reloads, Refusals: x.Refusals,
			LastRefused: x.Error != "" || len(x.Refused) > 0, Since: x.Since,
		})
	}
	return m
}

// adminHandler serves what is to be seen of the service.
func (d *daemon) adminHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.New(d.metricsSnapshot), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s := d.status()
		s.PerSecond = d.page.PerSecond()
		if r.URL.Query().Has("who") {
			who := d.page.Who()
			s.Who = &who
		}
		writeJSON(w, http.StatusOK, s)
	})
	mux.HandleFunc("GET /healthz", d.health)
	mux.HandleFunc("GET /readyz", d.readiness)
	if d.o.Probe != nil {
		mux.Handle("GET /probe", d.o.Probe)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	d.page.Register(mux)
	return d.access.Guard(mux)
}

// health is 200 while all is well. While the service does its work but
// something is to be looked at, such as a refused reload, it is 503 and says
// what; a supervisor that would restart the service for it should ask /readyz.
func (d *daemon) health(w http.ResponseWriter, _ *http.Request) {
	s := d.status()
	code := http.StatusOK
	if s.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, map[string]any{"status": s.Status, "reasons": s.Reasons})
}

// readiness is 200 while every listener serves.
func (d *daemon) readiness(w http.ResponseWriter, _ *http.Request) {
	if !d.ready.Load() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"ready": false})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"ready": true})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client is gone: nobody to tell
}

// serveAdmin serves the admin pages until ctx ends.
func (d *daemon) serveAdmin(ctx context.Context) error {
	srv := &http.Server{
		Handler:           d.adminHandler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	ln := d.admin
	if c := d.access.TLS(); c != nil {
		ln = tls.NewListener(ln, c)
	}
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the admin address: %w", err)
	}
	return nil
}
