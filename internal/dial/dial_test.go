package dial

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := l.Addr().(*net.TCPAddr).AddrPort()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		addr    netip.AddrPort
		timeout time.Duration
		want    Outcome
	}{
		{"a listener", t.Context(), open, 10 * time.Second, Established},
		{"nobody", t.Context(), netip.MustParseAddrPort("127.9.6.1:843"), 10 * time.Second, Refused},
		{"no time", t.Context(), open, 0, Dropped},
		{"cancelled", cancelled, open, 10 * time.Second, Cancelled},
		{"multicast", t.Context(), netip.MustParseAddrPort("224.0.0.1:843"), 10 * time.Second, Unreachable},
	} {
		r := Connect(c.ctx, c.addr, c.timeout)
		if r.Outcome != c.want || (r.Conn != nil) != (c.want == Established) || (r.Err == nil) != (c.want == Established) || r.ICMP != nil {
			t.Errorf("%s: %s %v, want %s", c.name, r.Outcome, r.Err, c.want)
		}
		if r.Conn != nil {
			r.Conn.Close()
		}
	}
}

func TestOutcomeNames(t *testing.T) {
	for o := Established; o <= Reset; o++ {
		text, err := o.MarshalText()
		var back Outcome
		if err != nil || back.UnmarshalText(text) != nil || back != o {
			t.Errorf("%d is written %q and read as %d", o, text, back)
		}
	}
	var o Outcome
	if o.UnmarshalText([]byte("nonsense")) == nil {
		t.Error("nonsense is an outcome")
	}
}

// TestICMP: who said it decides between a firewall and a router.
func TestICMP(t *testing.T) {
	target, router := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.254")
	target6, router6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::fe")
	for _, c := range []struct {
		icmp   ICMP
		target netip.Addr
		want   Outcome
	}{
		{ICMP{3, 1, router}, target, Unreachable},
		{ICMP{3, 1, target}, target, Rejected},
		{ICMP{3, 3, router}, target, Rejected},
		{ICMP{3, 13, router}, target, Rejected},
		{ICMP{11, 0, router}, target, Unreachable},
		{ICMP{1, 0, router6}, target6, Unreachable},
		{ICMP{1, 1, router6}, target6, Rejected},
		{ICMP{1, 3, target6}, target6, Rejected},
		{ICMP{3, 0, router6}, target6, Unreachable},
	} {
		if got := c.icmp.outcome(c.target); got != c.want {
			t.Errorf("%+v for %s: %s, want %s", c.icmp, c.target, got, c.want)
		}
	}
}
