package server

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/port843/port843/policy"
)

// testYard is a yard without a kernel: its descriptors are numbers.
func testYard(limits Limits) *yard {
	k := linux
	k.watch = func(int, int, int, uint32) syscall.Errno { return 0 }
	y := &yard{limits: limits, k: &k, start: time.Now(), clients: newClients(limits.MaxConnections), sends: map[ref]partial{}}
	y.timer = time.AfterFunc(time.Hour, func() {})
	y.timer.Stop()
	return y
}

func fresh(fd int) *conn { return &conn{fd: fd, state: state{phase: waiting}} }

// model does what the yard promises, in the simplest way.
type model struct {
	order   []int // descriptors, oldest first
	clients map[int]uint64
}

func (m *model) remove(fd int) {
	m.order = slices.DeleteFunc(m.order, func(x int) bool { return x == fd })
	delete(m.clients, fd)
}

func (m *model) enter(l Limits, fd int, client uint64) (victim int) {
	victim = -1
	var mine []int
	for _, x := range m.order {
		if m.clients[x] == client {
			mine = append(mine, x)
		}
	}
	if len(mine) >= l.MaxPerAddress {
		victim = mine[0]
	} else if len(m.order) >= l.MaxConnections {
		victim = m.order[0]
	}
	m.remove(victim)
	m.order = append(m.order, fd)
	m.clients[fd] = client
	return victim
}

// TestYardAgreesWithItsModel lets connections of a few clients come, go, and
// make room, in random order, and compares every answer of the yard.
func TestYardAgreesWithItsModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 843))
		limits := Limits{Deadline: time.Hour, MaxConnections: 40, MaxPerAddress: 7}
		y, m := testYard(limits), &model{clients: map[int]uint64{}}
		for step := range 3000 {
			fd := r.IntN(60) + r.IntN(2)*5000
			if slices.Contains(m.order, fd) {
				c, ok := y.take(fd)
				if !ok {
					t.Fatalf("step %d: %d is not there", step, fd)
				}
				switch r.IntN(3) {
				case 0:
					y.leave(&c)
					m.remove(fd)
				case 1:
					if why := y.put(&c); why != nobody {
						t.Fatalf("step %d: put of %d: %d", step, fd, why)
					}
				case 2: // it is in a worker's hands when the oldest have to go
					var into [3]conn
					out, n := y.expel(into[:], evicted, false)
					gone := slices.Clone(m.order[:min(3, len(m.order))])
					for _, x := range gone {
						m.remove(x)
					}
					if n != len(gone) || len(out) != len(gone)-btoi(slices.Contains(gone, fd)) {
						t.Fatalf("step %d: %d expelled, %d in hand, of %v", step, n, len(out), gone)
					}
					if why := y.put(&c); (why == evicted) != slices.Contains(gone, fd) {
						t.Fatalf("step %d: %d is expelled: %d, of %v", step, fd, why, gone)
					}
				}
				continue
			}
			if _, ok := y.take(fd); ok {
				t.Fatalf("step %d: %d should not be there", step, fd)
			}
			client := r.Uint64N(9)
			victim, errno := y.enter(fresh(fd), client)
			if want := m.enter(limits, fd, client); errno != 0 || victim.fd != want {
				t.Fatalf("step %d: the victim is %d, want %d (%d)", step, victim.fd, want, errno)
			}
			if y.order.n != len(m.order) {
				t.Fatalf("step %d: %d connections, want %d", step, y.order.n, len(m.order))
			}
		}
		for range m.order {
			var one [1]conn
			out, _ := y.expel(one[:], expired, false)
			if len(out) != 1 || out[0].fd != m.order[0] {
				t.Fatalf("the oldest is %v, want %d", out, m.order[0])
			}
			m.remove(m.order[0])
		}
		if y.order != (queue{}) || y.clients.find(0) != 0 {
			t.Fatalf("the empty yard is not empty: %+v", y.order)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestDeadlinesInOrder(t *testing.T) {
	y := testYard(Limits{Deadline: time.Minute, MaxConnections: 100, MaxPerAddress: 100})
	for fd := range 10 {
		y.enter(fresh(fd), 1)
	}
	var into [64]conn
	if out, n := y.expel(into[:], expired, true); n != 0 || len(out) != 0 {
		t.Fatalf("%d are due too early", n)
	}
	y.start = y.start.Add(-time.Minute) // a minute goes by
	y.enter(fresh(10), 1)
	out, n := y.expel(into[:], expired, true)
	if n != 10 || len(out) != 10 || out[0].fd != 0 || out[9].fd != 9 {
		t.Errorf("due are %d: %v", n, out)
	}
	// The clock wraps after 49 days.
	y.start = time.Now().Add(-(1<<32 - 1000) * time.Millisecond)
	y = testYard(y.limits)
	y.start = time.Now().Add(-(1<<32 - 1000) * time.Millisecond)
	y.enter(fresh(20), 1)
	if _, n := y.expel(into[:], expired, true); n != 0 {
		t.Error("a deadline beyond the wrap is due at once")
	}
	y.start = y.start.Add(-time.Minute)
	if _, n := y.expel(into[:], expired, true); n != 1 {
		t.Error("a deadline beyond the wrap does not come")
	}
}

func TestClientKeys(t *testing.T) {
	key := func(s string) uint64 { return clientKeyOf(netip.MustParseAddr(s)) }
	for _, same := range [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"}, {"fe80::1%1", "fe80::2"},
	} {
		if key(same[0]) != key(same[1]) {
			t.Errorf("%s and %s are two clients", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:1:2::1", "2001:db8:1:3::1"}, {"0.0.0.0", "::1"}} {
		if key(other[0]) == key(other[1]) {
			t.Errorf("%s and %s are one client", other[0], other[1])
		}
	}
}

// TestMemoryOfAMillion is the promise of 64 bytes, at a million connections
// that are each a client of their own, which is the worst case.
func TestMemoryOfAMillion(t *testing.T) {
	if unsafe.Sizeof(slot{}) != 32 || unsafe.Sizeof(client{}) != 20 {
		t.Errorf("a slot has %d bytes, a client %d", unsafe.Sizeof(slot{}), unsafe.Sizeof(client{}))
	}
	const n = 1_000_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	y := testYard(Limits{Deadline: time.Hour, MaxConnections: n, MaxPerAddress: 1024})
	for fd := range n {
		y.enter(fresh(fd), uint64(fd)<<20)
	}
	each := float64(heap()-before) / n
	if each > 64 {
		t.Errorf("%.1f bytes for each of a million connections", each)
	}
	t.Logf("%.1f bytes for each of a million connections", each)
	runtime.KeepAlive(y)
}

func BenchmarkYard(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		for _, spread := range []struct {
			name    string
			clients int
		}{{"of one client", 1}, {"each its own client", n}} {
			limits := Limits{Deadline: time.Hour, MaxConnections: n, MaxPerAddress: n}
			y := testYard(limits)
			for fd := range n {
				y.enter(fresh(fd), uint64(fd%spread.clients))
			}
			b.Run(fmt.Sprintf("enter and leave beside %d %s", n, spread.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c, _ := y.take(n / 2)
					y.leave(&c)
					y.enter(&c, uint64(n/2%spread.clients))
				}
			})
			b.Run(fmt.Sprintf("oldest makes room among %d %s", n, spread.name), func(b *testing.B) {
				b.ReportAllocs()
				var one [1]conn
				i := 0
				for b.Loop() {
					out, _ := y.expel(one[:], evicted, false)
					y.enter(&out[0], uint64(i%spread.clients))
					i++
				}
			})
		}
	}
}

func BenchmarkRequestMatch(b *testing.B) {
	request := []byte(policy.Request)
	b.Run("whole, as the hot path compares", func(b *testing.B) {
		for b.Loop() {
			if string(request) != policy.Request {
				b.Fatal()
			}
		}
	})
	b.Run("any, as the careful path matches", func(b *testing.B) {
		for b.Loop() {
			var m policy.RequestMatch
			if _, state := m.Next(request); state != policy.RequestComplete {
				b.Fatal(state)
			}
		}
	})
}

// BenchmarkSeam is what it costs that a test can exchange the kernel.
func BenchmarkSeam(b *testing.B) {
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			endSendingCall(-1)
		}
	})
	b.Run("through a field", func(b *testing.B) {
		k := &linux
		for b.Loop() {
			k.endSending(-1)
		}
	})
}

// turn is a hot path on a pair of sockets in place of a network: accept
// returns one end of a fresh pair, with the request in it.
func turn(t testing.TB, request string) (serve func()) {
	a, err := NewAnswer([]byte(`<cross-domain-policy/>`))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Engine: EngineNative})
	k := linux
	if s.native, err = newEngine(s, &k); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.native.end)
	l := &Listener{server: s}
	l.SetPolicies(Policies{Default: a})
	l.native = &native{l: l, tuning: Tuning{}.withDefaults(true)}
	s.native.listeners.Store(&[]*Listener{l})
	msg, got := []byte(request), make([]byte, 100)
	var far [2]int32
	l.native.accept = func(int) (int, syscall.Errno) {
		_, _, errno := syscall.RawSyscall6(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0, uintptr(unsafe.Pointer(&far)), 0, 0)
		if errno == 0 {
			sendCall(int(far[1]), msg, 0)
		}
		return int(far[0]), errno
	}
	p := newLoop(s.native, l.native)
	return func() {
		if !p.serve(-1) {
			t.Fatal("nothing accepted")
		}
		n, errno := receiveCall(int(far[1]), got)
		closeCall(int(far[1]))
		if errno != 0 || string(got[:n]) != "<cross-domain-policy/>\x00" {
			t.Fatalf("got %q (%d)", got[:n], errno)
		}
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, turn(t, policy.Request)); n != 0 {
		t.Errorf("%v allocations an exchange", n)
	}
}

func BenchmarkExchange(b *testing.B) {
	serve := turn(b, policy.Request)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
