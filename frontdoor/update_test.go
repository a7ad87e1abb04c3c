package frontdoor_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/port843/port843/frontdoor"
)

// named is a game that says who it is, once to each line.
func named(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		for b := make([]byte, 1); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
			io.WriteString(c, name)
		}
	}
}

// TestUpdate: everything that New takes is swapped under connections, which go
// on with what they began with.
func TestUpdate(t *testing.T) {
	one, two := backend(t, named("one")), backend(t, named("two"))
	o := frontdoor.Options{Policy: parse(t, rule), Port: port, Backends: []string{one}}
	d, addr := open(t, o)
	raw := dial(t, addr)
	say(t, raw, ".")
	hear(t, raw, "one")
	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	goOn := func() {
		t.Helper()
		say(t, raw, ".")
		hear(t, raw, "one")
		sendBinary(t, ws, ".")
		if got := readBinary(t, ws, 3); got != "one" {
			t.Fatalf("the WebSocket goes on with %q", got)
		}
	}
	goOn()

	friend, err := frontdoor.ParseOrigin("https://friend.example")
	if err != nil {
		t.Fatal(err)
	}
	o.Backends, o.Policy, o.Origins = []string{two, one}, parse(t, `<allow-access-from domain="other.example" to-ports="9000"/>`), []frontdoor.Origin{friend}
	o.HTTP = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "files") })
	o.TLS = certificate(t)
	o.Limits.MaxPerAddress = 5
	if err := d.Update(o); err != nil {
		t.Fatal(err)
	}
	goOn()
	for origin, want := range map[string]bool{page: false, "https://other.example": true, "https://friend.example": true} {
		if ws, _, err := dialWS(t, addr, origin); (err == nil) != want {
			t.Errorf("%s: %v", origin, err)
		} else if want {
			sendBinary(t, ws, ".")
			if got := readBinary(t, ws, 3); got != "two" {
				t.Errorf("%s reaches %q", origin, got)
			}
			ws.CloseNow()
		}
	}
	if res, body := fetch(t, addr, "/"); res.StatusCode != 200 || body != "files" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	c := secure(t, addr)
	say(t, c, ".")
	hear(t, c, "two")
	if l := d.Limits(); l.MaxPerAddress != 5 {
		t.Errorf("%+v", l)
	}

	before := d.Stats()
	bad := o
	bad.Policy, bad.Backends = nil, []string{"nowhere"}
	if err := d.Update(bad); err == nil {
		t.Error("mistakes are taken")
	}
	if err := d.SetPolicy(nil); err == nil {
		t.Error("no policy is taken")
	}
	if s := d.Stats(); len(s.Backends) != 2 || s.Backends[0].Address != two || s.Accepted != before.Accepted {
		t.Errorf("after mistakes: %+v", s)
	}
	goOn()
}

// TestUpdateKeepsWhatIsKnownOfBackends: one that is down stays down, and is
// looked after.
func TestUpdateKeepsWhatIsKnownOfBackends(t *testing.T) {
	gone := listen(t)
	gone.Close()
	o := frontdoor.Options{Policy: parse(t, rule), Port: port, Backends: []string{gone.Addr().String(), backend(t, echo)}}
	d, addr := open(t, o)
	c := dial(t, addr)
	say(t, c, "x")
	hear(t, c, "x")
	o.Backends = append([]string{backend(t, echo)}, o.Backends...)
	if err := d.Update(o); err != nil {
		t.Fatal(err)
	}
	s := d.Stats().Backends
	if len(s) != 3 || !s[0].Up || s[1].Up || s[1].Failed == 0 || s[1].Error == "" {
		t.Fatalf("%+v", s)
	}
	ln, err := net.Listen("tcp", gone.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	eventually(t, "it is seen to be up again", func() bool { return d.Stats().Backends[1].Up })
}

// TestUpdateUnderLoad: no connection is lost while options change all the time.
func TestUpdateUnderLoad(t *testing.T) {
	one, two := backend(t, echo), backend(t, echo)
	o := frontdoor.Options{Policy: parse(t, rule), Port: port, Backends: []string{one}}
	d, addr := open(t, o)
	var stop atomic.Bool
	var changing sync.WaitGroup
	changes := 0
	changing.Go(func() {
		for !stop.Load() {
			for _, b := range [][]string{{two}, {one, two}, {one}} {
				o.Backends = b
				if err := d.Update(o); err != nil {
					t.Error(err)
				}
				changes++
			}
		}
	})
	var visits sync.WaitGroup
	for range 4 {
		visits.Go(func() {
			for range 100 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, "hello")
				got := make([]byte, 5)
				if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
					t.Errorf("%q, %v", got, err)
				}
				c.Close()
			}
		})
	}
	visits.Wait()
	stop.Store(true)
	changing.Wait()
	if changes < 3 {
		t.Errorf("%d changes", changes)
	}
}
