package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/policy"
)

// fault lets every nth call of one kind fail while it is armed.
type fault struct {
	call  string
	errno syscall.Errno
	every int64

	armed atomic.Bool
	calls atomic.Int64
	hits  atomic.Int64
}

func (f *fault) strikes(call string) bool {
	if call != f.call || !f.armed.Load() || f.calls.Add(1)%f.every != 0 {
		return false
	}
	f.hits.Add(1)
	return true
}

// faulty returns the kernel with a fault, and a count of the descriptors that
// were accepted and not closed.
func faulty(f *fault) (*kernel, *atomic.Int64) {
	k, open := linux, new(atomic.Int64)
	accept := func(real func(int) (int, syscall.Errno)) func(int) (int, syscall.Errno) {
		return func(ln int) (int, syscall.Errno) {
			if f.strikes("accept") {
				return -1, f.errno
			}
			fd, errno := real(ln)
			if errno == 0 {
				open.Add(1)
			}
			return fd, errno
		}
	}
	k.accept, k.acceptTold = accept(linux.accept), accept(linux.acceptTold)
	k.receive = func(fd int, b []byte) (int, syscall.Errno) {
		if f.strikes("receive") {
			return 0, f.errno
		}
		return linux.receive(fd, b)
	}
	k.send = func(fd int, b []byte, flags int) (int, syscall.Errno) {
		if f.strikes("send") {
			return 0, f.errno
		}
		if f.strikes("short send") {
			return linux.send(fd, b[:len(b)/2], 0)
		}
		return linux.send(fd, b, flags)
	}
	k.endSending = func(fd int) syscall.Errno {
		if f.strikes("shutdown") {
			return f.errno
		}
		return linux.endSending(fd)
	}
	k.close = func(fd int) syscall.Errno {
		open.Add(-1)
		if errno := linux.close(fd); errno != 0 {
			panic("a descriptor was closed twice")
		}
		if f.strikes("close") {
			return f.errno
		}
		return 0
	}
	k.setOption = func(fd, level, name, value int) syscall.Errno {
		if f.strikes("setsockopt") {
			return f.errno
		}
		return linux.setOption(fd, level, name, value)
	}
	k.waitAtMost = func(fd int, d time.Duration) syscall.Errno {
		if f.strikes("timeout") {
			return f.errno
		}
		return linux.waitAtMost(fd, d)
	}
	k.localAddr = func(fd int) (netip.AddrPort, syscall.Errno) {
		if f.strikes("getsockname") {
			return netip.AddrPort{}, f.errno
		}
		return linux.localAddr(fd)
	}
	k.remoteAddr = func(fd int) (netip.AddrPort, syscall.Errno) {
		if f.strikes("getpeername") {
			return netip.AddrPort{}, f.errno
		}
		return linux.remoteAddr(fd)
	}
	k.pending = func(ln int) bool { return f.strikes("poll") || linux.pending(ln) }
	k.watch = func(epoll, op, fd int, events uint32) syscall.Errno {
		if f.strikes("epoll_ctl") {
			return f.errno
		}
		return linux.watch(epoll, op, fd, events)
	}
	k.watchEvents = func(epoll int, events []unix.EpollEvent) (int, syscall.Errno) {
		if f.strikes("epoll_wait") {
			return 0, f.errno
		}
		return linux.watchEvents(epoll, events)
	}
	return &k, open
}

var faults = map[string][]syscall.Errno{
	"accept": {unix.EAGAIN, unix.EINTR, unix.ECONNABORTED, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EPERM,
		unix.EPROTO, unix.ENETDOWN, unix.EINVAL, unix.EBADF, unix.EFAULT, unix.ENOSYS, 4000},
	"receive":     {unix.EAGAIN, unix.EINTR, unix.ECONNRESET, unix.ETIMEDOUT, unix.ENOTCONN, unix.ENOMEM, unix.EBADF, unix.EFAULT},
	"send":        {unix.EAGAIN, unix.EINTR, unix.EPIPE, unix.ECONNRESET, unix.ENOBUFS, unix.ENOMEM, unix.EHOSTUNREACH, unix.EBADF},
	"short send":  {0},
	"shutdown":    {unix.ENOTCONN, unix.EINVAL},
	"close":       {unix.EINTR, unix.EIO, unix.ENOSPC},
	"setsockopt":  {unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOMEM},
	"timeout":     {unix.EOPNOTSUPP},
	"getsockname": {unix.ENOBUFS, unix.EINVAL},
	"getpeername": {unix.ENOTCONN, unix.ENOBUFS},
	"poll":        {0},
	"epoll_ctl":   {unix.ENOMEM, unix.ENOSPC, unix.EEXIST, unix.ENOENT, unix.EBADF, unix.EPERM},
	"epoll_wait":  {unix.EINTR, unix.EBADF, unix.EINVAL, unix.EFAULT},
}

// TestFaults lets every system call of the engine fail in every way, at every
// call, every second and every third, while clients of all kinds are about.
// Nothing is promised to them meanwhile but an end. Afterwards a good client
// is served, all accounts agree, and no descriptor is left.
func TestFaults(t *testing.T) {
	tried := 0
	for call, errnos := range faults {
		for _, errno := range errnos {
			for every := int64(1); every <= 3; every++ {
				tried++
				t.Run(call+"/"+errno.Error()+"/"+string(rune('0'+every)), func(t *testing.T) {
					t.Parallel()
					testFault(t, &fault{call: call, errno: errno, every: every})
				})
			}
		}
	}
	if tried < 100 {
		t.Fatalf("only %d faults", tried)
	}
}

func testFault(t *testing.T, f *fault) {
	a, err := NewAnswer([]byte(`<cross-domain-policy><allow-access-from domain="a.example" to-ports="80"/></cross-domain-policy>`))
	if err != nil {
		t.Fatal(err)
	}
	k, open := faulty(f)
	s := New(Options{
		Engine: EngineNative, Limits: Limits{Deadline: 100 * time.Millisecond, MaxConnections: 4},
		Tuning: Tuning{DeferAccept: Off}, Foreign: func(netip.AddrPort, policy.Opening) {},
	})
	if s.native, err = newEngine(s, k); err != nil {
		t.Fatal(err)
	}
	ln, err := Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// The socket itself is not the kernel's to refuse while it is set up, but
	// for the options that are for speed only.
	f.armed.Store(f.call == "setsockopt" || f.call == "timeout")
	l, err := s.Start(ln, Policies{Default: a, ByAddress: map[netip.Addr]*Answer{netip.MustParseAddr("127.0.0.1"): a}})
	if err != nil {
		t.Fatal(err)
	}
	f.armed.Store(true)
	rare := f.call == "timeout"
	for round := 0; round < 2 || f.hits.Load() == 0 && !rare; round++ {
		if round > 1000 {
			t.Fatalf("the fault never struck, in %d calls", f.calls.Load())
		}
		for _, request := range []string{policy.Request, policy.Request[:22], "<policy", "", "GET /", policy.Request + "more"} {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, request)
		}
	}
	f.armed.Store(false)
	want := policy.Response(a.Document())
	for good := 0; good < 3; good++ {
		if got := askOnce(t, l); !bytes.Equal(got, want) {
			t.Fatalf("afterwards a good client got %q", got)
		}
	}
	within(t, "all connections end", func() bool { return l.Stats().Open == 0 && open.Load() == 0 })
	st := l.Stats()
	var ended uint64
	for _, n := range st.Ended {
		ended += n
	}
	if ended != st.Accepted {
		t.Errorf("%d ended of %d accepted: %+v", ended, st.Accepted, st)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestFaultsAtStart lets the calls fail that set an engine or a listener up.
// Start says so, leaves the listener to its owner and no descriptor behind, and
// works as soon as the kernel does.
func TestFaultsAtStart(t *testing.T) {
	k := linux
	var failing string
	open := map[int]bool{}
	k.newEpoll = func() (int, syscall.Errno) {
		if failing == "epoll_create1" {
			return -1, unix.EMFILE
		}
		fd, errno := linux.newEpoll()
		open[fd] = true
		return fd, errno
	}
	k.noLinger = func(fd int) syscall.Errno {
		open[fd] = true
		if failing == "SO_LINGER" {
			return unix.ENOMEM
		}
		return linux.noLinger(fd)
	}
	k.dontBlock = func(fd int) syscall.Errno {
		if failing == "fcntl" {
			return unix.EPERM
		}
		return linux.dontBlock(fd)
	}
	k.watch = func(epoll, op, fd int, events uint32) syscall.Errno {
		if failing == "epoll_ctl" {
			return unix.ENOSPC
		}
		return linux.watch(epoll, op, fd, events)
	}
	failing = "epoll_create1"
	if _, err := newEngine(New(Options{}), &k); !errors.Is(err, unix.EMFILE) {
		t.Errorf("an engine without an epoll: %v", err)
	}
	failing = ""
	s := New(Options{Engine: EngineNative})
	var err error
	if s.native, err = newEngine(s, &k); err != nil {
		t.Fatal(err)
	}
	clear(open) // the engine keeps its own
	ln, err := Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := testAnswer(t, 1)
	for _, failing = range []string{"epoll_create1", "SO_LINGER", "fcntl", "epoll_ctl"} {
		if _, err := s.Start(ln, Policies{Default: a}); err == nil || !strings.Contains(err.Error(), failing) {
			t.Errorf("with %s failing: %v", failing, err)
		}
	}
	failing = ""
	if len(open) == 0 {
		t.Error("no descriptor was seen")
	}
	for fd := range open {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("descriptor %d is left behind", fd)
		}
	}
	l, err := s.Start(ln, Policies{Default: a})
	if err != nil {
		t.Fatal(err)
	}
	if got := askOnce(t, l); !bytes.Equal(got, a.wire) {
		t.Errorf("got %q", got)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func ask(address string) ([]byte, error) {
	c, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, policy.Request)
	return io.ReadAll(c)
}

func askOnce(t testing.TB, l *Listener) []byte {
	t.Helper()
	got, err := ask(l.Addr().String())
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return got
}

func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}
