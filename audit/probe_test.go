package audit_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
)

// TestImpostors shows all impostors to one prober at once.
func TestImpostors(t *testing.T) {
	impostors := audittest.All()
	if len(impostors) < 50 {
		t.Fatalf("%d impostors, want 50 at least", len(impostors))
	}
	var prober audit.Prober
	var wg sync.WaitGroup
	start := time.Now()
	for _, imp := range impostors {
		s, err := imp.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wg.Go(func() {
			o := prober.Probe(t.Context(), audit.Target{Addr: s.Addr})
			check(t, imp, &o)
		})
	}
	wg.Wait()
	t.Logf("%d impostors in %v", len(impostors), time.Since(start).Round(time.Millisecond))
}

func check(t *testing.T, imp audittest.Impostor, o *audit.Observation) {
	t.Helper()
	w := imp.Want
	ok := o.Class == w.Class && slices.Equal(o.Faults, w.Faults)
	ok = ok && (w.Product == "" || o.Product == w.Product)
	ok = ok && (w.Inside == "" || o.Inside == w.Inside)
	ok = ok && (w.Program == 0 || o.RPC != nil && o.RPC.Program == w.Program)
	ok = ok && (w.Web == "" || o.HTTP != nil && o.HTTP.Crossdomain == w.Web)
	if ok {
		return
	}
	t.Errorf("%s: got %s %v product %q inside %q rpc %v http %v (%s), want %+v", imp.Name, o.Class, o.Faults, o.Product, o.Inside, o.RPC, o.HTTP, o.Why, w)
	for _, c := range o.Conversations {
		head := c.Data[:min(60, len(c.Data))]
		t.Logf("   %s %s: %s/%s at %v first %v last %v took %v early %d total %d %q raw %d", imp.Name, c.Question, c.Outcome, c.End,
			time.Duration(c.At).Round(time.Millisecond), time.Duration(c.First).Round(time.Millisecond), time.Duration(c.Last).Round(time.Millisecond), time.Duration(c.Took).Round(time.Millisecond), c.Early, c.Total, head, len(c.Raw))
	}
}
