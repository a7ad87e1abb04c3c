package metrics

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/port843/port843/server"
)

func TestCollector(t *testing.T) {
	s := Snapshot{
		Version: "v1",
		Healthy: true,
		Limits:  server.Limits{MaxConnections: 100, MaxPerAddress: 10},
		Listeners: []Listener{{
			Address: "127.0.0.1:843", Digest: "abc", Bytes: 118,
			Stats: server.Stats{Accepted: 5, Open: 1},
		}},
		Sources: []Source{{Name: "policy.xml", Reloads: 2, Refusals: 1, LastRefused: true, Since: time.Unix(10, 0)}},
	}
	s.Listeners[0].Stats.Ended[server.Answered] = 3
	s.FastPaths = []FastPath{{Interface: "eth0", Mode: "native", Doors: 2}}
	s.Listeners[0].Fast.Answered = 3
	results := 0
	s.Listeners[0].Fast.Each(func(string, uint64) { results++ })
	c := New(func() Snapshot { return s })
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := testutil.CollectAndCount(c); n != 5+len(server.Outcomes())+5+4+1+results {
		t.Errorf("%d series", n)
	}
}
