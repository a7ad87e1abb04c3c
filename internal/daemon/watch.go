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

// watch reloads each source when its files change, until ctx ends.
func watch(ctx context.Context, keepers []*keeper) {
	last := make([]string, len(keepers))
	for wait := watchEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		var looking time.Duration
		for i, k := range keepers {
			began := time.Now()
			changed := k.changed(&last[i])
			looking += time.Since(began)
			if changed {
				_ = k.reload("the file changed") // logged and counted there
			}
		}
		wait = min(max(watchEvery, watchShare*looking), watchAtLeast)
	}
}
