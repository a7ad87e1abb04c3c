package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
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

func start(t testing.TB, o server.Options, addr string, p server.Policies) (*server.Server, *server.Listener) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(o)
	l, err := s.Start(ln, p)
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
	a := answer(t, ruleA)
	_, l := start(t, server.Options{}, "127.0.0.1:0", server.Policies{Default: a})
	for _, request := range []string{
		policy.Request, "<policy-file-request/>", "<policy-file-request />\x00", "<policy-file-request/>\r\n",
		policy.Request + "more", policy.Request + policy.Request,
	} {
		if got := ask(t, l, request); !bytes.Equal(got, wire(a)) {
			t.Errorf("%q: got %q", request, got)
		}
	}
	eventually(t, "six answers counted", func() bool { return l.Stats().Ended[server.Answered] == 6 && l.Stats().Open == 0 })
}

// TestLateBytesDoNotResetTheAnswer sends the NUL only after the server has
// closed its direction, and reads the answer after that.
func TestLateBytesDoNotResetTheAnswer(t *testing.T) {
	a := answer(t, ruleA)
	_, l := start(t, server.Options{}, "127.0.0.1:0", server.Policies{Default: a})
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
}

func TestForeignIsEndedAndCounted(t *testing.T) {
	var mu sync.Mutex
	told := map[policy.Opening]int{}
	_, l := start(t, server.Options{Foreign: func(client netip.AddrPort, o policy.Opening) {
		mu.Lock()
		defer mu.Unlock()
		if client.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("told of %s", client)
		}
		told[o]++
	}}, "127.0.0.1:0", server.Policies{Default: answer(t, ruleA)})
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
}

func TestEmptyAndIncomplete(t *testing.T) {
	_, l := start(t, server.Options{}, "127.0.0.1:0", server.Policies{Default: answer(t, ruleA)})
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
}

func TestDeadlineEndsTheSilent(t *testing.T) {
	_, l := start(t, server.Options{Limits: server.Limits{Deadline: 50 * time.Millisecond}}, "127.0.0.1:0", server.Policies{Default: answer(t, ruleA)})
	silent, one := dial(t, l), dial(t, l)
	io.WriteString(one, "<")
	for _, c := range []net.Conn{silent, one} {
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("got %q, %v; want the end", got, err)
		}
	}
	eventually(t, "both have expired", func() bool { return l.Stats().Ended[server.Expired] == 2 })
}

func TestOldestMakesRoom(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits server.Limits
	}{
		{"in all", server.Limits{MaxConnections: 3, MaxPerAddress: 100, Deadline: time.Minute}},
		{"per address", server.Limits{MaxConnections: 100, MaxPerAddress: 3, Deadline: time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := answer(t, ruleA)
			_, l := start(t, server.Options{Limits: c.limits}, "127.0.0.1:0", server.Policies{Default: a})
			var idle []*net.TCPConn
			for i := range 3 {
				idle = append(idle, dial(t, l))
				eventually(t, "it is accepted", func() bool { return l.Stats().Accepted == uint64(i+1) })
			}
			if got := ask(t, l, policy.Request); !bytes.Equal(got, wire(a)) {
				t.Errorf("the newcomer got %q", got)
			}
			if _, err := idle[0].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the oldest is still there: %v", err)
			}
			eventually(t, "one is displaced", func() bool { return l.Stats().Ended[server.Displaced] == 1 })
			io.WriteString(idle[2], policy.Request)
			if got, err := io.ReadAll(idle[2]); !bytes.Equal(got, wire(a)) {
				t.Errorf("the youngest idle one got %q, %v", got, err)
			}
		})
	}
}

func TestPoliciesByLocalAddress(t *testing.T) {
	a, b := answer(t, ruleA), answer(t, "")
	_, l := start(t, server.Options{}, "0.0.0.0:0", server.Policies{
		Default:   a,
		ByAddress: map[netip.Addr]*server.Answer{netip.MustParseAddr("127.0.0.2"): b},
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for host, want := range map[string]*server.Answer{"127.0.0.1": a, "127.0.0.2": b} {
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
}

func TestIPv6(t *testing.T) {
	a := answer(t, ruleA)
	_, l := start(t, server.Options{}, "[::1]:0", server.Policies{Default: a})
	if got := ask(t, l, policy.Request); !bytes.Equal(got, wire(a)) {
		t.Errorf("got %q", got)
	}
}

// TestSwapIsAtomic asks from several clients while the policy is swapped, now
// and then by one that is refused: every answer is one of the two, whole.
func TestSwapIsAtomic(t *testing.T) {
	a, b := answer(t, ruleA), answer(t, strings.Repeat(`<allow-access-from domain="b.example" to-ports="90"/>`, 20))
	_, l := start(t, server.Options{}, "127.0.0.1:0", server.Policies{Default: a})
	const clients, each, wantSwaps = 4, 5000, 1000
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
	a := answer(t, ruleA)
	s, l := start(t, server.Options{Limits: server.Limits{Deadline: time.Minute}}, "127.0.0.1:0", server.Policies{Default: a})
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
}

func TestShutdownIsBounded(t *testing.T) {
	s, l := start(t, server.Options{Limits: server.Limits{Deadline: time.Hour}}, "127.0.0.1:0", server.Policies{Default: answer(t, ruleA)})
	dial(t, l)
	eventually(t, "it is accepted", func() bool { return l.Stats().Accepted == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown beside a silent client: %v", err)
	}
}

func TestNewAnswerRefuses(t *testing.T) {
	for _, doc := range []string{
		"", "<cross-domain-policy>", "\xef\xbb\xbf<cross-domain-policy/>",
		`<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>`,
		`<cross-domain-policy><allow-access-from domain="*.com" to-ports="80"/></cross-domain-policy>`,
		`<cross-domain-policy><site-control permitted-cross-domain-policies="by-content-type"/></cross-domain-policy>`,
	} {
		a, err := server.NewAnswer([]byte(doc))
		if ps := policy.ProblemsOf(err); a != nil || len(ps) == 0 || !ps[0].Pos.IsValid() {
			t.Errorf("%q: %v, %v; want problems with places", doc, a, err)
		}
	}
	if _, err := server.New(server.Options{}).Start(nil, server.Policies{}); !errors.Is(err, server.ErrNoPolicy) {
		t.Errorf("no policy: %v", err)
	}
}

func TestAnswerWarnings(t *testing.T) {
	for _, c := range []struct {
		rules string
		want  string
	}{
		{ruleA, ""},
		{strings.Repeat(ruleA, 25), "TCP segment"},
		{strings.Repeat(ruleA, 90), "Lightspark may stop"},
		{`<allow-access-from domain="a.example" to-ports="9000-9099"/>`, "Unity leaves the last one out"},
		{`<unknown/>`, "no such element"},
	} {
		got := answer(t, c.rules).Warnings().Error()
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%.60s: warnings %q, want one with %q", c.rules, got, c.want)
		}
	}
}

func TestDenyAll(t *testing.T) {
	a := server.DenyAll()
	p := a.Policy()
	if p.Meta != policy.MetaNone || len(p.Rules) != 0 || a.Size() > policy.AdvisedSize || len(a.Digest()) != 64 {
		t.Errorf("%s", a.Document())
	}
	if d := p.Allows(policy.Requestor{Scheme: "http", Host: "a.example"}, 80, policy.MasterPort); d.Allowed || d.Reason != policy.ReasonMeta {
		t.Errorf("%+v", d)
	}
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
