package frontdoor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/port843/port843/frontdoor"
)

// certificate makes a certificate for the test.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"games.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func secure(t testing.TB, addr string) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	d, addr := open(t, frontdoor.Options{TLS: certificate(t), Backends: []string{backend(t, echo)}})
	c := secure(t, addr)
	say(t, c, request)
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
		t.Errorf("the policy inside TLS: got %q, %v", got, err)
	}
	for _, s := range []string{"raw", "<", "\x16\x03\x01\x00\x05\x01"} {
		c = secure(t, addr)
		say(t, c, s)
		hear(t, c, s)
		c.CloseWrite()
		hearEnd(t, c)
	}
	c = secure(t, addr)
	say(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	hear(t, c, "HTTP/1.1 404 Not Found\r\n")
	c.Close()
	if n := d.Stats().TLS; n != 5 {
		t.Errorf("%d handshakes counted, want 5", n)
	}
	bad := dial(t, addr)
	say(t, bad, "\x16\x03\x01\x00\x05\x01garbage and more")
	io.Copy(io.Discard, bad)
	eventually(t, "a broken hello ends", func() bool { return d.Stats().Open <= 1 })
}

func TestWithoutTLSAHelloIsRaw(t *testing.T) {
	_, addr := open(t, frontdoor.Options{RawOnly: true, Backends: []string{backend(t, echo)}})
	for _, s := range []string{"\x16\x03\x01\x00\x05\x01hello", "GET LAMP\r\n"} {
		c := dial(t, addr)
		say(t, c, s)
		hear(t, c, s)
	}
}

func TestProxyHeader(t *testing.T) {
	seen := make(chan string, 1)
	behind := backend(t, func(c *net.TCPConn) {
		b := make([]byte, 256)
		n, _ := c.Read(b)
		seen <- string(b[:n])
	})
	var mu sync.Mutex
	var events []frontdoor.Event
	d, addr := open(t, frontdoor.Options{
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, SendProxy: 1, Backends: []string{behind},
		Notify: func(e frontdoor.Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) },
	})
	const v1 = "PROXY TCP4 192.0.2.7 192.0.2.1 51234 9000\r\n"
	c := dial(t, addr)
	say(t, c, v1+"hello")
	if got := <-seen; !strings.HasPrefix(got, v1) {
		t.Errorf("the backend read %q", got)
	}

	h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 5}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 9000})
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	c = dial(t, addr)
	say(t, c, string(b)+request)
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
		t.Errorf("a request behind a header: got %q, %v", got, err)
	}

	c = dial(t, addr)
	say(t, c, request)
	if got, _ := io.ReadAll(c); len(got) > 0 {
		t.Errorf("without the header it is answered %q", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(events, func(e frontdoor.Event) bool { return e.Kind == frontdoor.EventProxy && e.Err != nil }) {
		t.Errorf("%+v", events)
	}
	if d.Stats().Policies != 1 {
		t.Errorf("%+v", d.Stats())
	}
}

// TestProxyHeaderOfStrangersIsRaw: whoever is not trusted reaches the backend
// with what he says, as any raw client.
func TestProxyHeaderOfStrangersIsRaw(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := dial(t, addr)
	const s = "PROXY TCP4 192.0.2.7 192.0.2.1 51234 9000\r\n" + request
	say(t, c, s)
	hear(t, c, s)
}

func TestRoomIsMadeByTheUnsettled(t *testing.T) {
	for name, l := range map[string]frontdoor.Limits{
		"in all":      {MaxConnections: 2, Silence: -1},
		"per address": {MaxPerAddress: 2, Silence: -1},
	} {
		t.Run(name, func(t *testing.T) {
			d, addr := open(t, frontdoor.Options{Limits: l, Backends: []string{backend(t, echo)}})
			session, silent := dial(t, addr), dial(t, addr)
			say(t, session, "x")
			hear(t, session, "x")
			eventually(t, "both are accepted", func() bool { return d.Stats().Accepted == 2 })
			newcomer := dial(t, addr)
			say(t, newcomer, "y")
			hear(t, newcomer, "y")
			if got, err := io.ReadAll(silent); len(got) > 0 {
				t.Errorf("the silent one read %q, %v", got, err)
			}
			if refused, err := net.Dial("tcp", addr); err == nil { // or the reset came before
				if n, err := refused.Read(make([]byte, 1)); err == nil {
					t.Errorf("a third session read %d bytes", n)
				}
				refused.Close()
			}
			say(t, session, "z")
			hear(t, session, "z")
			if s := d.Stats(); s.Displaced != 1 || s.Refused != 1 {
				t.Errorf("displaced %d, refused %d; want 1 and 1", s.Displaced, s.Refused)
			}
		})
	}
}

func TestFailover(t *testing.T) {
	first := listen(t)
	serve := func(ln net.Listener, name string) {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Write([]byte(name))
			c.Close()
		}
	}
	go serve(first, "first")
	second := backend(t, func(c *net.TCPConn) { c.Write([]byte("second")) })
	d, addr := open(t, frontdoor.Options{ServerFirst: true, Limits: frontdoor.Limits{Greeting: -1}, Backends: []string{first.Addr().String(), second}})
	ask := func() string {
		got, _ := io.ReadAll(dial(t, addr))
		return string(got)
	}
	if got := ask(); got != "first" {
		t.Errorf("with both up: %q", got)
	}
	first.Close()
	for range 3 {
		if got := ask(); got != "second" {
			t.Errorf("with the first down: %q", got)
		}
	}
	if s := d.Stats().Backends; s[0].Up || s[0].Failed != 1 || s[0].Error == "" || !s[1].Up {
		t.Errorf("one that is down is left out, and says why: %+v", s)
	}
	again, err := net.Listen("tcp", first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	go serve(again, "first")
	eventually(t, "the first is back", func() bool { return d.Stats().Backends[0].Up })
	eventually(t, "it serves again", func() bool { return ask() == "first" })
}

// TestWithoutBackend: raw clients read a reset, as from a closed port, and
// requests are answered.
func TestWithoutBackend(t *testing.T) {
	gone := listen(t)
	gone.Close()
	d, addr := open(t, frontdoor.Options{Backends: []string{gone.Addr().String()}})
	c := dial(t, addr)
	say(t, c, "x")
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a raw client without a backend reads an orderly end")
	}
	for _, cut := range []int{len(request), 5} {
		c = dial(t, addr)
		say(t, c, request[:cut])
		if cut < len(request) {
			before := d.Stats().NoBackend
			eventually(t, "the backend was tried", func() bool { return d.Stats().NoBackend >= before })
			say(t, c, request[cut:])
		}
		if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
			t.Errorf("cut at %d: got %q, %v", cut, got, err)
		}
	}
	if d.Stats().NoBackend < 1 {
		t.Errorf("%+v", d.Stats())
	}
}

// TestAccept is a game server with the door in place of its listener.
func TestAccept(t *testing.T) {
	d, addr := open(t, frontdoor.Options{})
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	for _, s := range []string{"raw", "<", "<policy-file-r"} {
		c := dial(t, addr)
		say(t, c, s)
		hear(t, c, s)
		say(t, c, "equest")
		hear(t, c, "equest")
		c.CloseWrite()
		hearEnd(t, c)
	}
	c := dial(t, addr)
	say(t, c, request)
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), inBand) {
		t.Errorf("got %q, %v", got, err)
	}
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "through")
	if got := readBinary(t, ws, len("through")); got != "through" {
		t.Errorf("through the gateway: %q", got)
	}
}
