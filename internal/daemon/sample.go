package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/port843/port843/policy"
)

// sampleEvery is how often connections that are no policy requests are logged,
// at most, per kind: a flood of them is one line with a count.
const sampleEvery = 10 * time.Second

// sampler logs the first of a kind at once and then a count now and then.
type sampler struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	kind map[policy.Opening]*sample
}

type sample struct {
	last   time.Time
	silent uint64 // not logged since
}

func newSampler(log *slog.Logger) *sampler {
	return &sampler{log: log, now: time.Now, kind: map[policy.Opening]*sample{}}
}

// foreign is told of each connection that was no policy request.
func (s *sampler) foreign(client netip.AddrPort, o policy.Opening) {
	if !s.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind[o]
	if k == nil {
		k = &sample{}
		s.kind[o] = k
	}
	now := s.now()
	if now.Sub(k.last) < sampleEvery {
		k.silent++
		return
	}
	s.log.Info("not a policy request: closed without an answer", "kind", o.String(), "client", client.Addr().Unmap().String(), "more_since", k.silent)
	k.last, k.silent = now, 0
}
