package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

func testAnswer(t testing.TB, rules int) *Answer {
	t.Helper()
	a, err := NewAnswer([]byte("<cross-domain-policy>" + strings.Repeat(`<allow-access-from domain="a.example" to-ports="80"/>`, rules) + "</cross-domain-policy>"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func startNative(t testing.TB, o Options, ln net.Listener, a *Answer) (*Server, *Listener) {
	t.Helper()
	o.Engine = EngineNative
	s := New(o)
	l, err := s.Start(ln, Policies{Default: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s, l
}

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	ln, err := Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln.(*net.TCPListener)
}

func control(t testing.TB, c syscall.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = f(int(fd)) }), failed); err != nil {
		t.Fatal(err)
	}
}

// TestAnswerLargerThanTheSendBuffer cuts an answer into many sends, to a
// client that takes it late, and to one that never does.
func TestAnswerLargerThanTheSendBuffer(t *testing.T) {
	a := testAnswer(t, 8000)
	ln := listen(t)
	control(t, ln, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096) })
	_, l := startNative(t, Options{Limits: Limits{Deadline: 2 * time.Second}}, ln, a)
	var open []net.Conn
	for range 2 {
		d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
		}}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, policy.Request)
		open = append(open, c)
	}
	within(t, "both are being sent to", func() bool {
		y := l.server.native.yard
		y.mu.Lock()
		defer y.mu.Unlock()
		return len(y.sends) == 2
	})
	open[0].SetDeadline(time.Now().Add(30 * time.Second))
	if got, err := io.ReadAll(open[0]); err != nil || !bytes.Equal(got, a.wire) {
		t.Errorf("got %d bytes of %d, %v", len(got), a.Size(), err)
	}
	open[0].Close()
	within(t, "one is answered, the other expired", func() bool {
		s := l.Stats()
		return s.Ended[Answered] == 1 && s.Ended[Expired] == 1 && s.Open == 0
	})
	if len(l.server.native.yard.sends) != 0 {
		t.Error("answers are left behind")
	}
}

// TestDribblerWakesNobody counts the receives that a request costs which comes
// byte by byte: two at its beginning, one when it can be complete.
func TestDribblerWakesNobody(t *testing.T) {
	for _, c := range []struct {
		lowWater Switch
		atMost   int64
	}{{On, 6}, {Off, 60}} {
		k := linux
		var receives atomic.Int64
		k.receive = func(fd int, b []byte) (int, syscall.Errno) {
			receives.Add(1)
			return linux.receive(fd, b)
		}
		s := New(Options{Engine: EngineNative, Tuning: Tuning{LowWater: c.lowWater}})
		var err error
		if s.native, err = newEngine(s, &k); err != nil {
			t.Fatal(err)
		}
		l, err := s.Start(listen(t), Policies{Default: testAnswer(t, 1)})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		// No NUL: 22 bytes must be enough, however they come.
		for i := range 22 {
			io.WriteString(conn, policy.Request[i:i+1])
			unacknowledged(t, conn.(*net.TCPConn))
			if c.lowWater == Off {
				within(t, "each byte is received", func() bool { return receives.Load() > int64(i) })
			}
		}
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, policy.Response(testAnswer(t, 1).Document())) {
			t.Fatalf("got %q, %v", got, err)
		}
		conn.Close()
		within(t, "it ends", func() bool { return l.Stats().Open == 0 })
		if n := receives.Load(); n > c.atMost || c.lowWater == Off && n < 22 {
			t.Errorf("LowWater %d: %d receives", c.lowWater, n)
		}
		s.Shutdown(context.Background())
	}
}

// unacknowledged waits until everything that was written has arrived.
func unacknowledged(t *testing.T, c *net.TCPConn) {
	within(t, "the bytes arrive", func() bool {
		var n int
		control(t, c, func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ); return err })
		return n == 0
	})
}

// TestSharedSocketIsHandedOver lets clients ask without pause while one
// server hands its socket to another and stops: each is answered.
func TestSharedSocketIsHandedOver(t *testing.T) {
	a := testAnswer(t, 1)
	s, l := startNative(t, Options{}, listen(t), a)
	address := l.Addr().String()
	stop := make(chan struct{})
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := ask(address); err != nil || !bytes.Equal(got, a.wire) {
					t.Errorf("got %q, %v", got, err)
				}
				asked.Add(1)
			}
		})
	}
	for range 5 {
		before := asked.Load()
		within(t, "clients are served", func() bool { return asked.Load() > before+100 })
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.FileListener(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		next, nextL := startNative(t, Options{}, ln, a)
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s, l = next, nextL
	}
	close(stop)
	clients.Wait()
}

// TestSocketMadeBlocking is what another process may do to a shared socket.
func TestSocketMadeBlocking(t *testing.T) {
	a := testAnswer(t, 1)
	s, l := startNative(t, Options{}, listen(t), a)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	control(t, f, func(fd int) error { return unix.SetNonblock(fd, false) })
	for range 2 * blockCheck {
		if got := askOnce(t, l); !bytes.Equal(got, a.wire) {
			t.Fatalf("got %q", got)
		}
	}
	within(t, "it does not block any more", func() bool {
		askOnce(t, l)
		blocks := true
		control(t, f, func(fd int) error {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			blocks = flags&unix.O_NONBLOCK == 0
			return err
		})
		return !blocks
	})
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestNativeRefusesOtherListeners(t *testing.T) {
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := New(Options{Engine: EngineNative}).Start(ln, Policies{Default: DenyAll()}); !errors.Is(err, ErrNotNative) {
		t.Errorf("a unix socket: %v", err)
	}
	s := New(Options{})
	l, err := s.Start(ln, Policies{Default: DenyAll()})
	if err != nil || l.Engine() != EnginePortable {
		t.Fatalf("by default: %v, %v", l.Engine(), err)
	}
	s.Shutdown(context.Background())
}

func TestTuningInForce(t *testing.T) {
	_, l := startNative(t, Options{Tuning: Tuning{LazyAck: Off, OneSegment: Off, Loops: 3}}, listen(t), DenyAll())
	got := l.Tuning()
	want := Tuning{QuickClose: On, OneSegment: Off, LazyAck: Off, DeferAccept: switched(synCookies()), LowWater: On, Loops: 3}
	if got != want {
		t.Errorf("in force is %+v, want %+v", got, want)
	}
	// The kernel says what is set.
	var deferred int
	var err error
	l.native.ln.use(func(fd int) { deferred, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT) })
	if err != nil {
		t.Fatal(err)
	}
	if (deferred > 0) != (got.DeferAccept == On) {
		t.Errorf("TCP_DEFER_ACCEPT is %d", deferred)
	}
}

func TestSystemAdvice(t *testing.T) {
	settings := map[string]int{
		"net.core.somaxconn": 128, "net.ipv4.tcp_max_syn_backlog": 4096, "net.ipv4.tcp_syncookies": 0,
		"net.ipv4.tcp_abort_on_overflow": 1, "fs.epoll.max_user_watches": 1 << 30,
	}
	read := func(name string) (int, bool) { v, ok := settings[name]; return v, ok }
	var got []string
	for _, a := range systemAdvice(read, 1024) {
		if a.Why == "" || a.String() == "" {
			t.Errorf("%+v", a)
		}
		got = append(got, a.Do)
	}
	want := []string{
		"sysctl -w net.core.somaxconn=4096", "sysctl -w net.ipv4.tcp_syncookies=1", "sysctl -w net.ipv4.tcp_abort_on_overflow=0",
		"LimitNOFILE=65536 in the unit, or ulimit -n 65536 in the shell that starts it",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if v, ok := sysctl("net.core.somaxconn"); !ok || v <= 0 {
		t.Errorf("somaxconn: %d, %v", v, ok)
	}
	for range SystemAdvice() { // whatever this machine is like
	}
}

// anotherProcess runs this test in another process, which is told by the environment.
func anotherProcess(t *testing.T, attr *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "PORT843_TEST_INNER="+t.Name())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	return cmd
}

func inner(t *testing.T) bool { return os.Getenv("PORT843_TEST_INNER") == t.Name() }

// TestDescriptorsGone keeps more connections than a server has descriptors,
// all silent: good clients are served beside them, and nothing spins.
func TestDescriptorsGone(t *testing.T) {
	const silent, good = 300, 50
	if inner(t) {
		few := unix.Rlimit{Cur: 100, Max: 100}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		k := linux
		var accepts atomic.Int64
		k.accept = func(ln int) (int, syscall.Errno) { accepts.Add(1); return linux.accept(ln) }
		s := New(Options{Engine: EngineNative, Limits: Limits{MaxConnections: 1000, Deadline: time.Minute}, Tuning: Tuning{DeferAccept: Off}})
		var err error
		if s.native, err = newEngine(s, &k); err != nil {
			t.Fatal(err)
		}
		l, err := s.Start(listen(t), Policies{Default: DenyAll()})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\n%s\n", l.Addr())
		io.Copy(io.Discard, os.Stdin)
		fmt.Printf("%d accepts, %d errors\n", accepts.Load(), l.Stats().AcceptErrors)
		return
	}
	cmd := anotherProcess(t, nil)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func(has string) string {
		for lines.Scan() {
			if strings.Contains(lines.Text(), has) {
				return lines.Text()
			}
		}
		t.Fatalf("the server ended before it said %q", has)
		return ""
	}
	address := next("127.0.0.1:")
	open := func(request string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, request)
		return c
	}
	for range silent {
		defer open("<").Close()
	}
	for range good {
		c := open(policy.Request)
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, DenyAll().wire) {
			t.Fatalf("a good client got %q, %v", got, err)
		}
		c.Close()
	}
	in.Close()
	var accepts, failed int
	if _, err := fmt.Sscanf(next("accepts"), "%d accepts, %d errors", &accepts, &failed); err != nil {
		t.Fatal(err)
	}
	if failed == 0 || accepts > 4*(silent+good) {
		t.Errorf("%d accepts and %d errors for %d connections", accepts, failed, silent+good)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLossOfSegments drops one segment in twenty, in both directions, in a
// network of its own: every client gets its answer in the end, also where the
// server has long closed the connection.
func TestLossOfSegments(t *testing.T) {
	if !inner(t) {
		need.Root(t)
		need.Tool(t, "nft")
		need.Tool(t, "ip")
		if out, err := anotherProcess(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}).Output(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	run := func(stdin, name string, args ...string) {
		cmd := exec.Command(need.Tool(t, name), args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("", "ip", "link", "set", "lo", "up")
	run("table inet t { chain c { type filter hook input priority 0; meta l4proto tcp numgen random mod 100 < 5 counter drop; }; }", "nft", "-f", "-")
	const clients = 400
	a := testAnswer(t, 3)
	_, l := startNative(t, Options{Limits: Limits{Deadline: time.Minute}}, listen(t), a)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(c, policy.Request[:len(policy.Request)-i%2]) // with its NUL, or without
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, a.wire) {
				t.Errorf("client %d got %d bytes of %d, %v", i, len(got), a.Size(), err)
			}
		})
	}
	all.Wait()
	out, err := exec.Command(need.Tool(t, "nft"), "list", "table", "inet", "t").Output()
	if err != nil || bytes.Contains(out, []byte("packets 0 ")) {
		t.Errorf("nothing was dropped: %v\n%s", err, out)
	}
}
