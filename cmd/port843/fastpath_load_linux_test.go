package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/internal/xdp/xdptest"
	"github.com/port843/port843/policy"
)

// TestFastPathLoss loses, repeats and reorders packets in both directions:
// nothing may be lost for good, on the fast path and the careful one.
//
// The loss is nftables' (netem is not in every kernel), at random; so is the
// repetition, of what goes to the server, which makes it repeat its answers.
// What is reordered waits in a slow class of HTB while the rest overtakes it.
func TestFastPathLoss(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--allow", "*.example.com:9000", "--deadline", "60s")
	want := ask(t, server4)
	nft, tc := need.Tool(t, "nft"), need.Tool(t, "tc")
	for _, line := range []string{
		"add table inet loss",
		"add chain inet loss in { type filter hook input priority 0; }",
		"add chain inet loss out { type filter hook output priority 0; }",
		"add rule inet loss in tcp sport 843 numgen random mod 100 < 5 drop",
		"add rule inet loss out tcp dport 843 numgen random mod 100 < 5 drop",
		"add rule inet loss out tcp dport 843 numgen random mod 100 < 20 meta priority set 1:2",
		"add table netdev twice",
		"add chain netdev twice out { type filter hook egress device " + xdptest.Client + " priority 0; }",
	} {
		command(t, nft, strings.Fields(line)...)
	}
	command(t, tc, strings.Fields("qdisc add dev "+xdptest.Client+" root handle 1: htb default 1")...)
	command(t, tc, strings.Fields("class add dev "+xdptest.Client+" parent 1: classid 1:1 htb rate 10gbit")...)
	command(t, tc, strings.Fields("class add dev "+xdptest.Client+" parent 1: classid 1:2 htb rate 2mbit burst 100 cburst 100")...)
	twice := "add rule netdev twice out tcp dport 843 numgen random mod 100 < 5 dup to " + xdptest.Client
	command(t, nft, strings.Fields(twice)...)

	const clients, each = 64, 10
	var done sync.WaitGroup
	errs := make(chan error, clients*each)
	for i := range clients {
		done.Go(func() {
			for j := range each {
				address := []string{server4, server6}[(i+j)%2]
				got, err := "", error(nil)
				if j%5 == 0 {
					got, err = askCut(address, 1+(i*7+j)%21)
				} else {
					got, err = askOnce(address, policy.Request)
				}
				if err != nil || got != want {
					errs <- fmt.Errorf("%s: %q, %w", address, got, err)
				}
			}
		})
	}
	done.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	c := packets(t, s)
	t.Logf("%d exchanges, a fifth of them cut: %+v", clients*each, c)
	if c.Answered <= clients*each*3/4 {
		t.Errorf("no answer was repeated: nothing was lost")
	}
}

// askCut sends the request in two segments.
func askCut(address string, at int) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(policy.Request[:at])); err != nil {
		return "", err
	}
	time.Sleep(time.Millisecond) // no condition: the cut may as well be none
	if _, err := c.Write([]byte(policy.Request[at:])); err != nil {
		return "", err
	}
	got, err := io.ReadAll(c)
	return string(got), err
}

// TestFastPathFlood floods it with forged SYNs, each a connection half open,
// with a good client beside them. PORT843_FLOOD says how many; with 10,000,000
// it takes a minute.
func TestFastPathFlood(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	const rate = 200_000
	count := 300_000
	if v := os.Getenv("PORT843_FLOOD"); v != "" {
		var err error
		if count, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--allow", "*.example.com:9000")
	want := ask(t, server4)
	leaveLastProcessor(t)
	quiet := timed(t, want, func(n int) bool { return n < 1000 })
	before, memory := packets(t, s), slab(t)
	var sent int
	var took time.Duration
	var failed error
	over := make(chan struct{})
	go func() {
		defer close(over)
		sent, took, failed = n.Flood(context.Background(), 843, count, rate)
	}()
	flooded := timed(t, want, func(int) bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	c := packets(t, s).Since(before)
	t.Logf("quiet: %s; beside %d forged SYNs, %.0f a second, of which %d were answered: %s", quiet, sent, float64(sent)/took.Seconds(), c.SYNs, flooded)
	t.Logf("kernel memory (slab) grew by %d kB, sockets of the server: %s", slab(t)-memory, sockets(t, s))
	if c.Answered < uint64(flooded.n) || c.SYNs < uint64(sent)/2 {
		t.Errorf("%+v", c)
	}
	if open := strings.Count(sockets(t, s), "SYN_RECV"); open > 0 {
		t.Errorf("%d connections are half open in the kernel", open)
	}
}

// leaveLastProcessor leaves the last processor to the flood, where there are
// several. A good client is not on the machine of who floods; and on a card,
// packets of so many sources come in by other queues too.
func leaveLastProcessor(t *testing.T) {
	t.Helper()
	n := runtime.NumCPU()
	if n < 2 {
		return
	}
	var set unix.CPUSet
	for i := range n - 1 {
		set.Set(i)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
}

// latencies are those of a good client, one exchange after the other.
type latencies struct {
	n        int
	p50, p99 time.Duration
}

func (x latencies) String() string {
	return fmt.Sprintf("%d exchanges, p50 %v, p99 %v", x.n, x.p50, x.p99)
}

func timed(t *testing.T, want string, more func(n int) bool) latencies {
	t.Helper()
	var all []time.Duration
	for more(len(all)) {
		began := time.Now()
		if got := ask(t, server4); got != want {
			t.Fatalf("%q", got)
		}
		all = append(all, time.Since(began))
		time.Sleep(500 * time.Microsecond) // its pace
	}
	if len(all) == 0 {
		t.Fatal("there was no time to ask")
	}
	slices.Sort(all)
	return latencies{len(all), all[len(all)/2], all[len(all)*99/100]}
}

// slab is the kernel's own memory in kB.
func slab(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); f[0] == "Slab:" {
			v, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatal("/proc/meminfo has no Slab")
	return 0
}

// sockets lists the states of the TCP sockets in a service's namespace.
func sockets(t *testing.T, s *service) string {
	t.Helper()
	names := map[string]string{"01": "ESTABLISHED", "03": "SYN_RECV", "06": "TIME_WAIT", "0A": "LISTEN"}
	count := map[string]int{}
	for _, name := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", s.cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if f := strings.Fields(line); len(f) > 3 && f[0] != "sl" {
				state := names[f[3]]
				if state == "" {
					state = f[3]
				}
				count[state]++
			}
		}
	}
	return fmt.Sprint(count)
}

// TestFastPathReload swaps policies under load: every answer is one of the two.
func TestFastPathReload(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	path := filepath.Join(publicDir(t), "policy.xml")
	kinds := []string{policyOf("one.test"), policyOf("quite-another-one.test")}
	replace(t, path, kinds[0])
	s := startFast(t, n, "--fastpath", xdptest.Server, "--policy", path)
	load := askAllTheTime(8, server4, server6)
	for i := range 40 {
		replace(t, path, kinds[(i+1)%2])
		s.cmd.Process.Signal(syscall.SIGHUP)
		s.loggedTimes(t, "reloaded", i+1)
		// Whoever asks now is answered with what was just read.
		if got := ask(t, server4); got != kinds[(i+1)%2]+"\x00" {
			t.Fatalf("reload %d: %q", i, got)
		}
	}
	eventually(t, "both were seen", func() bool { all, kinds := load.count(); return all > 500 && kinds > 1 })
	answers, errs := load.end()
	for got := range answers {
		if !slices.Contains(kinds, strings.TrimSuffix(got, "\x00")) {
			t.Errorf("an answer that was never written: %q", got)
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	t.Logf("%d answers", answers[kinds[0]+"\x00"]+answers[kinds[1]+"\x00"])
	if c := packets(t, s); c.Answered < 500 {
		t.Errorf("%+v", c)
	}
}

// TestFastPathKilled kills the process under load. The program goes with it,
// and whoever else listens on the port serves from then on.
func TestFastPathKilled(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	args := []string{"--reuse-port", "--allow", "*.example.com:9000", "--keep-root"}
	fast := startFast(t, n, append(args, "--fastpath", xdptest.Server)...)
	slow := startCommand(t, inServer(n, binary(t), append([]string{"serve", "--log", "json"}, args...)...))
	slow.logged(t, "serving")
	want := ask(t, server4)
	load := askAllTheTime(8, server4, server6)
	eventually(t, "it is asked", func() bool { all, _ := load.count(); return all > 300 })
	if c := packets(t, fast); c.Answered < 200 {
		t.Errorf("%+v", c)
	}
	fast.cmd.Process.Kill()
	<-fast.done
	eventually(t, "the program has left the interface", func() bool {
		out, err := inServer(n, "ip", "link", "show", xdptest.Server).CombinedOutput()
		return err == nil && !strings.Contains(string(out), "xdp")
	})
	// What lay in the dead process's own queue is lost, as with any process.
	_, lost := load.end()
	after := askAllTheTime(8, server4, server6)
	eventually(t, "it is asked again", func() bool { all, _ := after.count(); return all > 300 })
	answers, errs := after.end()
	if err := errors.Join(errs...); err != nil || len(answers) != 1 || answers[want] == 0 {
		t.Errorf("%d kinds of answers; %v", len(answers), err)
	}
	t.Logf("%d answers afterwards; lost at the moment of the kill: %d", answers[want], len(lost))
}

// TestFastPathTakeOver hands over under load to a successor, which has no
// privilege left: the program stays, nobody is refused, and the successor's
// reloads reach it.
func TestFastPathTakeOver(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	path := filepath.Join(publicDir(t), "policy.xml")
	replace(t, path, policyOf("one.test"))
	s := startFast(t, n, "--fastpath", xdptest.Server, "--policy", path, "--user", "nobody")
	load := askAllTheTime(8, server4, server6)
	eventually(t, "it is asked", func() bool { all, _ := load.count(); return all > 300 })
	pid := s.cmd.Process.Pid
	for i := range 2 { // twice, and so without the first one's memory
		if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		// Its successors write to the same log, and it ends.
		eventually(t, "a successor serves", func() bool { return len(s.find("left")) > i })
		pid = int(s.find("leaving: a successor serves")[i]["pid"].(float64))
	}
	successor, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { successor.Kill() })
	all, _ := load.count()
	eventually(t, "it is asked again", func() bool { now, _ := load.count(); return now > all+300 })
	if status := processStatus(t, pid); status["Uid"] != "65534 65534 65534 65534" || strings.Trim(status["CapEff"], "0") != "" {
		t.Errorf("the successor: Uid %s, CapEff %s", status["Uid"], status["CapEff"])
	}
	if c := packets(t, s); c.Answered < 300 {
		t.Errorf("the successor's fast path: %+v", c)
	}
	replace(t, path, policyOf("two.test"))
	successor.Signal(syscall.SIGHUP)
	eventually(t, "it is reloaded", func() bool { return len(s.find("reloaded")) > 0 })
	if got := ask(t, server6); got != policyOf("two.test")+"\x00" {
		t.Errorf("after the successor's reload: %q", got)
	}
	answers, errs := load.end()
	if err := errors.Join(errs...); err != nil || len(answers) > 2 {
		t.Errorf("%d kinds of answers; %v", len(answers), err)
	}
	t.Logf("%v answers", answers[policyOf("one.test")+"\x00"])
}
