// Command fastpath measures serve --fastpath against the same program on
// sockets and the reference in C, over a veth between two network namespaces:
//
//	go run ./bench/fastpath                 seven rounds, about five minutes
//	go run ./bench/fastpath -rounds 1 -for 1s
//
// It needs Linux 6.0, root, gcc, and a machine that does nothing else. Nothing
// of it is left but bench/out.
//
// # What the figures mean
//
// The fast path has no process that its time could be booked on: it runs
// wherever a packet arrives, and on a veth that is the sender's own time. So
// there are two figures. One is the kernel's account of the program alone
// (BPF_ENABLE_STATS: its run time over all packets, by the answers). The other
// is the time that all processors were busy with anything (/proc/stat), by the
// answers: the client's part is in it, the same for all contenders. The server's
// own time (its processes', /proc/PID/stat) is shown beside them; on sockets it
// leaves out what the kernel does for the server in the client's time.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/port843/port843/bench/internal/tally"
	"github.com/port843/port843/internal/xdp/xdptest"
)

// inside is set in the environment of the process in its own namespaces.
const inside = "PORT843_BENCH_FASTPATH"

const port = 843

// contender is a server that takes part.
type contender struct {
	name string
	argv []string // in the server's namespace; {policy} is the policy's path
	fast bool     // it has a program in the driver
}

var contenders = []contender{
	{name: "port843 --fastpath", fast: true, argv: []string{"port843", "serve", "--policy", "{policy}", "--fastpath", xdptest.Server, "--keep-root"}},
	{name: "port843, sockets", argv: []string{"port843", "serve", "--policy", "{policy}", "--keep-root"}},
	{name: "C, one thread", argv: []string{"cserver", fmt.Sprint(port), "1", "{policy}", xdptest.Server4}},
	{name: "C, two threads", argv: []string{"cserver", fmt.Sprint(port), "2", "{policy}", xdptest.Server4}},
}

type options struct {
	rounds int
	length time.Duration
	many   int // connections at a time
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fastpath:", err)
		os.Exit(2)
	}
}

func run() error {
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "`number` of rounds")
	flag.DurationVar(&o.length, "for", 5*time.Second, "how `long` each contender is asked in a round")
	flag.IntVar(&o.many, "concurrency", 200, "`connections` that the clients keep going")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.length < 100*time.Millisecond || o.many < 2 {
		return errors.New("wrong use: see -help")
	}
	if dir := os.Getenv(inside); dir != "" {
		return measure(o, dir)
	}
	out, err := filepath.Abs(filepath.Join("bench", "out", "fastpath"))
	if err != nil {
		return err
	}
	if err := build(out); err != nil {
		return err
	}
	return xdptest.Again(inside, out)
}

// build compiles what takes part into a folder.
func build(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, argv := range [][]string{
		{"go", "build", "-o", filepath.Join(out, "port843"), "./cmd/port843"},
		{"go", "build", "-o", filepath.Join(out, "load"), "./bench/load"},
		{"gcc", "-O2", "-pthread", "-o", filepath.Join(out, "cserver"), "bench/cserver/cserver.c"},
		{"cp", "bench/policy.xml", out},
	} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w; run it in the source tree", strings.Join(argv, " "), err)
		}
	}
	return nil
}

// figures are those of one contender in one round, by answer where that is
// said.
type figures struct {
	PerSecond float64
	Busy      float64 // µs that all processors were busy, by answer
	Process   float64 // µs of the server's processes, by answer
	Program   float64 // µs of the program in the driver, by answer
	Packet    float64 // ns of it by packet
	Packets   float64 // packets that it saw, by answer
	P50, P99  float64 // µs
	Failed    float64 // exchanges without an answer
}

func measure(o options, dir string) error {
	n, err := xdptest.New()
	if err != nil {
		return err
	}
	// The clients are many: 10/8 is theirs.
	for _, line := range []string{"route add local 10.0.0.0/8 dev lo table main"} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	err = n.InServer(func() error {
		out, err := exec.Command("ip", "route", "add", "10.0.0.0/8", "via", xdptest.Client4).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip route: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		return err
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return fmt.Errorf("the kernel's account of programs: %w", err)
	}
	defer stats.Close()
	all := map[string][]figures{}
	for round := range o.rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			f, err := c.measure(o, n, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %-20s %+v\n", round+1, c.name, f)
			all[c.name] = append(all[c.name], f)
		}
	}
	if err := record(dir, all); err != nil {
		return err
	}
	table(os.Stdout, all)
	return nil
}

func record(dir string, all map[string][]figures) error {
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644)
}

// table prints the medians.
func table(w io.Writer, all map[string][]figures) {
	median := func(name string, of func(figures) float64) float64 {
		var v []float64
		for _, f := range all[name] {
			v = append(v, of(f))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	fmt.Fprintln(w, "| server | answers/s | all processors, µs an answer | its processes, µs | its program, µs | ns a packet | packets | p50 µs | p99 µs | failed |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range contenders {
		m := func(of func(figures) float64) float64 { return median(c.name, of) }
		fmt.Fprintf(w, "| %s | %.0f | %.2f | %.2f | %.3f | %.0f | %.2f | %.0f | %.0f | %.0f |\n", c.name,
			m(func(f figures) float64 { return f.PerSecond }), m(func(f figures) float64 { return f.Busy }),
			m(func(f figures) float64 { return f.Process }), m(func(f figures) float64 { return f.Program }),
			m(func(f figures) float64 { return f.Packet }), m(func(f figures) float64 { return f.Packets }),
			m(func(f figures) float64 { return f.P50 }), m(func(f figures) float64 { return f.P99 }), m(func(f figures) float64 { return f.Failed }))
	}
}

// plan is the load of one client process of two.
func plan(o options, answer []byte, network int) tally.Plan {
	return tally.Plan{
		Mode: tally.Closed, Server: [4]byte{10, 84, 3, 2}, Port: port, Answer: answer, Duration: o.length, Timeout: 10 * time.Second,
		Concurrency: o.many / 2, Network: network, Sources: 1000,
	}
}
