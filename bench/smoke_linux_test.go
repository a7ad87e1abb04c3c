package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/bench/internal/procs"
	"github.com/port843/port843/bench/internal/report"
	"github.com/port843/port843/bench/internal/tally"
	"github.com/port843/port843/internal/need"
)

// built is where the programs are, for all tests.
var built = sync.OnceValues(func() (*setup, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	return build(root, buildDir, os.Stderr)
})

var buildDir string

// patience is for exchanges that are to succeed, on however slow a machine.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bench-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // below the system's folder for what may be forgotten
	os.Exit(code)
}

// testBench is a bench without namespaces and cgroups, as a test may have it,
// on a free port.
func testBench(t *testing.T) *bench {
	t.Helper()
	s, err := built()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return &bench{setup: s, cage: &procs.Cage{}, port: port, cores: 1, scale: quick}
}

func contenderByID(t *testing.T, id string) *contender {
	t.Helper()
	for i := range contenders {
		if contenders[i].ID == id {
			return &contenders[i]
		}
	}
	t.Fatalf("there is no contender %s", id)
	return nil
}

// The harness starts both of its own servers, drives them in every way, and
// what it counts adds up.
func TestServersAndGenerator(t *testing.T) {
	b := testBench(t)
	b.setup.Programs["gcc"] = need.Tool(t, "gcc")
	b.setup.Programs["cserver"] = filepath.Join(b.setup.Out, "bin", "cserver")
	if err := buildC(b.setup); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"cserver-1", "cserver-2", "naive"} {
		t.Run(id, func(t *testing.T) {
			_, err := b.with(contenderByID(t, id), asUsual, few, func(s *server) (values, error) {
				if s.startup <= 0 || len(s.pids()) == 0 || procs.Sockets(s.pids()) == 0 {
					t.Errorf("started in %v, processes %v", s.startup, s.pids())
				}
				loops(t, s)
				holds(t, s)
				if used, err := s.used(); err != nil || used < 0 {
					t.Errorf("time used: %v, %v", used, err)
				}
				return nil, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask(b.port, time.Second); err == nil {
				t.Error("the server still answers after it was stopped")
			}
		})
	}
}

// loops drives a server that answers well: nothing may fail.
func loops(t *testing.T, s *server) {
	for name, p := range map[string]tally.Plan{
		"closed": s.closed(16, 400*time.Millisecond),
		"open":   s.open(200, 500*time.Millisecond, 5*time.Second, 0),
		"late":   s.open(200, 500*time.Millisecond, 5*time.Second, 5*time.Millisecond),
	} {
		p.Timeout = patience
		r, err := s.b.drive(p, 2, goodFirst)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Right == 0 || r.Right != r.Begun || r.Failed() != 0 || r.Reset != 0 {
			t.Errorf("%s: not every exchange was right: %+v", name, r.Counts)
		}
		if r.Latency.Count() != r.Right || r.Latency.Max() <= 0 || r.Latency.Quantile(.5) > r.Latency.Max() {
			t.Errorf("%s: %d latencies for %d answers, the longest %v", name, r.Latency.Count(), r.Right, r.Latency.Max())
		}
		if r.Window > r.Right || r.Seconds <= 0 || r.CPU <= 0 {
			t.Errorf("%s: %d of %d in time, %v s, CPU %d", name, r.Window, r.Right, r.Seconds, r.CPU)
		}
		if p.Mode == tally.Open && r.Begun != 100 {
			t.Errorf("%s: %d exchanges in half a second at 200 a second", name, r.Begun)
		}
	}
}

// holds keeps silent connections, and asks beside them.
func holds(t *testing.T, s *server) {
	const n = 100
	before := procs.Sockets(s.pids())
	g, err := s.b.generate(s.hold(n, 100*time.Millisecond), 2, badFirst)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.settled(g, before)
	if err != nil || held != n {
		t.Errorf("the server holds %d of %d: %v", held, n, err)
	}
	if got, err := ask(s.b.port, patience); err != nil || string(got) != string(s.answer) {
		t.Errorf("beside them: %q, %v", got, err)
	}
	r, err := g.finish()
	if err != nil || r.Holding != n || r.Shut != 0 || r.Refused != 0 {
		t.Errorf("the generators hold %+v: %v", r, err)
	}
}

// What a bad server does is told apart.
func TestEndings(t *testing.T) {
	b := testBench(t)
	answer := b.setup.Answer
	for _, c := range []struct {
		name   string
		linger int
		reply  func(net.Conn)
		of     func(*tally.Report) int64
	}{
		{"right", -1, func(c net.Conn) { _, _ = c.Write(answer) }, func(r *tally.Report) int64 { return r.Right }},
		{"cut", -1, func(c net.Conn) { _, _ = c.Write(answer[:len(answer)-1]) }, func(r *tally.Report) int64 { return r.Cut }},
		{"empty", -1, func(net.Conn) {}, func(r *tally.Report) int64 { return r.Cut }},
		{"wrong", -1, func(c net.Conn) { _, _ = c.Write([]byte("<?xml version='1.0'?>")) }, func(r *tally.Report) int64 { return r.Wrong }},
		{"more", -1, func(c net.Conn) { _, _ = c.Write(append(answer[:len(answer):len(answer)], '\n')) }, func(r *tally.Report) int64 { return r.Wrong }},
		{"lost", 0, func(net.Conn) {}, func(r *tally.Report) int64 { return r.Lost }},
		{"silent", -1, nil, func(r *tally.Report) int64 { return r.Timeouts }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go badServer(l, c.linger, c.reply)
			limit := patience
			if c.reply == nil {
				limit = time.Second
			}
			r, err := b.drive(tally.Plan{Mode: tally.Open, Answer: answer, Duration: 100 * time.Millisecond, Timeout: limit,
				Rate: 100, Concurrency: 100, Sources: 3}, 1, goodFirst)
			if err != nil {
				t.Fatal(err)
			}
			if r.Begun != 10 || c.of(r) != 10 || r.Answered()+r.Failed() != 10 {
				t.Errorf("of ten exchanges: %+v", r.Counts)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		r, err := b.drive(tally.Plan{Mode: tally.Open, Answer: answer, Duration: 100 * time.Millisecond, Timeout: patience, Rate: 100, Concurrency: 100, Sources: 1}, 1, goodFirst)
		if err != nil || r.Refused != 10 || r.Begun != 10 {
			t.Errorf("without a server: %+v, %v", r, err)
		}
	})
}

// badServer reads a request from each client and replies; without a reply it
// keeps the connection open until the client is gone.
func badServer(l net.Listener, linger int, reply func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, len(request))
			if _, err := c.Read(buf); err != nil {
				return
			}
			if reply == nil {
				_, _ = c.Read(buf) // ends with the client's FIN
				return
			}
			if linger >= 0 {
				_ = c.(*net.TCPConn).SetLinger(linger) // 0: close sends RST
			}
			reply(c)
		}()
	}
}

func TestPlansAreChecked(t *testing.T) {
	b := testBench(t)
	good := tally.Plan{Mode: tally.Closed, Answer: []byte("x"), Duration: time.Second, Timeout: time.Second, Concurrency: 1, Sources: 1}
	for name, spoil := range map[string]func(*tally.Plan){
		"mode": func(p *tally.Plan) { p.Mode = "fast" }, "sources": func(p *tally.Plan) { p.Sources = 0 }, "answer": func(p *tally.Plan) { p.Answer = nil },
		"duration": func(p *tally.Plan) { p.Duration = 0 }, "concurrency": func(p *tally.Plan) { p.Concurrency = 0 }, "rate": func(p *tally.Plan) { p.Mode = tally.Open },
	} {
		p := good
		spoil(&p)
		if _, err := b.drive(p, 1, goodFirst); err == nil || !strings.Contains(err.Error(), "plan") {
			t.Errorf("%s: the generator took %+v: %v", name, p, err)
		}
	}
}

// Every measure that is shown can be run, and every contender and placeholder
// of the data is known.
func TestDataFits(t *testing.T) {
	b := &bench{setup: &setup{Out: t.TempDir(), Answer: []byte("a\x00")}, cage: &procs.Cage{}}
	for _, c := range contenders {
		w, err := c.fill(b.setup, 843, 2, few)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(w.argv, " ")
		for name := range c.Files {
			content, err := os.ReadFile(filepath.Join(w.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			text += string(content)
		}
		for _, word := range []string{"{program}", "{port}", "{dir}", "{policy}", "{answer}", "{quoted}", "{hex}", "{workers}", "{files}", "{origin}", "{module}"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: %s was not replaced", c.ID, word)
			}
		}
	}
	if !strings.Contains(string(document), rule) {
		t.Error("the policy does not hold the rule that policyfile is given")
	}
	for _, target := range report.Targets {
		if _, ok := report.MeasureByID(target.Measure); !ok {
			t.Errorf("the target %q is about no measure: %s", target.Text, target.Measure)
		}
	}
	for _, m := range report.Measures {
		// A contender whose program is missing fails to start, but only after
		// the measure was found.
		_, err := b.run(m.ID, &contender{ID: "none", Argv: []string{"/nonexistent"}, Spread: workers})
		if err == nil || strings.Contains(err.Error(), "no such measure") {
			t.Errorf("the measure %s cannot be run: %v", m.ID, err)
		}
	}
}

func TestStraceTotal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "strace")
	const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000060           1        41         1 accept4
 40.00    0.000040           1        40           close
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100           1        81         1 total
`
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := straceTotal(path); n != 81 || err != nil {
		t.Errorf("%d calls, %v", n, err)
	}
}

func TestSumStacks(t *testing.T) {
	const script = `	ffffffff81 tcp_ack
	ffffffff82 net_rx_action
	ffffffff83 tcp_write_xmit
	ffffffff84 __x64_sys_close
	ffffffff85 do_syscall_64

	ffffffff81 inet_csk_accept
	ffffffff84 __x64_sys_accept4
	ffffffff85 do_syscall_64

	4711 main.main

	ffffffff84 __x64_sys_accept4
	ffffffff85 entry_SYSCALL_64_after_hwframe
`
	got, err := sumStacks([]byte(script))
	want := []report.Share{{Name: "accept4", Percent: 50}, {Name: "close, packets on their way", Percent: 25}, {Name: "the program's own code", Percent: 25}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := sumStacks(nil); err == nil {
		t.Error("no samples were taken for a profile")
	}
}
