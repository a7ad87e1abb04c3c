//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/port843/port843/policy"
)

// TestBeginsInTheMiddle sends the second part of a cut request before the
// first: it may not be taken for the first, which the cookie would allow.
func TestBeginsInTheMiddle(t *testing.T) {
	p := newProgram(t)
	port := uint16(5000)
	for _, x := range pairs {
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(300)})
		for _, mss := range []uint16{0, 1300, 1440, 1460} {
			if x.door.Addr().Is6() && mss == 1300 {
				mss = 1420 // IPv6 has other steps
			}
			for _, cut := range []uint32{1, 3, 4} {
				for _, known := range []bool{false, true} {
					port++
					x.client = netip.AddrPortFrom(x.client.Addr(), port)
					var options []byte
					if mss > 0 {
						options = []byte{2, 4, byte(mss >> 8), byte(mss)}
					}
					cookie := p.greet(t, x, options)
					send := func(from uint32, data string) uint32 {
						flags := byte(ack)
						if data != "" {
							flags |= psh
						}
						verdict, _ := p.run(t, segment{from: x.client, to: x.door, seq: isn + 1 + from, ack: cookie + 1, flags: flags, data: []byte(data)})
						return verdict
					}
					if known {
						send(0, "")
					}
					first, rest := policy.Request[:cut], policy.Request[cut:]
					began := time.Now()
					for range 2 { // it is sent twice, and nothing is repeated so early
						if send(cut, rest) == pass && time.Since(began) < 100*time.Millisecond {
							t.Errorf("%v, mss %d, known %v: bytes from %d on went to the kernel first", x.door, mss, known, cut)
						}
					}
					for end := time.Now().Add(time.Minute); send(0, first) != pass; { // some must say it twice
						if time.Now().After(end) {
							t.Fatalf("%v, mss %d, known %v: the first %d bytes never went to the kernel", x.door, mss, known, cut)
						}
						time.Sleep(time.Millisecond)
					}
					if send(cut, rest) != pass {
						t.Errorf("%v, mss %d, known %v: the bytes from %d on did not follow", x.door, mss, known, cut)
					}
				}
			}
		}
	}
}

// TestSwap swaps answers while packets come: each is one of the two, whole, and
// of its own door.
func TestSwap(t *testing.T) {
	p := newProgram(t)
	x := pairs[0]
	second := netip.MustParseAddrPort("10.84.3.5:843")
	kinds := [2][2][]byte{}
	for i := range kinds {
		kinds[i] = [2][]byte{bytes.Repeat([]byte{'a' + byte(i)}, 100+i*333), bytes.Repeat([]byte{'c' + byte(i)}, 90+i*77)}
	}
	arrange := func(i int) []Door {
		out := []Door{{Local: x.door, Tags: AnyTags, Answer: kinds[i%2][0]}}
		if i%3 > 0 { // a door that comes and goes
			out = append(out, Door{Local: second, Tags: AnyTags, Answer: kinds[i%2][1]})
		}
		return out
	}
	p.set(t, arrange(1)...)
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := p.Set(arrange(i)); err != nil {
				done <- err
				return
			}
		}
	}()
	cookie := p.greet(t, x, linuxOptions)
	cookies := map[netip.AddrPort]uint32{x.door: cookie}
	seen := map[string]int{}
	for n, end := 0, time.Now().Add(time.Minute); (n < 2000 || len(seen) < 4) && time.Now().Before(end); n++ {
		for i, door := range []netip.AddrPort{x.door, second} {
			if _, ok := cookies[door]; !ok {
				if verdict, got := p.run(t, segment{from: x.client, to: door, seq: isn, flags: syn}); verdict == tx {
					cookies[door] = got.seq
				}
				continue
			}
			verdict, got := p.run(t, segment{from: x.client, to: door, seq: isn + 1, ack: cookies[door] + 1, flags: ack | psh, data: []byte(policy.Request)})
			if verdict == pass && door == second {
				continue
			}
			if verdict != tx || !bytes.Equal(got.data, kinds[0][i]) && !bytes.Equal(got.data, kinds[1][i]) {
				t.Fatalf("%v: %d, %q", door, verdict, got.data)
			}
			seen[string(got.data)]++
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(seen) != 4 {
		t.Errorf("%d different answers in all, want 4: nothing was swapped", len(seen))
	}
}

// TestEndAfterSwap acknowledges the end of a client that had the answer before
// this one.
func TestEndAfterSwap(t *testing.T) {
	p := newProgram(t)
	for _, x := range pairs {
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(300)})
		cookie := p.greet(t, x, linuxOptions)
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(500)})
		for n, want := range map[uint32]uint32{300: tx, 500: tx, 400: drop} {
			if verdict, _ := p.run(t, segment{from: x.client, to: x.door, seq: isn + 24, ack: cookie + 2 + n, flags: ack | fin}); verdict != want {
				t.Errorf("%v: the end after %d bytes: %d, want %d", x.door, n, verdict, want)
			}
		}
	}
}
