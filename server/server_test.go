package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// patience bounds every wait of a test; no test needs it to pass.
const patience = 30 * time.Second

func answer(t testing.TB, rules string) *server.Answer {
	t.Helper()
	a, err := server.NewAnswer([]byte("<?xml version=\"1.0\"?>\n<cross-domain-policy>" + rules + "</cross-domain-policy>\n"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const ruleA = `<allow-access-from domain="a.example" to-ports="80"/>`

// place is an engine and an address family to run a test on.
type place struct {
	name   string
	engine server.Engine
	host   string
	listen func(context.Context, string, string) (net.Listener, error)
}

// seen is for tests that wait until a silent client was accepted, which the
// kernel would put off for a second.
var seen = server.Tuning{DeferAccept: server.Off}

// everywhere runs a test on each engine of this system, with both IP versions,
// and on the kind of listener that package net makes by itself.
func everywhere(t *testing.T, test func(t *testing.T, at place)) {
	t.Helper()
	plain := func(_ context.Context, network, address string) (net.Listener, error) {
		return net.Listen(network, address)
	}
	places := []place{
		{"portable/IPv4", server.EnginePortable, "127.0.0.1", server.Listen},
		{"portable/IPv6", server.EnginePortable, "::1", server.Listen},
	}
	if runtime.GOOS == "linux" {
		places = append(places,
			place{"native/IPv4", server.EngineNative, "127.0.0.1", server.Listen},
			place{"native/IPv6", server.EngineNative, "::1", server.Listen},
			place{"native/net.Listen", server.EngineNative, "127.0.0.1", plain},
		)
	}
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			test(t, at)
		})
	}
}

func (at place) start(t testing.TB, o server.Options, p server.Policies) (*server.Server, *server.Listener) {
	t.Helper()
	return at.startOn(t, o, at.host, p)
}

func (at place) startOn(t testing.TB, o server.Options, host string, p server.Policies) (*server.Server, *server.Listener) {
	t.Helper()
	ln, err := at.listen(context.Background(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	o.Engine = at.engine
	s := server.New(o)
	l, err := s.Start(ln, p)
	if err != nil {
		t.Fatal(err)
	}
	if l.Engine() != at.engine {
		t.Fatalf("the engine is %s", l.Engine())
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s, l
}

func dial(t testing.TB, l *server.Listener) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", l.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func ask(t testing.TB, l *server.Listener, request string) []byte {
	t.Helper()
	c := dial(t, l)
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return got
}

func wire(a *server.Answer) []byte { return policy.Response(a.Document()) }

// eventually waits until ok, which must come true by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnswersHoweverTheRequestComes(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		a := answer(t, ruleA)
		_, l := at.start(t, server.Options{}, server.Policies{Default: a})
		for _, request := range []string{
			policy.Request, "<policy-file-request/>", "<policy-file-request />\x00", "<policy-file-request/>\r\n",
			policy.Request + "more", policy.Request + policy.Request,
		} {
			if got := ask(t, l, request); !bytes.Equal(got, wire(a)) {
				t.Errorf("%q: got %q", request, got)
			}
		}
		eventually(t, "six answers counted", func() bool { return l.Stats().Ended[server.Answered] == 6 && l.Stats().Open == 0 })
	})
}

// TestLateBytesDoNotResetTheAnswer sends the NUL only after the server has
// closed its direction, and reads the answer after that.
func TestLateBytesDoNotResetTheAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		a := answer(t, ruleA)
		_, l := at.start(t, server.Options{}, server.Policies{Default: a})
		c := dial(t, l)
		io.WriteString(c, "<policy-file-request/>")
		eventually(t, "the answer is sent", func() bool { return l.Stats().Ended[server.Answered] == 1 })
		for range 3 {
			if _, err := c.Write([]byte("\x00late")); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, wire(a)) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestForeignIsEndedAndCounted(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		var mu sync.Mutex
		told := map[policy.Opening]int{}
		_, l := at.start(t, server.Options{Foreign: func(client netip.AddrPort, o policy.Opening) {
			mu.Lock()
			defer mu.Unlock()
			if client.Addr() != netip.MustParseAddr(at.host) || client.Port() == 0 {
				t.Errorf("told of %s", client)
			}
			told[o]++
		}}, server.Policies{Default: answer(t, ruleA)})
		for _, hello := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05", "SSH-2.0-x\r\n", "<policy-file-nonsense/>"} {
			c := dial(t, l)
			io.WriteString(c, hello)
			if got, _ := io.ReadAll(c); len(got) > 0 {
				t.Errorf("%q is answered by %q", hello, got)
			}
		}
		eventually(t, "all are counted by kind", func() bool {
			e := l.Stats().Ended
			mu.Lock()
			defer mu.Unlock()
			return e[server.ForeignHTTP] == 1 && e[server.ForeignTLS] == 1 && e[server.ForeignOther] == 2 &&
				told[policy.OpeningHTTP] == 1 && told[policy.OpeningTLS] == 1 && told[policy.OpeningOther] == 2
		})
	})
}

func TestEmptyAndIncomplete(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		_, l := at.start(t, server.Options{}, server.Policies{Default: answer(t, ruleA)})
		dial(t, l).Close()
		c := dial(t, l)
		io.WriteString(c, "<policy")
		c.CloseWrite()
		if got, _ := io.ReadAll(c); len(got) > 0 {
			t.Errorf("half a request is answered by %q", got)
		}
		reset := dial(t, l)
		io.WriteString(reset, "<pol")
		reset.SetLinger(0)
		reset.Close()
		eventually(t, "each has its outcome", func() bool {
			s := l.Stats()
			return s.Ended[server.Empty]+s.Ended[server.Incomplete] == 3 && s.Ended[server.Incomplete] >= 1 && s.Open == 0
		})
	})
}

func TestDeadlineEndsTheSilent(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		_, l := at.start(t, server.Options{Limits: server.Limits{Deadline: 50 * time.Millisecond}}, server.Policies{Default: answer(t, ruleA)})
		silent, one := dial(t, l), dial(t, l)
		io.WriteString(one, "<")
		for _, c := range []net.Conn{silent, one} {
			if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
				t.Errorf("got %q, %v; want the end", got, err)
			}
		}
		eventually(t, "both have expired", func() bool { return l.Stats().Ended[server.Expired] == 2 })
	})
}

func TestOldestMakesRoom(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		for _, c := range []struct {
			name   string
			limits server.Limits
		}{
			{"in all", server.Limits{MaxConnections: 3, MaxPerAddress: 100, Deadline: time.Minute}},
			{"per address", server.Limits{MaxConnections: 100, MaxPerAddress: 3, Deadline: time.Minute}},
		} {
			t.Run(c.name, func(t *testing.T) {
				a := answer(t, ruleA)
				_, l := at.start(t, server.Options{Limits: c.limits, Tuning: seen}, server.Policies{Default: a})
				var idle []*net.TCPConn
				for i := range 3 {
					idle = append(idle, dial(t, l))
					eventually(t, "it is accepted", func() bool { return l.Stats().Accepted == uint64(i+1) })
				}
				newcomer := dial(t, l)
				io.WriteString(newcomer, policy.Request[:1])
				if _, err := idle[0].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the oldest is still there: %v", err)
				}
				eventually(t, "one is displaced", func() bool { return l.Stats().Ended[server.Displaced] == 1 })
				io.WriteString(newcomer, policy.Request[1:])
				if got, err := io.ReadAll(newcomer); !bytes.Equal(got, wire(a)) {
					t.Errorf("the newcomer got %q, %v", got, err)
				}
				io.WriteString(idle[2], policy.Request)
				if got, err := io.ReadAll(idle[2]); !bytes.Equal(got, wire(a)) {
					t.Errorf("the youngest idle one got %q, %v", got, err)
				}
			})
		}
	})
}

// TestPoliciesByLocalAddress uses a wildcard socket for both IP versions, as
// a server on port 843 does.
func TestPoliciesByLocalAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		a, b, c := answer(t, ruleA), answer(t, ""), server.DenyAll()
		_, l := at.startOn(t, server.Options{}, "", server.Policies{
			Default: a,
			ByAddress: map[netip.Addr]*server.Answer{
				netip.MustParseAddr("127.0.0.2"): b,
				netip.MustParseAddr("::1"):       c,
			},
		})
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for host, want := range map[string]*server.Answer{"127.0.0.1": a, "127.0.0.2": b, "::1": c} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, policy.Request)
			if got, err := io.ReadAll(c); !bytes.Equal(got, wire(want)) {
				t.Errorf("%s: got %q, %v", host, got, err)
			}
		}
	})
}

// TestSwapIsAtomic asks from several clients while the policy is swapped, now
// and then by one that is refused: every answer is one of the two, whole.
func TestSwapIsAtomic(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		a, b := answer(t, ruleA), answer(t, strings.Repeat(`<allow-access-from domain="b.example" to-ports="90"/>`, 20))
		_, l := at.start(t, server.Options{}, server.Policies{Default: a})
		const clients, each, wantSwaps = 4, 1250, 1000
		var failed atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range each {
					if got := ask(t, l, policy.Request); !bytes.Equal(got, wire(a)) && !bytes.Equal(got, wire(b)) {
						failed.Add(1)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		swaps := 0
		for running := true; running || swaps < wantSwaps; swaps++ {
			select {
			case <-done:
				running = false
			default:
			}
			next := []*server.Answer{a, b}[swaps%2]
			if swaps%7 == 0 {
				if _, err := server.NewAnswer([]byte("<broken")); err == nil {
					t.Fatal("a broken policy became an answer")
				}
			}
			if err := l.SetPolicies(server.Policies{Default: next}); err != nil {
				t.Fatal(err)
			}
		}
		if failed.Load() > 0 {
			t.Errorf("%d of %d answers were not one of the two, over %d swaps", failed.Load(), clients*each, swaps)
		}
	})
}

// flakyListener fails some calls of Accept before it lets one through.
type flakyListener struct {
	net.Listener
	mu     sync.Mutex
	errors []error
}

func (f *flakyListener) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errors) > 0 {
		err := f.errors[0]
		f.errors = f.errors[1:]
		return nil, err
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsDoNotEndTheServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := answer(t, ruleA)
	flaky := &flakyListener{Listener: ln, errors: acceptFaults()}
	faults := uint64(len(flaky.errors))
	s := server.New(server.Options{})
	l, err := s.Start(flaky, server.Policies{Default: a})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	if got := ask(t, l, policy.Request); !bytes.Equal(got, wire(a)) {
		t.Errorf("got %q", got)
	}
	if n := l.Stats().AcceptErrors; n != faults || n == 0 {
		t.Errorf("%d errors of accept counted, want %d", n, faults)
	}
}

func TestShutdown(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		a := answer(t, ruleA)
		s, l := at.start(t, server.Options{Limits: server.Limits{Deadline: time.Minute}, Tuning: seen}, server.Policies{Default: a})
		c := dial(t, l)
		eventually(t, "it is accepted", func() bool { return l.Stats().Accepted == 1 })
		done := make(chan error)
		go func() { done <- s.Shutdown(context.Background()) }()
		eventually(t, "nobody accepts any more", func() bool {
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		io.WriteString(c, policy.Request)
		if got, err := io.ReadAll(c); !bytes.Equal(got, wire(a)) {
			t.Errorf("the exchange in flight got %q, %v", got, err)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := s.Start(nil, server.Policies{Default: a}); !errors.Is(err, server.ErrClosed) {
			t.Errorf("Start after Shutdown: %v", err)
		}
	})
}

func TestShutdownIsBounded(t *testing.T) {
	everywhere(t, func(t *testing.T, at place) {
		s, l := at.start(t, server.Options{Limits: server.Limits{Deadline: time.Hour}, Tuning: seen}, server.Policies{Default: answer(t, ruleA)})
		dial(t, l)
		eventually(t, "it is accepted", func() bool { return l.Stats().Accepted == 1 })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown beside a silent client: %v", err)
		}
	})
}

func TestOutcomeNames(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range server.Outcomes() {
		if o.String() == "" || seen[o.String()] {
			t.Errorf("outcome %d has the name %q", o, o)
		}
		seen[o.String()] = true
	}
	if len(seen) < 9 {
		t.Errorf("only %d outcomes", len(seen))
	}
}

func ExampleServer() {
	answer, err := server.NewAnswer([]byte(`<cross-domain-policy><allow-access-from domain="games.example" to-ports="9000"/></cross-domain-policy>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := server.New(server.Options{})
	l, err := s.Start(ln, server.Policies{Default: answer})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Shutdown(context.Background())

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	io.WriteString(c, policy.Request)
	got, _ := io.ReadAll(c)
	fmt.Printf("%q\n", got)
	// Output:
	// "<cross-domain-policy><allow-access-from domain=\"games.example\" to-ports=\"9000\"/></cross-domain-policy>\x00"
}
