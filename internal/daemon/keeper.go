package daemon

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/server"
)

// keeper keeps what is in service for one source, and for the listeners that
// use it.
type keeper struct {
	source Source
	log    *slog.Logger
	refit  func(*keeper, *Loaded) // makes the source's fronts those of a load; nil at first

	loading sync.Mutex // held while the source is read

	mu         sync.Mutex // guards the rest; never held while files are read
	listeners  []taker
	servedFrom uint16 // the lowest port that clients see its policies come from
	seen       string // the signature of the last load
	state      SourceState
	loaded     Loaded
}

// taker is what serves a source's policies: a *server.Listener, or a front.
type taker interface{ SetPolicies(server.Policies) error }

// SourceState is what status and metrics tell of a source.
type SourceState struct {
	Name       string    `json:"source"`
	Files      []string  `json:"files,omitempty"` // that it was read from
	Since      time.Time `json:"since"`           // when what is in service was loaded
	LastReload time.Time `json:"last_reload"`     // when a reload was last tried
	Reloads    uint64    `json:"reloads"`         // that changed what is in service
	Refusals   uint64    `json:"refusals"`        // reloads that were refused
	Error      string    `json:"error,omitempty"`
	Refused    []string  `json:"refused,omitempty"`
	Warnings   []string  `json:"warnings,omitempty"`
	// History are the last reloads, the newest first.
	History []web.Reload `json:"history,omitempty"`
}

// newKeeper loads the source for the first time.
func newKeeper(s Source, log *slog.Logger) (*keeper, error) {
	k := &keeper{source: s, log: log, seen: signature(s.Paths())}
	loaded, err := s.Load()
	if err != nil {
		return nil, err
	}
	k.take(loaded, s.Paths(), time.Now())
	return k, nil
}

func (k *keeper) take(loaded Loaded, files []string, now time.Time) {
	k.loaded = loaded
	k.state.Name, k.state.Files = k.source.String(), files
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

// attach adds a listener that uses this source, and whose policies clients see
// come from that port.
func (k *keeper) attach(l taker, servedFrom uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.listeners) == 0 || servedFrom < k.servedFrom {
		k.servedFrom = servedFrom
	}
	k.listeners = append(k.listeners, l)
}

// detach removes a listener that is gone.
func (k *keeper) detach(l taker) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listeners = slices.DeleteFunc(k.listeners, func(x taker) bool { return x == l })
}

// onReload has refit called with every further load, before it is in service.
func (k *keeper) onReload(refit func(*keeper, *Loaded)) {
	k.loading.Lock()
	defer k.loading.Unlock()
	k.refit = refit
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
	files := k.source.Paths()
	before := k.inService()
	defer func() { k.remember(before, web.Reload{At: now, Why: why}, err) }()
	if err == nil && k.refit != nil {
		k.refit(k, &loaded)
	}

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
	digest := before.Policies.Default.Digest()
	k.take(loaded, files, now)
	k.state.Reloads++
	for _, l := range k.listeners {
		if err := l.SetPolicies(loaded.Policies); err != nil {
			return err // a source without a default answer: a mistake in the program
		}
	}
	a := loaded.Policies.Default
	k.log.Info("reloaded", "source", k.source.String(), "why", why, "changed", a.Digest() != digest, "digest", shortDigest(a), "bytes", a.Size())
	return nil
}

// remember adds a reload to the history, with what it changed. It is done when
// the new policies serve already: to compare large ones takes a while.
func (k *keeper) remember(before web.InService, r web.Reload, err error) {
	after := k.inService()
	k.mu.Lock()
	servedFrom := k.servedFrom
	k.mu.Unlock()
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Changes, r.More = web.Compare(before, after, servedFrom)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		r.Refused = k.state.Refused
	}
	past := k.state.History
	k.state.History = append([]web.Reload{r}, past[:min(len(past), web.MaxReloads-1)]...)
}

// inService returns what is in service.
func (k *keeper) inService() web.InService {
	k.mu.Lock()
	defer k.mu.Unlock()
	return web.InService{Policies: k.loaded.Policies, Tables: k.loaded.Tables}
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
