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
	kind map[any]*sample // by what tells the kinds apart
}

type sample struct {
	last   time.Time
	silent uint64 // not logged since
}

func newSampler(log *slog.Logger) *sampler {
	return &sampler{log: log, now: time.Now, kind: map[any]*sample{}}
}

// foreign is told of each connection that was no policy request.
func (s *sampler) foreign(client netip.AddrPort, o policy.Opening) {
	s.note(o, slog.LevelInfo, "not a policy request: closed without an answer", "kind", o.String(), "client", client.Addr().Unmap().String())
}

// note logs, or counts what it does not log.
func (s *sampler) note(kind any, level slog.Level, msg string, args ...any) {
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind[kind]
	if k == nil {
		k = &sample{}
		s.kind[kind] = k
	}
	now := s.now()
	if now.Sub(k.last) < sampleEvery {
		k.silent++
		return
	}
	s.log.Log(context.Background(), level, msg, append(args, "more_since", k.silent)...)
	k.last, k.silent = now, 0
}
