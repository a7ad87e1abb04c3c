package daemon

import (
	"context"
	"time"
)

// Files are watched by looking at them: that sees a swapped symbolic link (as
// Kubernetes swaps a ConfigMap), works on network file systems and on every
// system, and needs no descriptor. The road not taken is inotify, which sees
// none of the first two. A look takes a few system calls a file; where they
// are many, the looks are made rarer, so that they never cost more than about
// a hundredth of a core.
const (
	watchEvery = 500 * time.Millisecond
	watchShare = 100
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
		began := time.Now()
		for i, k := range keepers {
			if k.changed(&last[i]) {
				_ = k.reload("the file changed") // logged and counted there
			}
		}
		wait = max(watchEvery, watchShare*time.Since(began))
	}
}
