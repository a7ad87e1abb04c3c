package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/internal/xdp/xdptest"
)

// The fast path, between two network namespaces with a veth, in its driver, and
// asked by the kernel's own clients.

const server4, server6 = xdptest.Server4 + ":843", "[" + xdptest.Server6 + "]:843"

// network runs the test in a network of its own. It returns nil in the process
// that asked for it.
func network(t *testing.T) *xdptest.Network {
	t.Helper()
	if !need.Namespace(t, "") {
		return nil
	}
	need.Tool(t, "nsenter")
	n, err := xdptest.New()
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		need.Kernel(t, "XDP on a veth: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runtime.KeepAlive(n) })
	return n
}

// inServer returns a command in the server's namespace.
func inServer(n *xdptest.Network, program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + n.Path(), program}, args...)...)
}

// startFast starts a service in the server's namespace and waits until it has
// its fast path and serves.
func startFast(t *testing.T, n *xdptest.Network, args ...string) *service {
	t.Helper()
	admin := "unix:" + filepath.Join(publicDir(t), "admin.sock")
	s := startCommand(t, inServer(n, binary(t), append([]string{"serve", "--log", "json", "--admin", admin}, args...)...))
	eventually(t, "it begins", func() bool {
		select {
		case <-s.done:
			if s.find("fast path") == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				if strings.Contains(s.raw.String(), xdp.ErrKernel.Error()) {
					need.Kernel(t, xdp.ErrKernel.Error())
				}
				t.Fatalf("it ended: %v\n%s", s.err, s.raw.String())
			}
		default:
		}
		return s.find("admin pages") != nil
	})
	return s
}

// statusOf asks a service for its status.
func statusOf(t *testing.T, s *service) daemon.Status {
	t.Helper()
	address, _ := s.logged(t, "admin pages")["address"].(string)
	code, out, errs := runVerb(t, "", "status", "--json", "--admin", "unix:"+address)
	var st daemon.Status
	if err := json.Unmarshal([]byte(out), &st); code == cli.ExitError || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	return st
}

// packets returns what became of the packets on the one fast path.
func packets(t *testing.T, s *service) xdp.Counters {
	t.Helper()
	st := statusOf(t, s)
	if len(st.FastPaths) != 1 {
		t.Fatalf("%d fast paths; %v", len(st.FastPaths), st.Reasons)
	}
	return st.FastPaths[0].Packets
}

// TestFastPathConforms runs the whole of conform through it, and the careful
// path with it.
func TestFastPathConforms(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--allow", "*.example.com:9000")
	var together sync.WaitGroup
	reports := map[string]*conform.Report{}
	var mu sync.Mutex
	for _, target := range []string{server4, server6} {
		together.Go(func() {
			r, err := conform.Run(context.Background(), target, conform.Options{Skip: []string{"descriptors"}})
			mu.Lock()
			defer mu.Unlock()
			if reports[target] = r; err != nil {
				t.Errorf("%s: %v", target, err)
			}
		})
	}
	together.Wait()
	for target, r := range reports {
		if r == nil {
			continue
		}
		t.Logf("%s: %s", target, r.Summary())
		for _, x := range r.Results {
			if x.Outcome != conform.Pass && x.Case.ID != "descriptors" {
				t.Errorf("%s: %s: %s: %s", target, x.Case.ID, x.Outcome, x.Seen)
			}
		}
	}
	c := packets(t, s)
	t.Logf("%+v", c)
	if c.Answered < 60 || c.Passed < 100 || c.Finished == 0 {
		t.Errorf("it was not the fast path that was tested: %+v", c)
	}
	st := statusOf(t, s)
	if got := st.Listeners[0]; got.Outcomes["answered"] < c.Answered || got.Outcomes["expired"] < 2*3 || got.Outcomes["foreign_http"] == 0 {
		t.Errorf("both paths together: %v", got.Outcomes)
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	exec := strings.Join(inServer(n, binary(t), "serve", "--fastpath", xdptest.Server, "--deny-all").Args, " ")
	for _, target := range []string{server4, server6} {
		r, err := conform.Run(context.Background(), target, conform.Options{Exec: exec, Only: []string{"exact-request", "descriptors"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.Results {
			if x.Outcome != conform.Pass && (x.Case.ID == "descriptors" || x.Case.ID == "exact-request") {
				t.Errorf("%s: %s: %s: %s", target, x.Case.ID, x.Outcome, x.Seen)
			}
		}
	}
}

// TestFastPathListeners serves several addresses and ports, each its own policy,
// and counts for each; and one whose answer does not fit, by the sockets.
func TestFastPathListeners(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	dir := publicDir(t)
	addresses := []string{server4, xdptest.Server4 + ":10843", server6, "[" + xdptest.Server6 + "]:10843"}
	args := []string{"--fastpath", xdptest.Server}
	for i, a := range addresses {
		domain := fmt.Sprintf("number-%d.test", i)
		path := filepath.Join(dir, fmt.Sprint(i, ".xml"))
		text := policyOf(domain)
		if i == 3 {
			text = text + "<!-- " + strings.Repeat("long ", 140) + "-->" // a veth has no room for it
		}
		replace(t, path, text)
		args = append(args, "--listen", a+"="+path)
	}
	s := startFast(t, n, args...)
	for i, a := range addresses {
		want, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i, ".xml")))
		if err != nil {
			t.Fatal(err)
		}
		for range i + 1 {
			if got := ask(t, a); got != string(want)+"\x00" {
				t.Errorf("%s: %q", a, got)
			}
		}
	}
	st := statusOf(t, s)
	for i, l := range st.Listeners {
		// One more is the service's own.
		if l.Address != addresses[i] || l.Outcomes["answered"] != uint64(i+2) {
			t.Errorf("%s, listener %d: %v", l.Address, i, l.Outcomes)
		}
	}
	if c := packets(t, s); c.Answered != 1+2+3 || c.NoRoom != 4 {
		t.Errorf("%+v", c)
	}
}

// TestFastPathPlayer asks through it as the players do.
func TestFastPathPlayer(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--allow", "*.example.com:9000")
	need.Tool(t, "nc")
	game := startCommand(t, inServer(n, "nc", "-lk", xdptest.Server4, "9000"))
	defer game.cmd.Process.Kill()
	for _, c := range []struct {
		from, target string
		want         int
	}{
		{"http://www.example.com/game.swf", xdptest.Server4 + ":9000", cli.ExitOK},
		{"http://www.example.org/game.swf", xdptest.Server4 + ":9000", cli.ExitNo},
	} {
		var code int
		var out, errs string
		eventually(t, "the game listens", func() bool {
			code, out, errs = runVerb(t, "", "check", "--from", c.from, c.target)
			return code == c.want
		})
		if !strings.Contains(out, "example") {
			t.Errorf("%s: exit %d\n%s%s", c.from, code, out, errs)
		}
	}
	if c := packets(t, s); c.Answered < 2 {
		t.Errorf("the players were not answered by it: %+v", c)
	}
}

// TestFastPathRefused names everything that must be, and does nothing where it
// is not.
func TestFastPathRefused(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	program := binary(t)
	refused := func(want, hint string, args ...string) {
		t.Helper()
		out, err := inServer(n, program, append([]string{"serve", "--listen", "10843"}, args...)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != cli.ExitError || !strings.Contains(string(out), want) || !strings.Contains(string(out), "hint: "+hint) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	cookies := func(v string) {
		t.Helper()
		if err := n.InServer(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte(v), 0o644) }); err != nil {
			t.Fatal(err)
		}
	}
	refused("error: --fastpath nosuch: there is no such interface", `"ip link" lists`, "--fastpath", "nosuch")
	refused("error: --fastpath lo: lo, native: the interface's driver takes no XDP program of this kind", "add :generic", "--fastpath", "lo")
	refused(`error: --fastpath "a b": not an interface`, "write --fastpath eth0", "--fastpath", "a b")
	refused("error: --fastpath auto excludes every other", "name interfaces", "--fastpath", "auto", "--fastpath", "eth0")
	cookies("1")
	refused("error: --fastpath "+xdptest.Server+": net.ipv4.tcp_syncookies is not 2 but 1", "sysctl -w net.ipv4.tcp_syncookies=2", "--fastpath", xdptest.Server)
	cookies("2")

	first := startFast(t, n, "--fastpath", xdptest.Server, "--deny-all")
	refused("error: --fastpath "+xdptest.Server+": "+xdptest.Server+": the interface has an XDP program already, which is left alone", `"ip link show"`, "--fastpath", xdptest.Server)
	if got := ask(t, server4); !strings.Contains(got, "cross-domain-policy") || packets(t, first).Answered != 1 {
		t.Errorf("the first one does not answer any more: %q", got)
	}

	// By its own choice it takes hardware only, and goes on without.
	auto := startFast(t, n, "--listen", "10844", "--fastpath", "auto", "--deny-all")
	auto.logged(t, "no fast path")
	if got := ask(t, xdptest.Server4+":10844"); !strings.Contains(got, "cross-domain-policy") {
		t.Errorf("%q", got)
	}

	// Generic, where it is asked for.
	first.cmd.Process.Signal(syscall.SIGTERM)
	<-first.done
	generic := startFast(t, n, "--fastpath", xdptest.Server+":generic", "--deny-all")
	for range 3 {
		ask(t, server4)
		ask(t, server6)
	}
	if line := generic.logged(t, "fast path"); line["mode"] != "generic" || packets(t, generic).Answered < 6 {
		t.Errorf("%v, %+v", line, packets(t, generic))
	}
}

// TestFastPathPrivileges starts it as an ordinary user with the capabilities
// that the hint names: with them it runs, and gives them up; without any one of
// them it says so.
func TestFastPathPrivileges(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	need.Tool(t, "setpriv")
	program := binary(t)
	all := []string{"bpf", "perfmon", "net_admin", "net_raw"}
	with := func(caps []string) *exec.Cmd {
		sets := "-all,+" + strings.Join(caps, ",+")
		return inServer(n, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps="+sets, "--ambient-caps="+sets,
			program, "serve", "--log", "json", "--listen", "10843", "--deny-all", "--fastpath", xdptest.Server)
	}
	for i := range all {
		less := slices.Delete(slices.Clone(all), i, i+1)
		out, err := with(less).CombinedOutput()
		if err == nil || !strings.Contains(string(out), xdp.ErrPermission.Error()) || !strings.Contains(string(out), "CAP_"+strings.ToUpper(all[i])) {
			t.Errorf("with %v: %v\n%s", less, err, out)
		}
	}
	s := startCommand(t, with(all))
	s.logged(t, "serving")
	if status := processStatus(t, s.cmd.Process.Pid); strings.Trim(status["CapEff"]+status["CapPrm"]+status["CapAmb"], "0") != "" {
		t.Errorf("it keeps CapEff %s, CapPrm %s, CapAmb %s", status["CapEff"], status["CapPrm"], status["CapAmb"])
	}
	if got := ask(t, xdptest.Server4+":10843"); !strings.Contains(got, "cross-domain-policy") {
		t.Errorf("%q", got)
	}
}

// TestFastPathCookiesChanged changes the setting under it: the doors close, and
// the sockets serve.
func TestFastPathCookiesChanged(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--deny-all")
	ask(t, server4)
	if err := n.InServer(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("1"), 0o644) }); err != nil {
		t.Fatal(err)
	}
	s.logged(t, "the fast path is closed, the sockets serve")
	eventually(t, "the doors are closed", func() bool { return statusOf(t, s).FastPaths[0].Doors == 0 })
	before := packets(t, s).Answered
	ask(t, server4)
	if st := statusOf(t, s); st.Status != "degraded" || len(st.Reasons) != 1 || !strings.Contains(st.Reasons[0], "tcp_syncookies is not 2 but 1") || packets(t, s).Answered != before {
		t.Errorf("%s, %v", st.Status, st.Reasons)
	}
}

// TestFastPathDeaf takes the other end's program away, as most veths have none:
// nothing arrives any more that XDP sends. The sockets must serve before long.
func TestFastPathDeaf(t *testing.T) {
	n := network(t)
	if n == nil {
		return
	}
	if err := n.Deafen(); err != nil {
		t.Fatal(err)
	}
	s := startFast(t, n, "--fastpath", xdptest.Server, "--deny-all")
	eventually(t, "a client is served", func() bool {
		var once sync.WaitGroup
		served := make(chan bool, 8)
		for range cap(served) {
			once.Go(func() {
				got, err := askOnce(server4, "<policy-file-request/>\x00")
				served <- err == nil && got != ""
			})
		}
		once.Wait()
		return <-served
	})
	if st := statusOf(t, s); len(st.FastPaths) != 0 || len(st.Reasons) != 1 || !strings.Contains(st.Reasons[0], "nothing that it sends arrives") {
		t.Errorf("%v", st.Reasons)
	}
}

// asking asks an address again and again, some clients at a time, until stop is
// closed; every answer must be one of those wanted, whole.
type asking struct {
	mu      sync.Mutex
	answers map[string]int
	errs    []error
	stop    chan struct{}
	done    sync.WaitGroup
}

func askAllTheTime(clients int, addresses ...string) *asking {
	a := &asking{answers: map[string]int{}, stop: make(chan struct{})}
	for i := range clients {
		a.done.Go(func() {
			for {
				select {
				case <-a.stop:
					return
				case <-time.After(time.Millisecond): // or the ports run out
				}
				got, err := askOnce(addresses[i%len(addresses)], "<policy-file-request/>\x00")
				a.mu.Lock()
				if err != nil {
					a.errs = append(a.errs, fmt.Errorf("after %q: %w", got, err))
				} else {
					a.answers[got]++
				}
				a.mu.Unlock()
			}
		})
	}
	return a
}

// count returns how many answers there were in all, and of how many kinds.
func (a *asking) count() (all, kinds int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.answers {
		all += n
	}
	return all, len(a.answers)
}

// end stops asking and returns what there was.
func (a *asking) end() (map[string]int, []error) {
	close(a.stop)
	a.done.Wait()
	return a.answers, a.errs
}

// command runs a program that must go well.
func command(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}
