package player

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// TestFetchEvidence looks at what an observation keeps.
func TestFetchEvidence(t *testing.T) {
	const text = "<cross-domain-policy></cross-domain-policy>"
	for _, x := range []struct {
		name   string
		serve  func(net.Conn)
		want   Outcome
		data   string
		nul    bool
		closed bool
	}{
		{name: "a policy", serve: policyServer(text), want: OutcomePolicy, data: text, nul: true},
		{name: "bytes behind the NUL", serve: policyServer(text + "\x00more"), want: OutcomePolicy, data: text, nul: true},
		{name: "no NUL", serve: greet(text), want: OutcomeNoNUL, data: text, closed: true},
		{name: "half a policy", serve: greet(text[:30]), want: OutcomeNoNUL, data: text[:30], closed: true},
		{name: "a banner", serve: greet("220 mail\r\n"), want: OutcomeForeign, data: "220 mail\r\n", closed: true},
		{name: "UTF-16", serve: greet("<\x00c\x00"), want: OutcomeForeign, data: "<", nul: true},
		{name: "another root", serve: greet("<cross-domain-policys/>\x00"), want: OutcomeForeign, data: "<cross-domain-policys/>", nul: true},
		{name: "an HTML page", serve: greet("\r\n<!DOCTYPE HTML><p>"), want: OutcomeHTTP, data: "\r\n<!DOCTYPE HTML><p>"},
		{name: "a TLS alert", serve: greet("\x15\x03\x01\x00\x02\x02\x46"), want: OutcomeTLS, data: "\x15\x03\x01", nul: true}, // the record has a 0 in it
		{name: "exactly the bound", serve: greet(strings.Repeat(" ", MaxRead-1) + "<\x00"), want: OutcomeForeign, data: strings.Repeat(" ", MaxRead-1) + "<", nul: true},
		{name: "over the bound", serve: greet(strings.Repeat("x", MaxRead+1)), want: OutcomeOversize, data: strings.Repeat("x", MaxRead)},
		{name: "closed", serve: greet(""), want: OutcomeClosed, closed: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			serve := func(c net.Conn) {
				x.serve(c)
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c) // an RST would destroy what was sent
			}
			l := SocketLocation("127.0.0.1", need.Serve(t, "127.0.0.1:0", serve))
			n := Network{Patience: time.Minute}
			o := n.Fetch(t.Context(), Query{Location: l, Addr: netip.MustParseAddr("127.0.0.1"), Request: policy.Request, TLS: true})
			if o.Outcome != x.want || string(o.Data) != x.data || o.NUL != x.nul || o.Closed != x.closed {
				t.Errorf("%s, %d bytes %.40q, NUL %t, closed %t, want %s, %d bytes %.40q, NUL %t, closed %t", o.Outcome, len(o.Data), o.Data, o.NUL, o.Closed, x.want, len(x.data), x.data, x.nul, x.closed)
			}
			if o.Connected == 0 || o.Done < o.Connected || len(x.data) > 0 && (o.FirstByte < o.Connected || o.LastByte < o.FirstByte) {
				t.Errorf("times: %v, %v, %v, %v", o.Connected, o.FirstByte, o.LastByte, o.Done)
			}
		})
	}
}

// TestFetchRequest looks at what is sent: 23 bytes, or 22 for Silverlight.
func TestFetchRequest(t *testing.T) {
	for _, p := range []*Profile{Flash(), ProfileNamed("silverlight")} {
		sent := make(chan string, 1)
		port := need.Serve(t, "127.0.0.1:0", func(c net.Conn) {
			b := make([]byte, 64)
			n, _ := io.ReadAtLeast(c, b, 22)
			sent <- string(b[:n])
		})
		n := Network{Patience: time.Minute}
		n.Fetch(t.Context(), Query{Location: SocketLocation("127.0.0.1", port), Addr: netip.MustParseAddr("127.0.0.1"), Request: p.Request})
		if got := <-sent; got != p.Request || len(got) != map[string]int{"flash": 23, "silverlight": 22}[p.Name] {
			t.Errorf("%s sends %q", p.Name, got)
		}
	}
}

func TestFetchCancelled(t *testing.T) {
	port, ctx := cancelledOnceAsked(t)
	n := Network{Patience: time.Hour}
	if o := n.Fetch(ctx, Query{Location: SocketLocation("127.0.0.1", port), Addr: netip.MustParseAddr("127.0.0.1"), Request: policy.Request}); o.Outcome != OutcomeCancelled {
		t.Errorf("%s, want cancelled", o.Outcome)
	}
}

func TestLookup(t *testing.T) {
	n := &Network{Resolver: addresses{"127.0.0.1", "::ffff:127.0.0.1", "::1"}}
	got, err := n.Lookup(t.Context(), "h")
	if err != nil || len(got) != 2 || got[0].String() != "127.0.0.1" || got[1].String() != "::1" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err = n.Lookup(t.Context(), "::ffff:192.0.2.1"); err != nil || len(got) != 1 || got[0].String() != "192.0.2.1" {
		t.Errorf("a literal: %v, %v", got, err)
	}
	many := make(addresses, 100)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}).String()
	}
	if got, _ = (&Network{Resolver: many}).Lookup(t.Context(), "h"); len(got) != MaxAddresses {
		t.Errorf("%d addresses, want %d", len(got), MaxAddresses)
	}
	if _, err = (&Network{Resolver: addresses{}}).Lookup(t.Context(), "h"); err == nil {
		t.Error("no address, and no error")
	}
}

// TestMemo asks once, however many want to know.
func TestMemo(t *testing.T) {
	var asked atomic.Int32
	port := need.Serve(t, "127.0.0.1:0", func(c net.Conn) { asked.Add(1); policyServer(allow(9999))(c) })
	m := &Memo{Fetcher: &Network{}}
	var wg sync.WaitGroup
	for _, p := range []*Profile{withMaster(port), withMaster(port), withMaster(port)} {
		wg.Go(func() {
			v := Decide(t.Context(), m, Question{From: fromExample, Target: SocketTarget("127.0.0.1", 9999), Client: p})
			if v.Answer != Permitted {
				t.Errorf("%s: %s", v.Answer, v.Because)
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
}
