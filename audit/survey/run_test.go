package survey_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/audit/survey"
)

func sealed(t *testing.T, ports []uint16, texts ...string) *survey.Plan {
	t.Helper()
	p := survey.NewPlan()
	for _, text := range texts {
		if err := p.Add(t.Context(), text, ports); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Seal(); err != nil {
		t.Fatal(err)
	}
	return p
}

// crowd counts how many connections of one host are open at the same time.
type crowd struct {
	mu   sync.Mutex
	open map[string]int
	most int
}

func (c *crowd) talk(conn net.Conn) {
	host := conn.LocalAddr().(*net.TCPAddr).IP.String()
	c.mu.Lock()
	c.open[host]++
	c.most = max(c.most, c.open[host])
	c.mu.Unlock()
	conn.Write([]byte("RFB 003.008\n"))
	c.mu.Lock()
	c.open[host]--
	c.mu.Unlock()
}

func TestOneAtATimeOnAHost(t *testing.T) {
	c := &crowd{open: map[string]int{}}
	plan := survey.NewPlan()
	want := 0
	for host := 1; host <= 4; host++ {
		for range 8 {
			s, err := audittest.Impostor{Talk: c.talk}.Start(fmt.Sprintf("127.2.0.%d:0", host))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			plan.AddTarget(s.Addr)
			want++
		}
	}
	if err := plan.Seal(); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.AddrPort]int{}
	err := (&survey.Run{Plan: plan}).Do(t.Context(), func(r survey.Record) error {
		seen[netip.AddrPortFrom(r.IP, r.Port)]++
		if r.Class != audit.ClassVNC {
			t.Errorf("%s:%d is %s", r.IP, r.Port, r.Class)
		}
		return nil
	})
	if err != nil || len(seen) != want {
		t.Errorf("%d targets were seen, want %d: %v", len(seen), want, err)
	}
	for at, n := range seen {
		if n != 1 {
			t.Errorf("%s was asked %d times", at, n)
		}
	}
	if c.most != 1 {
		t.Errorf("%d connections at once on one host", c.most)
	}
}

// TestRates: so many connections cannot be made in less time than the rate
// allows. That they take no longer is not for a test to say.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name    string
		run     *survey.Run
		targets string
		least   time.Duration
	}{
		// 64 targets at 100 a second, of which 10 may be made up at once.
		{"over all", &survey.Run{Rate: 100}, "127.3.0.0/26", 500 * time.Millisecond},
		// 32 in each of two networks at 50 a second each.
		{"each network", &survey.Run{NetRate: 50}, "127.3.0.0/27 127.3.1.0/27", 500 * time.Millisecond},
	} {
		c.run.Plan = sealed(t, []uint16{1}, strings.Fields(c.targets)...)
		start, n := time.Now(), 0
		if err := c.run.Do(t.Context(), func(survey.Record) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < c.least || n != 64 {
			t.Errorf("%s: %d targets took %v, want %v at least", c.name, n, took, c.least)
		}
	}
}

func TestShardsTogether(t *testing.T) {
	plan := sealed(t, []uint16{1, 2}, "127.3.0.0/25")
	seen := map[netip.AddrPort]int{}
	for shard := 1; shard <= 4; shard++ {
		err := (&survey.Run{Plan: plan, Shard: shard, Shards: 4}).Do(t.Context(), func(r survey.Record) error {
			seen[netip.AddrPortFrom(r.IP, r.Port)]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 256 {
		t.Errorf("the shards saw %d targets, want 256", len(seen))
	}
	for at, n := range seen {
		if n != 1 {
			t.Errorf("%s is in %d shards", at, n)
		}
	}
}

const childMark = "PORT843_SURVEY_CHILD"

// TestResumeAfterKill kills a scan with SIGKILL, twice, and lets a third one
// end it. The state holds every target once, and the servers were asked about
// none again but those that were being asked when the scan was killed.
func TestResumeAfterKill(t *testing.T) {
	if os.Getenv(childMark) != "" {
		child(t)
		return
	}
	var mu sync.Mutex
	asked := map[string]int{}
	for host := range 40 {
		s, err := audittest.Impostor{Talk: func(c net.Conn) {
			mu.Lock()
			asked[c.LocalAddr().String()]++
			mu.Unlock()
			c.Write([]byte("SSH-2.0-quick\r\n"))
		}}.Start(fmt.Sprintf("127.4.0.%d:18430", host))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	state := filepath.Join(t.TempDir(), "state")
	lines := func() int { return countLines(t, state) }
	for _, until := range []int{10, 22} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestResumeAfterKill$")
		cmd.Env = append(os.Environ(), childMark+"="+state)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); lines() < until; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the state has %d lines after 20 s", lines())
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	// What a kill in the middle of a write leaves.
	f, err := os.OpenFile(state, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"at":3,"record":{"v":1,"ip":"127.`)
	f.Close()

	plan := sealed(t, []uint16{18430}, "127.4.0.0-39")
	seen := map[netip.Addr]int{}
	record := func(r survey.Record) error { seen[r.IP]++; return nil }
	s, err := survey.OpenState(state, plan, 0, 0, record)
	if err != nil {
		t.Fatal(err)
	}
	before := len(seen)
	if before < 21 {
		t.Errorf("%d records were kept, want 21 at least", before)
	}
	if _, err := survey.OpenState(state, plan, 0, 0, nil); err == nil {
		t.Error("two scans work with one state file")
	}
	if err := (&survey.Run{Plan: plan, State: s}).Do(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for host := range 40 {
		if n := seen[netip.AddrFrom4([4]byte{127, 4, 0, byte(host)})]; n != 1 {
			t.Errorf("host %d is there %d times", host, n)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	again := 0
	for _, n := range asked {
		again += n - 1
	}
	if len(asked) != 40 || again > 2*childParallel {
		t.Errorf("%d of 40 hosts were asked, %d connections more than one", len(asked), again)
	}
}

const childParallel = 2

func child(t *testing.T) {
	plan := sealed(t, []uint16{18430}, "127.4.0.0-39")
	s, err := survey.OpenState(os.Getenv(childMark), plan, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	(&survey.Run{Plan: plan, State: s, Parallel: childParallel}).Do(t.Context(), func(survey.Record) error { return nil })
	os.Exit(0)
}

func countLines(t *testing.T, path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	n := 0
	for s := bufio.NewReader(f); ; n++ {
		if _, err := s.ReadString('\n'); err != nil {
			return n
		}
	}
}

func TestStateOfAnotherScan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	a := sealed(t, []uint16{1}, "127.3.0.0/24")
	s, err := survey.OpenState(path, a, 1, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	b := sealed(t, []uint16{2}, "127.3.0.0/24")
	for name, err := range map[string]error{"other targets": open(path, b, 1, 2), "another shard": open(path, a, 2, 2)} {
		if err == nil {
			t.Errorf("the state is taken for %s", name)
		}
	}
	other := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(other, []byte("precious notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if open(other, a, 0, 0) == nil {
		t.Error("a file of somebody else's is taken for a state")
	}
	if text, _ := os.ReadFile(other); string(text) != "precious notes\n" {
		t.Error("the file of somebody else's was changed")
	}
}

func open(path string, p *survey.Plan, shard, shards int) error {
	s, err := survey.OpenState(path, p, shard, shards, nil)
	if err == nil {
		s.Close()
	}
	return err
}

// TestOffline: what is read back from JSON lines is classified as it was.
func TestOffline(t *testing.T) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var prober audit.Prober
	n := 0
	for _, imp := range audittest.All() {
		s, err := imp.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wg.Go(func() {
			o := prober.Probe(t.Context(), audit.Target{Addr: s.Addr})
			text, err := json.Marshal(survey.NewRecord(&o, nil, time.Now()))
			if err != nil {
				t.Error(err)
			}
			var old survey.Record
			if err := json.Unmarshal(text, &old); err != nil {
				t.Error(err)
			}
			again := audit.Classify(old.Target(), old.Conversations)
			if again.Class != o.Class || fmt.Sprint(again.Faults) != fmt.Sprint(o.Faults) || again.Product != o.Product || again.Inside != o.Inside {
				t.Errorf("%s: %s %v was %s %v", imp.Name, again.Class, again.Faults, o.Class, o.Faults)
			}
			mu.Lock()
			n++
			mu.Unlock()
		})
	}
	wg.Wait()
	if n < 50 {
		t.Errorf("%d observations", n)
	}
}

func TestCancelled(t *testing.T) {
	s, err := audittest.Impostor{Talk: func(c net.Conn) { c.Read(make([]byte, 1<<10)); c.Read(make([]byte, 1)) }}.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plan := survey.NewPlan()
	plan.AddTarget(s.Addr)
	if err := plan.Seal(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err = (&survey.Run{Plan: plan}).Do(ctx, func(r survey.Record) error { t.Errorf("a record of a scan that was ended: %s", r.Class); return nil })
	if err != nil {
		t.Error(err)
	}
}
