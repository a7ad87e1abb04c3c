package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/port843/port843/frontdoor"
)

// Front is a service's own port with the front door on it.
type Front struct {
	Address string
	Stats   frontdoor.Stats
}

var (
	frontAccepted = desc("front_connections_accepted_total", "Connections that a front accepted.", "front")
	frontOpen     = desc("front_connections_open", "Connections of a front that are open now.", "front")
	frontKinds    = desc("front_connections_total", "Connections of a front by what they turned out to be, or why they were ended.", "front", "kind")
	frontBytes    = desc("front_bytes_total", "Bytes that have passed to the backends (up) and from them (down).", "front", "direction")
	backendUp     = desc("front_backend_up", "1 while a backend can be connected, as far as is known, else 0.", "front", "backend")
	backendDials  = desc("front_backend_dials_total", "Connections to a backend, by how they went.", "front", "backend", "result")

	frontDescriptions = []*prometheus.Desc{frontAccepted, frontOpen, frontKinds, frontBytes, backendUp, backendDials}
)

// collectFront sends one front's metrics.
func collectFront(f Front, counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	s := f.Stats
	counter(frontAccepted, s.Accepted, f.Address)
	gauge(frontOpen, float64(s.Open), f.Address)
	for _, k := range []struct {
		name  string
		value uint64
	}{
		{"policy", s.Policies}, {"raw", s.Raw}, {"websocket", s.WebSockets}, {"http", s.HTTP}, {"tls", s.TLS},
		{"origin_refused", s.Origins}, {"no_backend", s.NoBackend}, {"refused", s.Refused}, {"displaced", s.Displaced}, {"taken_back", s.TakenBack},
	} {
		counter(frontKinds, k.value, f.Address, k.name)
	}
	counter(frontBytes, s.Up, f.Address, "up")
	counter(frontBytes, s.Down, f.Address, "down")
	for _, b := range s.Backends {
		gauge(backendUp, number(b.Up), f.Address, b.Address)
		counter(backendDials, b.Dials-b.Failed, f.Address, b.Address, "connected")
		counter(backendDials, b.Failed, f.Address, b.Address, "failed")
	}
}
