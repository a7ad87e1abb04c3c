package frontdoor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dialWS opens a WebSocket as a page of that origin does.
func dialWS(t testing.TB, addr, origin string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	ws, res, err := websocket.Dial(bounded(t), "ws://"+addr, &websocket.DialOptions{HTTPHeader: h})
	if err == nil {
		ws.SetReadLimit(-1)
		t.Cleanup(func() { ws.CloseNow() })
	}
	return ws, res, err
}

func sendBinary(t testing.TB, ws *websocket.Conn, s string) {
	t.Helper()
	if err := ws.Write(bounded(t), websocket.MessageBinary, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

// readBinary reads n bytes, however they are cut.
func readBinary(t testing.TB, ws *websocket.Conn, n int) string {
	t.Helper()
	var got bytes.Buffer
	for got.Len() < n {
		kind, b, err := ws.Read(bounded(t))
		if err != nil || kind != websocket.MessageBinary {
			t.Fatalf("after %d of %d bytes: %v, %v", got.Len(), n, kind, err)
		}
		got.Write(b)
	}
	return got.String()
}

func TestGatewayCarriesBytes(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"x", "<policy-file-request/>\x00", "a\x00b\x00", strings.Repeat("0123456789", 10_000), strings.Repeat("z", 3<<20)} {
		go ws.Write(bounded(t), websocket.MessageBinary, []byte(s))
		if got := readBinary(t, ws, len(s)); got != s {
			t.Errorf("%.20q…: got %d bytes, not the same", s, len(got))
		}
	}
	eventually(t, "the bytes are counted", func() bool { s := d.Stats(); return s.Open == 1 && s.Up > 3<<20 && s.Up == s.Down })
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	eventually(t, "and the session is over", func() bool { return d.Stats().Open == 0 })
}

// TestGatewayStreams: a message that is not whole yet reaches the backend.
func TestGatewayStreams(t *testing.T) {
	heard := make(chan int, 1000)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		b := make([]byte, 64<<10)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			heard <- n
		}
	})}})
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ws.Writer(bounded(t), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	const half = 256 << 10
	w.Write(make([]byte, half))
	// The client keeps what fills no buffer of its own, and the gateway hands
	// on a buffer at a time.
	for n := 0; n < half-(64<<10); n += <-heard {
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGatewayJudgesTheOrigin(t *testing.T) {
	list, err := frontdoor.ParseOrigin("https://*.play.example:8443")
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, rule+`<allow-access-from domain="other.example" to-ports="9001"/><allow-access-from domain="*.secure.example" to-ports="*" secure="true"/>`)
	var events []frontdoor.Event
	d, addr := open(t, frontdoor.Options{Policy: p, Origins: []frontdoor.Origin{list}, Backends: []string{backend(t, echo)}, Notify: func(e frontdoor.Event) { events = append(events, e) }})
	refused := 0
	for _, c := range []struct {
		origin string
		ok     bool
	}{
		{page, true},
		{"http://games.example.com", true}, // the rule is not for HTTPS only
		{"https://games.example.com:8443", true},
		{"https://GAMES.example.com", true},
		{"", false},
		{"null", false},
		{"https://example.com", false},
		{"https://games.example.com.evil.test", false},
		{"https://evilgames.example.com", false},
		{"https://other.example", false}, // granted another port
		{"https://a.secure.example", true},
		{"http://a.secure.example", false},
		{"https://a.play.example:8443", true},
		{"https://a.play.example", false},
		{"http://a.play.example:8443", false},
		{"https://games.example.com/path", false},
		{"https://u@games.example.com", false},
		{"games.example.com", false},
		{"https://games.example.com, https://evil.test", false},
	} {
		ws, res, err := dialWS(t, addr, c.origin)
		if (err == nil) != c.ok {
			t.Errorf("%q: let in is %t, want %t (%v)", c.origin, err == nil, c.ok, err)
		}
		if err == nil {
			ws.CloseNow()
			continue
		}
		refused++
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusForbidden || len(body) < 20 {
			t.Errorf("%q: %d %q", c.origin, res.StatusCode, body)
		}
	}
	if n := d.Stats().Origins; int(n) != refused || refused == 0 {
		t.Errorf("%d refusals counted, want %d", n, refused)
	}
	d.SetPolicy(parse(t, `<site-control permitted-cross-domain-policies="none"/>`+rule))
	if _, res, err := dialWS(t, addr, page); err == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("under a policy that permits nothing: %v", err)
	}
	if err := d.SetPolicy(parse(t, `<allow-access-from domain="*" to-ports="*"/>`)); err != nil {
		t.Fatal(err)
	}
	if ws, _, err := dialWS(t, addr, "null"); err != nil {
		t.Errorf("a policy for everyone is for files too: %v", err)
	} else {
		ws.CloseNow()
	}
}

func TestGatewayTwoOrigins(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := dial(t, addr)
	say(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: "+page+"\r\nOrigin: https://evil.test\r\n\r\n")
	hear(t, c, "HTTP/1.1 403 ")
}

func TestGatewayWithoutBackend(t *testing.T) {
	gone := listen(t)
	gone.Close()
	_, addr := open(t, frontdoor.Options{Backends: []string{gone.Addr().String()}})
	_, res, err := dialWS(t, addr, page)
	if err == nil || res.StatusCode != http.StatusBadGateway {
		t.Fatalf("%v, %v; want 502", res, err)
	}
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "127.0.0.1") {
		t.Errorf("the page is told of the inside: %q", body)
	}
}

func TestGatewayUpstreamEndDrains(t *testing.T) {
	const size = 1 << 20
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		c.Write(make([]byte, size))
	})}})
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "x")
	readBinary(t, ws, size)
	if _, _, err := ws.Read(bounded(t)); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("it ends with %v, want 1000", err)
	}
}

func TestGatewayClientEndReachesTheBackend(t *testing.T) {
	got := make(chan string, 1)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		c.Write([]byte("unread, and more to come"))
		b, err := io.ReadAll(c)
		if err != nil {
			b = append(b, err.Error()...)
		}
		got <- string(b)
	})}})
	for name, end := range map[string]func(*websocket.Conn){
		"a close without a code": func(ws *websocket.Conn) { ws.Close(websocket.StatusNoStatusRcvd, "") },
		"a close with 1001":      func(ws *websocket.Conn) { ws.Close(websocket.StatusGoingAway, "") },
		"the connection's end":   func(ws *websocket.Conn) { ws.CloseNow() },
	} {
		ws, _, err := dialWS(t, addr, page)
		if err != nil {
			t.Fatal(err)
		}
		sendBinary(t, ws, "the last words")
		readBinary(t, ws, 1)
		end(ws)
		if s := <-got; s != "the last words" {
			t.Errorf("%s: the backend read %q", name, s)
		}
	}
}

// TestGatewayAnswersAnEmptyCloseEmpty: Ruffle's close has no code, and a code
// in the answer would be one it never asked for.
func TestGatewayAnswersAnEmptyCloseEmpty(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := upgrade(t, addr, "Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
		"\x82\x81\x00\x00\x00\x00x") // and a frame in the same segment
	hear(t, c, "\x82\x01x")
	say(t, c, "\x88\x80\x00\x00\x00\x00")
	hear(t, c, "\x88\x00")
	hearEnd(t, c)
}

func TestGatewayRefusesText(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	ws.Write(bounded(t), websocket.MessageText, []byte("text"))
	if _, _, err := ws.Read(bounded(t)); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Errorf("a text frame ends with %v, want 1003", err)
	}
}

func TestGatewayPings(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}, Limits: frontdoor.Limits{Ping: 10 * time.Millisecond}})
	pinged := make(chan struct{}, 1000)
	h := http.Header{"Origin": {page}}
	ws, _, err := websocket.Dial(bounded(t), "ws://"+addr, &websocket.DialOptions{HTTPHeader: h, OnPingReceived: func(context.Context, []byte) bool {
		select {
		case pinged <- struct{}{}:
		default:
		}
		return true
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	go ws.Read(bounded(t))
	for range 3 {
		<-pinged
	}
	// One that does not answer is ended.
	dead, _, err := dialWS(t, addr, page) // nobody reads it, so nobody answers
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead one is gone", func() bool { return d.Stats().Open == 1 })
	dead.CloseNow()
}

func TestGatewayIdle(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}, Limits: frontdoor.Limits{Ping: 5 * time.Millisecond, Idle: 20 * time.Millisecond}})
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.Read(bounded(t)); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("an idle session ends with %v, want 1001", err)
	}
}

// TestGatewayOfItsOwn is the gateway in somebody's HTTP server.
func TestGatewayOfItsOwn(t *testing.T) {
	inForce := parse(t, rule)
	target := backend(t, echo)
	g, err := frontdoor.NewGateway(frontdoor.GatewayOptions{
		Policy: func() *policy.Policy { return inForce }, Port: port,
		Dial: func(ctx context.Context, client, local net.Addr) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", target)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	sendBinary(t, ws, "hello")
	readBinary(t, ws, 5)
	go g.Close()
	if _, _, err := ws.Read(bounded(t)); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closing the gateway ends a session with %v, want 1001", err)
	}
	if _, _, err := dialWS(t, addr, "https://evil.test"); err == nil {
		t.Error("another page is let in")
	}
	if _, err := frontdoor.NewGateway(frontdoor.GatewayOptions{}); !errors.Is(err, frontdoor.ErrNoPolicy) || !errors.Is(err, frontdoor.ErrNoPort) {
		t.Errorf("without anything: %v", err)
	}
}

func TestOtherRequests(t *testing.T) {
	d, addr := open(t, frontdoor.Options{
		Backends: []string{backend(t, echo)},
		HTTP:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) }),
	})
	for range 2 { // over one connection that is kept
		res, err := http.Get("http://" + addr + "/crossdomain.xml")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "page /crossdomain.xml" {
			t.Errorf("%q", body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if n := d.Stats().HTTP; n != 2 {
		t.Errorf("%d requests counted", n)
	}
}
