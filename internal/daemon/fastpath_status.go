package daemon

import (
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// StatusFastPath is the fast path on one interface.
type StatusFastPath struct {
	Interface string       `json:"interface"`
	Mode      string       `json:"mode"`  // "native" or "generic"
	Doors     int          `json:"doors"` // addresses and ports that it answers for
	Left      int          `json:"left_to_sockets"`
	Packets   xdp.Counters `json:"packets"` // since this process has it
}

// status returns the paths, their packets by listener, and what is wrong.
func (f *fastPath) status() (paths []StatusFastPath, byListener []xdp.Counters, reasons []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	byListener = make([]xdp.Counters, len(f.listeners))
	for _, x := range f.paths {
		row := StatusFastPath{Interface: x.path.Options().Interface, Mode: x.path.Options().Mode(), Doors: len(x.doors) - x.left, Left: x.left}
		counters, err := x.path.Counters(len(f.listeners))
		if err != nil {
			reasons = append(reasons, "the fast path's counters: "+err.Error())
		}
		for i := range counters {
			c := counters[i].Since(x.base[i])
			row.Packets.Add(c)
			byListener[i].Add(c)
		}
		paths = append(paths, row)
	}
	if f.lost != "" {
		reasons = append(reasons, f.lost)
	}
	if f.cookies != nil {
		reasons = append(reasons, "the fast path is closed: "+f.cookies.Error()+"; "+xdp.Hint(f.cookies))
	}
	for _, l := range f.listeners {
		if len(f.paths) > 0 && l.failed != nil {
			reasons = append(reasons, "the fast path's connection to "+l.self()+" failed: "+l.failed.Error())
		}
	}
	return paths, byListener, reasons
}

// statsOf returns the counters of a listener, the fast path's with them: what
// it answered was accepted and answered, and a silent client that it sent away
// has expired.
func (d *daemon) statsOf(i int, l *server.Listener, fast []xdp.Counters) server.Stats {
	s := l.Stats()
	if i < len(fast) {
		ended := d.fast.endedOf(i)
		s.Accepted += fast[i].Answered + ended
		s.Ended[server.Answered] += fast[i].Answered
		s.Ended[server.Expired] += ended
	}
	return s
}

func (f *fastPath) endedOf(i int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners[i].ended
}
