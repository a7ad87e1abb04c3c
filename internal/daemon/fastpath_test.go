package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// TestFastDoors compares the doors with what the sockets would answer.
func TestFastDoors(t *testing.T) {
	addr := netip.MustParseAddr
	var locals []xdp.Local
	for _, a := range []string{"10.0.0.1", "10.0.0.2", "fd00::1"} {
		locals = append(locals, xdp.Local{Addr: addr(a)})
	}
	own := server.DenyAll()
	listener := func(address string, only6 bool) *fastListener {
		return &fastListener{address: netip.MustParseAddrPort(address), onlyIPv6: only6, policies: server.Policies{Default: own}, fresh: time.Now()}
	}
	stale := listener("[::]:845", false)
	stale.fresh = time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name      string
		listeners []*fastListener
		cookies   error
		want      []string
	}{
		{"every address", []*fastListener{listener("[::]:843", false)}, nil, []string{"10.0.0.1:843 0", "10.0.0.2:843 0", "[fd00::1]:843 0"}},
		{"IPv6 alone", []*fastListener{listener("[::]:843", true)}, nil, []string{"[fd00::1]:843 0"}},
		{"IPv4 alone", []*fastListener{listener("0.0.0.0:843", false)}, nil, []string{"10.0.0.1:843 0", "10.0.0.2:843 0"}},
		{"one address before all", []*fastListener{listener("[::]:843", false), listener("10.0.0.2:843", false)}, nil, []string{"10.0.0.1:843 0", "[fd00::1]:843 0", "10.0.0.2:843 1"}},
		{"another port", []*fastListener{listener("10.0.0.1:843", false), listener("10.0.0.1:844", false)}, nil, []string{"10.0.0.1:843 0", "10.0.0.1:844 1"}},
		{"not this machine's", []*fastListener{listener("10.0.0.9:843", false)}, nil, nil},
		{"not refreshed", []*fastListener{stale}, nil, nil},
		{"the setting is wrong", []*fastListener{listener("[::]:843", false)}, xdp.ErrCookies, nil},
	} {
		f := &fastPath{listeners: c.listeners, cookies: c.cookies}
		var got []string
		for _, d := range f.doors(locals) {
			got = append(got, fmt.Sprint(d.Local, " ", d.Listener))
			if string(d.Answer) != string(own.Document())+"\x00" {
				t.Errorf("%s: %q", c.name, d.Answer)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFastDoorsByAddress gives an address its own policy.
func TestFastDoorsByAddress(t *testing.T) {
	special := netip.MustParseAddr("10.0.0.2")
	s, err := server.NewAnswer([]byte(`<cross-domain-policy><allow-access-from domain="a.test" to-ports="9000"/></cross-domain-policy>`))
	if err != nil {
		t.Fatal(err)
	}
	l := &fastListener{
		address: netip.MustParseAddrPort("[::]:843"), fresh: time.Now(),
		policies: server.Policies{Default: server.DenyAll(), ByAddress: map[netip.Addr]*server.Answer{special: s}},
	}
	f := &fastPath{listeners: []*fastListener{l}}
	for _, d := range f.doors([]xdp.Local{{Addr: netip.MustParseAddr("10.0.0.1")}, {Addr: special}}) {
		want := server.DenyAll()
		if d.Local.Addr() == special {
			want = s
		}
		if string(d.Answer) != string(want.Document())+"\x00" {
			t.Errorf("%v: %q", d.Local, d.Answer)
		}
	}
}

func TestFastSelf(t *testing.T) {
	for address, want := range map[string]string{"[::]:843": "127.0.0.1:843", "0.0.0.0:843": "127.0.0.1:843", "10.0.0.1:844": "10.0.0.1:844", "[fd00::1]:843": "[fd00::1]:843"} {
		l := &fastListener{address: netip.MustParseAddrPort(address)}
		if got := l.self(); got != want {
			t.Errorf("%s is asked at %s", address, got)
		}
	}
	if got := (&fastListener{address: netip.MustParseAddrPort("[::]:843"), onlyIPv6: true}).self(); got != "[::1]:843" {
		t.Errorf("%s", got)
	}
}
