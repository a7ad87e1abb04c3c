package daemon

import (
	"context"
	"time"
)

// Files are watched by looking at them: that sees a swapped symbolic link (as
// Kubernetes swaps a ConfigMap), works on network file systems and on every
// system, and needs no descriptor. The road not taken is inotify, which sees
// none of the first two. A look takes a few system calls a file; where they
// are many, the looks are made rarer, so that they cost about a hundredth of a
// core, and never so rare that nobody would wait for one.
const (
	watchEvery   = 500 * time.Millisecond
	watchShare   = 100
	watchAtLeast = 10 * time.Second
)

// watched has files: a keeper, or the certificates.
type watched interface {
	// changed reports whether they are others than were last read, and stand
	// still since last, which it keeps for the next look.
	changed(last *string) bool
	// reload reads them. The error is told of elsewhere.
	reload(why string) error
}

// watched returns all that is.
func (d *daemon) watched() []watched {
	out := []watched{&certificateWatch{d: d}}
	for _, k := range d.keepers {
		out = append(out, k)
	}
	return out
}

// watch reloads each when its files change, until ctx ends.
func watch(ctx context.Context, all []watched) {
	last := make([]string, len(all))
	for wait := watchEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		var looking time.Duration
		for i, w := range all {
			began := time.Now()
			changed := w.changed(&last[i])
			looking += time.Since(began)
			if changed {
				_ = w.reload("the file changed") // logged and counted there
			}
		}
		wait = min(max(watchEvery, watchShare*looking), watchAtLeast)
	}
}
