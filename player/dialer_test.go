package player

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

var fromExample = policy.Requestor{Scheme: "http", Host: "www.example.com"}

// policyServer answers one request with the text and a NUL.
func policyServer(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(policy.Request))); err == nil {
			io.WriteString(c, text+"\x00")
		}
	}
}

// greet says who it is.
func greet(text string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, text) } }

// withMaster is Flash Player with its master policies on another port.
func withMaster(port uint16) *Profile {
	p := Flash()
	p.MasterPort = port
	return p
}

func allow(port uint16) string {
	return `<cross-domain-policy><site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="www.example.com" to-ports="` +
		strconv.Itoa(int(port)) + `"/></cross-domain-policy>`
}

// rebinding gives another address at each look-up.
type rebinding struct{ asked atomic.Int32 }

func (r *rebinding) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := byte(r.asked.Add(1))
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1 + n})}, nil
}

func TestDialerDialsTheAddressItAsked(t *testing.T) {
	app := need.Serve(t, "127.0.0.2:0", greet("the address that was asked"))
	need.Serve(t, net.JoinHostPort("127.0.0.3", strconv.Itoa(int(app))), greet("the address of the next look-up"))
	master := need.Serve(t, "127.0.0.2:0", policyServer(allow(app)))
	r := &rebinding{}
	d := Dialer{From: fromExample, Client: withMaster(master), Fetcher: &Network{Resolver: r}}
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("game.example.net", strconv.Itoa(int(app))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "the address that was asked" {
		t.Errorf("read %q, %v", got, err)
	}
	if n := r.asked.Load(); n != 1 {
		t.Errorf("the name was looked up %d times, want 1", n)
	}
}

func TestDialerRefuses(t *testing.T) {
	var reached atomic.Bool
	app := need.Serve(t, "127.0.0.1:0", func(net.Conn) { reached.Store(true) })
	master := need.Serve(t, "127.0.0.1:0", policyServer(allow(app)))
	d := Dialer{From: policy.Requestor{Scheme: "http", Host: "elsewhere.example.org"}, Client: withMaster(master)}
	_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(app))))
	var denied *DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("%v, want a DeniedError", err)
	}
	if v := denied.Verdict; v.Answer != Denied || v.Reason != ReasonMasterOnly || v.Rule == nil || v.Miss != policy.MissHost {
		t.Errorf("verdict %s (%s), rule %v, miss %d", v.Answer, v.Reason, v.Rule, v.Miss)
	}
	if reached.Load() {
		t.Error("the application was connected to")
	}
}

// TestDialerByAddress takes the address whose own policy permits.
func TestDialerByAddress(t *testing.T) {
	app := need.Serve(t, "127.0.0.5:0", greet("permitted"))
	need.Serve(t, net.JoinHostPort("127.0.0.4", strconv.Itoa(int(app))), greet("denied"))
	master := need.Serve(t, "127.0.0.5:0", policyServer(allow(app)))
	need.Serve(t, net.JoinHostPort("127.0.0.4", strconv.Itoa(int(master))), policyServer(`<cross-domain-policy><site-control permitted-cross-domain-policies="none"/></cross-domain-policy>`))
	d := Dialer{From: fromExample, Client: withMaster(master), Fetcher: &Network{Resolver: addresses{"127.0.0.4", "127.0.0.5"}}}
	conn, err := d.DialContext(t.Context(), "tcp4", net.JoinHostPort("game.example.net", strconv.Itoa(int(app))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, _ := io.ReadAll(conn); string(got) != "permitted" {
		t.Errorf("read %q", got)
	}
	if _, err := d.DialContext(t.Context(), "tcp6", net.JoinHostPort("game.example.net", "9")); err == nil {
		t.Error("tcp6 without an IPv6 address connected")
	}
}

// addresses is a resolver that knows one list.
type addresses []string

func (a addresses) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	out := make([]netip.Addr, len(a))
	for i, s := range a {
		out[i] = netip.MustParseAddr(s)
	}
	return out, nil
}

// cancelledOnceAsked starts a server that is silent, and returns its port and
// a context that ends when it has been asked.
func cancelledOnceAsked(t *testing.T) (uint16, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	return need.Serve(t, "127.0.0.1:0", func(c net.Conn) {
		io.ReadFull(c, make([]byte, len(policy.Request)))
		cancel()
		io.Copy(io.Discard, c)
	}), ctx
}

func TestDialerCancel(t *testing.T) {
	master, ctx := cancelledOnceAsked(t)
	d := Dialer{From: fromExample, Client: withMaster(master), Fetcher: &Network{Patience: time.Hour}}
	_, err := d.DialContext(ctx, "tcp", "127.0.0.1:9")
	var denied *DeniedError
	if !errors.As(err, &denied) || denied.Verdict.Reason != ReasonCancelled {
		t.Errorf("%v, want a verdict that was cancelled", err)
	}
}

func TestDialerWrongUse(t *testing.T) {
	d := Dialer{From: fromExample}
	for _, x := range [][2]string{{"udp", "127.0.0.1:9"}, {"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:0"}, {"tcp", "127.0.0.1:http"}, {"tcp", "a b:9"}} {
		conn, err := d.DialContext(t.Context(), x[0], x[1])
		var op *net.OpError
		if conn != nil || !errors.As(err, &op) {
			t.Errorf("%v: %v, want a net.OpError", x, err)
		}
	}
}
