package daemon

import (
	"slices"
	"sync"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/web"
)

// maxRefusedOrigins is how many pages a front remembers that it refused: whose
// Origin is of their own making, so the oldest make room.
const maxRefusedOrigins = 20

// refusedOrigins are the pages that a front refused last. The zero value is
// ready; it may be used by several goroutines.
type refusedOrigins struct {
	mu   sync.Mutex
	last []web.RefusedOrigin // the newest first
}

// note remembers the event if it is such a refusal.
func (r *refusedOrigins) note(e frontdoor.Event) {
	if e.Kind != frontdoor.EventOrigin {
		return
	}
	one := web.RefusedOrigin{Origin: escape.Text(e.Origin, 256), Times: 1, Last: time.Now()}
	if e.Err != nil {
		one.Why = escape.Text(e.Err.Error(), 512)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.last, func(x web.RefusedOrigin) bool { return x.Origin == one.Origin }); i >= 0 {
		one.Times += r.last[i].Times
		r.last = slices.Delete(r.last, i, i+1)
	}
	r.last = slices.Insert(r.last, 0, one)
	r.last = r.last[:min(len(r.last), maxRefusedOrigins)]
}

// list returns what is remembered, the newest first.
func (r *refusedOrigins) list() []web.RefusedOrigin {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.last)
}
