package frontdoor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

// patience bounds every wait of a test; no test needs it to pass.
const patience = 30 * time.Second

// port is the one that clients of these tests are said to see.
const port = 9000

func parse(t testing.TB, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte("<cross-domain-policy>" + rules + "</cross-domain-policy>"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	page    = "https://games.example.com"
	rule    = `<allow-access-from domain="games.example.com" to-ports="9000"/>`
	inBand  = `<allow-access-from domain="games.example.com" to-ports="9000"/>`
	request = policy.Request
)

// open starts a door on loopback.
func open(t testing.TB, o frontdoor.Options) (*frontdoor.Door, string) {
	t.Helper()
	if o.Policy == nil {
		o.Policy = parse(t, rule)
	}
	o.Port = port
	d, err := frontdoor.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Serve(ln); !errors.Is(err, frontdoor.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		d.Close()
		<-done
	})
	return d, ln.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// backend serves each connection with handle and closes it then.
func backend(t testing.TB, handle func(*net.TCPConn)) string {
	t.Helper()
	ln := listen(t)
	var running sync.WaitGroup
	t.Cleanup(func() { ln.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				handle(c.(*net.TCPConn))
			})
		}
	})
	return ln.Addr().String()
}

func echo(c *net.TCPConn) { io.Copy(c, c) }

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func say(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

func hearEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Fatalf("got %q, %v; want the end", got, err)
	}
}

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

func TestPolicyInBand(t *testing.T) {
	calls := make(chan struct{}, 100)
	d, addr := open(t, frontdoor.Options{
		Policy:   parse(t, `<site-control permitted-cross-domain-policies="master-only"/>`+rule+`<allow-access-from domain="*" to-ports="1-8999"/>`),
		Backends: []string{backend(t, func(*net.TCPConn) { calls <- struct{}{} })},
	})
	for _, r := range []string{request, "<policy-file-request/>", "<policy-file-request />\x00", request + "more"} {
		c := dial(t, addr)
		say(t, c, r)
		got, err := io.ReadAll(c)
		if err != nil || !bytes.HasSuffix(got, []byte("</cross-domain-policy>\n\x00")) || !strings.Contains(string(got), inBand) {
			t.Errorf("%q: got %q, %v", r, got, err)
		}
		if strings.Contains(string(got), "site-control") || strings.Contains(string(got), "8999") {
			t.Errorf("the in-band policy says more than it should: %s", got)
		}
	}
	if n := d.Stats().Policies; n != 4 {
		t.Errorf("%d policies counted, want 4", n)
	}
	if len(calls) > 0 {
		t.Error("a whole request reached the backend")
	}
	if err := d.SetPolicy(parse(t, "")); err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr)
	say(t, c, request)
	if got, err := io.ReadAll(c); err != nil || strings.Contains(string(got), "allow-access-from") {
		t.Errorf("after the swap: got %q, %v", got, err)
	}
}

// TestRawReachesTheBackendWhole sends messages that begin as everything that
// the door knows does, alone: each comes back before another byte is sent, so
// none waits for more.
func TestRawReachesTheBackendWhole(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}, TLS: certificate(t), Limits: frontdoor.Limits{Silence: -1}})
	for _, s := range []string{
		"x", "<", "G", "GE", "GET", "\x16", "\x16\x03\x01", "P", "\r", "\x00", "<p", "<policy-file-reques", "<policy-file-request",
		"<policy-file-request ", "<policy-file-request/", "0123456789012345678901", "<123456789012345678901", "<policy-file-nonsense/>",
		"POST / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x02", "<?xml version=\"1.0\"?><auth/>\x00",
		strings.Repeat("<", 100), strings.Repeat("<policy-file-request", 2000),
	} {
		c := dial(t, addr)
		say(t, c, s)
		hear(t, c, s)
		say(t, c, "<policy-file-request/>\x00")
		hear(t, c, "<policy-file-request/>\x00")
		c.CloseWrite()
		hearEnd(t, c)
	}
}

// TestByteByByte sends raw messages, requests and HTTP one byte at a time, the
// next one when the last has come back or reached the backend.
func TestByteByByte(t *testing.T) {
	heard := make(chan byte, 1000)
	var resets sync.WaitGroup
	d, addr := open(t, frontdoor.Options{Limits: frontdoor.Limits{Silence: -1}, Backends: []string{backend(t, func(c *net.TCPConn) {
		resets.Add(1)
		defer resets.Done()
		b := make([]byte, 1)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			heard <- b[0]
		}
	})}})
	for _, s := range []string{"<policy-file-request/>", "GET "} {
		c := dial(t, addr)
		for i := range len(s) {
			say(t, c, s[i:i+1])
			if i < len(s)-1 {
				if b := <-heard; b != s[i] {
					t.Fatalf("the backend heard %q, want %q", b, s[i])
				}
			}
		}
		if s == "GET " {
			say(t, c, "/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			hear(t, c, "HTTP/1.1 404 Not Found\r\n")
		} else if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
	}
	resets.Wait()
	if len(heard) > 0 {
		t.Errorf("the backend heard %d bytes more", len(heard))
	}
	if s := d.Stats(); s.TakenBack != 2 || s.Policies != 1 || s.HTTP != 1 {
		t.Errorf("%+v", s)
	}
}

// TestBackendSpokeFirst holds that nothing is taken from a client that the
// backend has answered.
func TestBackendSpokeFirst(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := dial(t, addr)
	for _, s := range []string{"<", "policy-file-request/>"} {
		say(t, c, s)
		hear(t, c, s)
	}
}

func TestHalfClose(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		got, err := io.ReadAll(c)
		if err == nil {
			c.Write(append(got, " and all"...))
		}
	})}})
	for _, s := range []string{"question", "<"} {
		c := dial(t, addr)
		say(t, c, s)
		c.CloseWrite()
		hear(t, c, s+" and all")
		hearEnd(t, c)
	}
}

// saysBye ends its direction after a word, and tells got what it hears then.
func saysBye(got chan<- string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		c.Write([]byte("bye"))
		c.CloseWrite()
		rest, _ := io.ReadAll(c)
		got <- string(rest)
	}
}

// hearsBye is the client of saysBye.
func hearsBye(t *testing.T, c *net.TCPConn, got <-chan string) {
	t.Helper()
	hear(t, c, "bye")
	hearEnd(t, c)
	say(t, c, "still there")
	c.Close()
	if s := <-got; s != "still there" {
		t.Errorf("the backend read %q after it had closed its direction", s)
	}
}

func TestHalfCloseOfTheBackend(t *testing.T) {
	got := make(chan string, 1)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		saysBye(got)(c)
	})}})
	c := dial(t, addr)
	say(t, c, "x")
	hearsBye(t, c, got)
}

func TestResetIsPassedOn(t *testing.T) {
	fault := make(chan error, 1)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		c.Write([]byte("hello"))
		_, err := io.Copy(io.Discard, c)
		fault <- err
	})}})
	c := dial(t, addr)
	say(t, c, "x")
	hear(t, c, "hello")
	c.SetLinger(0)
	c.Close()
	if err := <-fault; err == nil {
		t.Error("a reset of the client reached the backend as an orderly end")
	}
}

// bulk is how much TestBulk sends: more than any buffer holds.
const bulk = 32 << 20

// sendBulk sends as much both ways at once, to readers that begin late, and
// compares what the echo sends back.
func sendBulk(t *testing.T, c net.Conn) {
	t.Helper()
	sent, got := make([]byte, bulk), make([]byte, bulk)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	go c.Write(sent)
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d bytes of %d, the same: %t, %v", n, bulk, bytes.Equal(got, sent), err)
	}
}

// TestBytesAreCountedAsTheyPass: a session of hours is not silent until its
// end.
func TestBytesAreCountedAsTheyPass(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := dial(t, addr)
	sent := uint64(0)
	for _, s := range []string{"hello", strings.Repeat("a line of a chat\n", 50)} {
		say(t, c, s)
		hear(t, c, s)
		sent += uint64(len(s))
		eventually(t, "they are counted", func() bool { s := d.Stats(); return s.Open == 1 && s.Up == sent && s.Down == sent })
	}
}

func TestBulk(t *testing.T) {
	d, addr := open(t, frontdoor.Options{TLS: certificate(t), Backends: []string{backend(t, echo)}})
	for name, c := range map[string]interface {
		net.Conn
		CloseWrite() error
	}{"plain": dial(t, addr), "TLS": secure(t, addr)} {
		t.Run(name, func(t *testing.T) {
			sendBulk(t, c)
			c.CloseWrite()
			hearEnd(t, c)
		})
	}
	eventually(t, "every byte is counted", func() bool { s := d.Stats(); return s.Up == 2*bulk && s.Down == 2*bulk })
}

func TestServerSpeaksFirst(t *testing.T) {
	greet := backend(t, func(c *net.TCPConn) {
		c.Write([]byte("welcome\n"))
		echo(c)
	})
	d, addr := open(t, frontdoor.Options{ServerFirst: true, Backends: []string{greet}})
	c := dial(t, addr)
	hear(t, c, "welcome\n")
	say(t, c, "<policy-file-request/>")
	hear(t, c, "<policy-file-request/>")
	quiet := dial(t, addr)
	quiet.CloseWrite()
	hear(t, quiet, "welcome\n")
	hearEnd(t, quiet)

	// With all the time to show itself, a request is one.
	_, addr = open(t, frontdoor.Options{ServerFirst: true, Backends: []string{greet}, Limits: frontdoor.Limits{Greeting: patience}})
	c = dial(t, addr)
	say(t, c, request)
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
		t.Errorf("got %q, %v", got, err)
	}
	// Without any, the greeting comes first.
	_, addr = open(t, frontdoor.Options{ServerFirst: true, Backends: []string{greet}, Limits: frontdoor.Limits{Greeting: -1}})
	hear(t, dial(t, addr), "welcome\n")
	if n := d.Stats().Policies; n != 0 {
		t.Errorf("%d policies", n)
	}
}

// TestSilentClientGetsItsBackend: nobody said that the server speaks first.
func TestSilentClientGetsItsBackend(t *testing.T) {
	_, addr := open(t, frontdoor.Options{
		Limits: frontdoor.Limits{Silence: time.Millisecond},
		Backends: []string{backend(t, func(c *net.TCPConn) {
			c.Write([]byte("welcome\n"))
			echo(c)
		})},
	})
	c := dial(t, addr)
	hear(t, c, "welcome\n")
	say(t, c, "x")
	hear(t, c, "x")

	// A backend that waits as well leaves a late request what it is.
	d2, addr := open(t, frontdoor.Options{Limits: frontdoor.Limits{Silence: time.Millisecond}, Backends: []string{backend(t, echo)}})
	c = dial(t, addr)
	eventually(t, "the backend is connected", func() bool { return d2.Stats().Raw == 1 })
	say(t, c, request)
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestIdleAndTotal(t *testing.T) {
	for name, l := range map[string]frontdoor.Limits{
		"idle":  {Idle: 20 * time.Millisecond},
		"total": {Total: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{}, 2)
			d, addr := open(t, frontdoor.Options{Limits: l, Backends: []string{backend(t, func(c *net.TCPConn) {
				io.Copy(c, c)
				ended <- struct{}{}
			})}})
			for _, s := range []string{"x", "<"} {
				c := dial(t, addr)
				say(t, c, s)
				if _, err := io.Copy(io.Discard, c); err == nil {
					t.Error("the session ended in an orderly way")
				}
				<-ended
			}
			eventually(t, "nothing is open", func() bool { return d.Stats().Open == 0 })
		})
	}
}

// TestBusyIsNotIdle keeps one direction busy for many idle periods, while the
// other is silent.
func TestBusyIsNotIdle(t *testing.T) {
	const idle = 700 * time.Millisecond
	_, addr := open(t, frontdoor.Options{Limits: frontdoor.Limits{Idle: idle}, Backends: []string{backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		for end := time.Now().Add(3 * idle); time.Now().Before(end); time.Sleep(idle / 50) {
			if _, err := c.Write([]byte(".")); err != nil {
				return
			}
		}
		c.Write([]byte("!"))
	})}})
	c := dial(t, addr)
	say(t, c, "x")
	got, err := io.ReadAll(c)
	if err != nil || !bytes.HasSuffix(got, []byte("!")) {
		t.Errorf("the session ended after %d bytes: %v", len(got), err)
	}
}

func TestOptionsAreRefusedAtOnce(t *testing.T) {
	_, err := frontdoor.New(frontdoor.Options{Backends: []string{"nowhere"}, SendProxy: 3, Dial: func(context.Context, net.Addr, net.Addr) (net.Conn, error) { return nil, nil }, Limits: frontdoor.Limits{MaxConnections: -1}})
	if !errors.Is(err, frontdoor.ErrNoPolicy) || !errors.Is(err, frontdoor.ErrNoPort) {
		t.Errorf("%v", err)
	}
	for _, part := range []string{`backend "nowhere"`, "version 3", "exclude each other", "at least 1"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestShutdownWaitsForSessions(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := dial(t, addr)
	say(t, c, "x")
	hear(t, c, "x")
	done := make(chan error, 1)
	go func() { done <- d.Shutdown(context.Background()) }()
	eventually(t, "nobody accepts any more", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	say(t, c, "still")
	hear(t, c, "still")
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
