package daemon

import (
	"log/slog"
	"sync"
	"time"

	"github.com/port843/port843/server"
)

// keeper keeps what is in service for one source, and for the listeners that
// use it.
type keeper struct {
	source Source
	log    *slog.Logger

	loading sync.Mutex // held while the source is read

	mu        sync.Mutex // guards the rest; never held while files are read
	listeners []taker
	seen      string // the signature of the last load
	state     SourceState
	loaded    Loaded
}

// taker is what serves a source's policies: a *server.Listener, or a front.
type taker interface{ SetPolicies(server.Policies) error }

// SourceState is what status and metrics tell of a source.
type SourceState struct {
	Name       string    `json:"source"`
	Since      time.Time `json:"since"`       // when what is in service was loaded
	LastReload time.Time `json:"last_reload"` // when a reload was last tried
	Reloads    uint64    `json:"reloads"`     // that changed what is in service
	Refusals   uint64    `json:"refusals"`    // reloads that were refused
	Error      string    `json:"error,omitempty"`
	Refused    []string  `json:"refused,omitempty"`
	Warnings   []string  `json:"warnings,omitempty"`
}

// newKeeper loads the source for the first time.
func newKeeper(s Source, log *slog.Logger) (*keeper, error) {
	k := &keeper{source: s, log: log, seen: signature(s.Paths())}
	loaded, err := s.Load()
	if err != nil {
		return nil, err
	}
	k.take(loaded, time.Now())
	return k, nil
}

func (k *keeper) take(loaded Loaded, now time.Time) {
	k.loaded = loaded
	k.state.Name = k.source.String()
	k.state.Since, k.state.LastReload = now, now
	k.state.Error = ""
	k.state.Refused, k.state.Warnings = loaded.Refused, loaded.Warnings
	for _, w := range loaded.Warnings {
		k.log.Warn("the policy has a flaw", "source", k.state.Name, "what", w)
	}
	for _, r := range loaded.Refused {
		k.log.Error("a part of the policies is refused", "source", k.state.Name, "why", r)
	}
}

// attach adds a listener that uses this source.
func (k *keeper) attach(l taker) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listeners = append(k.listeners, l)
}

// changed reports whether the source's files are others than at the last load,
// and have been so for two looks in a row: a file that is just being written
// is left alone until it stands still.
func (k *keeper) changed(last *string) bool {
	k.loading.Lock()
	now := signature(k.source.Paths())
	k.loading.Unlock()
	steady := now == *last
	*last = now
	k.mu.Lock()
	defer k.mu.Unlock()
	return now != k.seen && steady
}

// reload reads the source anew and swaps the policies of its listeners. After
// an error everything stays as it was.
func (k *keeper) reload(why string) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	now := time.Now()
	seen := signature(k.source.Paths())
	loaded, err := k.source.Load()

	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = seen
	k.state.LastReload = now
	if err != nil {
		k.state.Refusals++
		k.state.Error = err.Error()
		k.log.Error("reload refused: the last good policy stays in service", "source", k.source.String(), "why", why, "error", err)
		return err
	}
	before := k.loaded.Policies.Default.Digest()
	k.take(loaded, now)
	k.state.Reloads++
	for _, l := range k.listeners {
		if err := l.SetPolicies(loaded.Policies); err != nil {
			return err // a source without a default answer: a mistake in the program
		}
	}
	a := loaded.Policies.Default
	k.log.Info("reloaded", "source", k.source.String(), "why", why, "changed", a.Digest() != before, "digest", shortDigest(a), "bytes", a.Size())
	return nil
}

// snapshot returns the state for status and metrics.
func (k *keeper) snapshot() SourceState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

func (k *keeper) policies() server.Policies {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loaded.Policies
}

// shortDigest is enough of a digest to tell policies apart by eye.
func shortDigest(a *server.Answer) string { return a.Digest()[:12] }
