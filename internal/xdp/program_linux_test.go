//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// program is the program in the kernel without an interface: packets are given
// to it and taken from it one by one.
type program struct {
	*Path
	prog *ebpf.Program
}

func newProgram(t testing.TB) *program {
	t.Helper()
	need.Root(t)
	m, prog, err := load(&net.Interface{Name: "none", MTU: 1500, HardwareAddr: ownMAC})
	if errors.Is(err, ErrKernel) {
		need.Kernel(t, "XDP with the helpers for SYN cookies: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &program{&Path{maps: m, known: map[mapDoor]uint32{}}, prog}
	t.Cleanup(func() { p.Close(); prog.Close() })
	if err := m.Books.Put(uint32(0), m.BookA); err != nil {
		t.Fatal(err)
	}
	for page := range uint32(MaxDoors) {
		p.free = append(p.free, page)
	}
	return p
}

// run gives a segment to the program and returns the verdict with what it made
// of the segment.
func (p *program) run(t testing.TB, s segment) (uint32, segment) {
	t.Helper()
	if s.dst == nil {
		s.dst, s.src = ownMAC, clientMAC
	}
	in := s.frame()
	verdict, out := p.give(t, in)
	if verdict != tx {
		if verdict == pass && !bytes.Equal(in, out) {
			t.Errorf("it changed a packet that it passed on:\n% x\n% x", in, out)
		}
		return verdict, segment{}
	}
	got, err := read(out)
	if err != nil {
		t.Fatalf("%v\n% x", err, out)
	}
	if !bytes.Equal(got.dst, s.src) || !bytes.Equal(got.src, s.dst) || !slices.Equal(got.tags, s.tags) || got.from != s.to || got.to != s.from {
		t.Errorf("an answer from %v (%v) to %v (%v) with the tags %v", got.from, got.src, got.to, got.dst, got.tags)
	}
	return verdict, got
}

func (p *program) set(t testing.TB, doors ...Door) {
	t.Helper()
	if _, err := p.Set(doors); err != nil {
		t.Fatal(err)
	}
}

// pair is a client and the address that it asks.
type pair struct{ client, door netip.AddrPort }

var pairs = []pair{
	{netip.MustParseAddrPort("10.84.3.1:4000"), netip.MustParseAddrPort("10.84.3.2:843")},
	{netip.MustParseAddrPort("[fd84:3::1]:4000"), netip.MustParseAddrPort("[fd84:3::2]:843")},
}

func answerOf(n int) []byte {
	return append([]byte("<cross-domain-policy>"+strings.Repeat("~", n-22)), 0)
}

// sack and the like are what a Linux client says in its SYN.
var linuxOptions = []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7}

var isn uint32 = 0xfffffff0 // so that the numbers wrap

// greet opens a connection and returns the cookie.
func (p *program) greet(t testing.TB, x pair, options []byte, tags ...uint16) uint32 {
	t.Helper()
	verdict, got := p.run(t, segment{from: x.client, to: x.door, seq: isn, flags: syn, options: options, tags: tags})
	if verdict != tx || got.flags != syn|ack || got.ack != isn+1 || len(got.data) != 0 {
		t.Fatalf("verdict %d, %+v", verdict, got)
	}
	return got.seq
}

// inOneMinute plays a connection and reports what was wrong with it; once more
// where the minute has turned meanwhile, with which cookies change.
func (p *program) inOneMinute(t *testing.T, x pair, options []byte, tags []uint16, play func(cookie uint32, wrong func(format string, args ...any))) {
	t.Helper()
	for {
		cookie := p.greet(t, x, options, tags...)
		var all []string
		play(cookie, func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) })
		if len(all) == 0 {
			return
		}
		if p.greet(t, x, options, tags...) == cookie {
			t.Error(strings.Join(all, "\n"))
			return
		}
	}
}

// TestExchange plays whole exchanges, packet by packet.
func TestExchange(t *testing.T) {
	p := newProgram(t)
	for _, x := range pairs {
		for _, n := range []int{MinAnswer, 200, 201, 536, 537, 1220, 1221, 1300, 1440, MaxAnswer} {
			for _, tags := range [][]uint16{nil, {7}, {100, 7}} {
				p.set(t, Door{Local: x.door, Tags: AnyTags, Listener: 3, Answer: answerOf(n)})
				p.inOneMinute(t, x, linuxOptions, tags, func(cookie uint32, wrong func(string, ...any)) {
					p.exchange(t, x, tags, answerOf(n), cookie, func(format string, args ...any) {
						wrong("%v, %d bytes, tags %v: %s", x.door, n, tags, fmt.Sprintf(format, args...))
					})
				})
			}
		}
	}
}

// exchange plays one exchange after its SYN.
func (p *program) exchange(t *testing.T, x pair, tags []uint16, answer []byte, cookie uint32, wrong func(string, ...any)) {
	t.Helper()
	n := uint32(len(answer))
	before := p.count(t, 3)
	send := func(s segment) (uint32, segment) {
		s.from, s.to, s.tags = x.client, x.door, tags
		return p.run(t, s)
	}
	if verdict, _ := send(segment{seq: isn + 1, ack: cookie + 1, flags: ack}); verdict != drop {
		wrong("the handshake's end: %d", verdict)
	}
	request := segment{seq: isn + 1, ack: cookie + 1, flags: ack | psh, data: []byte(policy.Request)}
	if n > 1220 && x.door.Addr().Is6() {
		if verdict, _ := send(request); verdict != pass {
			wrong("an answer that IPv6 may not carry: %d", verdict)
		}
		return
	}
	for range 2 { // the second time as if the answer had been lost
		verdict, got := send(request)
		if verdict != tx || !bytes.Equal(got.data, answer) || got.flags != ack|psh|fin || got.seq != cookie+1 || got.ack != isn+24 || got.padding != 0 || got.hops != 64 {
			wrong("the request: %d, %+v", verdict, got)
		}
	}
	over := segment{seq: isn + 24, ack: cookie + 2 + n, flags: ack}
	if verdict, _ := send(over); verdict != drop {
		wrong("the answer's acknowledgement: %d", verdict)
	}
	over.flags = ack | fin
	for range 2 {
		verdict, got := send(over)
		if verdict != tx || got.flags != ack || got.seq != cookie+2+n || got.ack != isn+25 || len(got.data) != 0 {
			wrong("the client's end: %d, %+v", verdict, got)
		}
	}
	want := Counters{Opened: 1, Answered: 2, Dropped: 1, Finished: 2}
	if got := p.count(t, 3).Since(before); got != want {
		wrong("counted %+v, want %+v", got, want)
	}
}

// give gives a frame to the program.
func (p *program) give(t testing.TB, in []byte) (uint32, []byte) {
	t.Helper()
	o := ebpf.RunOptions{Data: in, DataOut: make([]byte, 2048), Repeat: 1}
	verdict, err := p.prog.Run(&o)
	if err != nil {
		t.Fatal(err)
	}
	return verdict, o.DataOut
}

func (p *program) count(t *testing.T, listener int) Counters {
	t.Helper()
	all, err := p.Counters(MaxListeners)
	if err != nil {
		t.Fatal(err)
	}
	return all[listener]
}

// TestAskAndClose asks and closes at once, in one segment and in two: the
// answer must come with the acknowledgement, or it would be lost for good.
func TestAskAndClose(t *testing.T) {
	p := newProgram(t)
	for _, x := range pairs {
		answer := answerOf(300)
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answer})
		cookie := p.greet(t, x, linuxOptions)
		for _, s := range []segment{
			{seq: isn + 1, ack: cookie + 1, flags: ack | psh | fin, data: []byte(policy.Request)},
			{seq: isn + 24, ack: cookie + 1, flags: ack | fin},
		} {
			s.from, s.to = x.client, x.door
			verdict, got := p.run(t, s)
			if verdict != tx || !bytes.Equal(got.data, answer) || got.seq != cookie+1 || got.ack != isn+25 {
				t.Errorf("%v: %d, %+v", x.door, verdict, got)
			}
		}
	}
}

// TestSmallSegments keeps to what a client said of its segments.
func TestSmallSegments(t *testing.T) {
	p := newProgram(t)
	x := pairs[0]
	for _, c := range []struct {
		mss    uint16
		answer int
		want   uint32
	}{
		{1460, 1460, tx}, {1459, 1460, pass}, {1459, 1440, tx}, {1452, 1440, tx}, {1440, 1441, pass}, {1400, 1300, tx}, {1400, 1301, pass},
		{1299, 537, pass}, {1299, 536, tx}, {536, 536, tx}, {0, 536, tx}, {0, 537, pass},
	} {
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(c.answer)})
		var options []byte
		if c.mss > 0 {
			options = []byte{2, 4, byte(c.mss >> 8), byte(c.mss)}
		}
		got := uint32(0)
		for range 2 { // the minute may turn in between once
			cookie := p.greet(t, x, options)
			if got, _ = p.run(t, segment{from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack | psh, data: []byte(policy.Request)}); got == c.want {
				break
			}
		}
		if got != c.want {
			t.Errorf("a client with segments of %d bytes and an answer of %d: %d, want %d", c.mss, c.answer, got, c.want)
		}
	}
}

// TestForged gives it what whoever forges an address can send: without the
// cookie nothing comes back but SYN-ACKs that are no longer than the SYNs.
func TestForged(t *testing.T) {
	p := newProgram(t)
	random := rand.New(rand.NewPCG(8, 43))
	for _, x := range pairs {
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(400)})
		answered := 0
		for i := range 20000 {
			s := segment{dst: ownMAC, src: clientMAC, from: netip.AddrPortFrom(x.client.Addr(), uint16(random.Uint32())), to: x.door, seq: random.Uint32(), ack: random.Uint32(), flags: byte(random.Uint32())}
			switch random.IntN(3) {
			case 0:
				s.data = []byte(policy.Request)
			case 1:
				s.data = []byte(policy.Request[:random.IntN(23)])
			}
			switch random.IntN(3) {
			case 0:
				s.flags = []byte{syn, ack, ack | psh, ack | fin, ack | fin | psh}[i%5]
			case 1:
				s.options = linuxOptions[:4*random.IntN(6)]
			}
			s.padding = max(0, 60-len(s.frame())) // as an Ethernet has it
			verdict, got := p.run(t, s)
			if verdict != tx {
				continue
			}
			answered++
			if got.flags != syn|ack || len(got.data) > 0 || len(got.frame()) > len(s.frame()) {
				t.Fatalf("for %+v it sent %+v", s, got)
			}
		}
		if answered < 100 {
			t.Errorf("only %d SYNs were answered", answered)
		}
		s, err := p.Stranger()
		if err != nil || s.Client != x.client.Addr() || s.Count == 0 {
			t.Errorf("the refused: %+v, %v", s, err)
		}
	}
	c := p.count(t, 0)
	if c.Answered > 0 || c.Finished > 0 || c.Opened > 0 || c.Refused == 0 {
		t.Errorf("%+v", c)
	}
}

// TestShortSYN answers a SYN without options by one without.
func TestShortSYN(t *testing.T) {
	p := newProgram(t)
	for _, x := range pairs {
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(400)})
		for _, c := range []struct{ options, want []byte }{
			{nil, []byte{}}, {[]byte{1, 1, 1, 0}, mssOf(x)}, {[]byte{2, 4, 5, 0xb4}, mssOf(x)}, {linuxOptions, mssOf(x)},
		} {
			verdict, got := p.run(t, segment{from: x.client, to: x.door, seq: isn, flags: syn, options: c.options})
			if verdict != tx || !bytes.Equal(got.options, c.want) || len(got.options) > len(c.options) {
				t.Errorf("%v, options % x: %d, % x", x.door, c.options, verdict, got.options)
			}
		}
	}
}

func mssOf(x pair) []byte {
	if x.door.Addr().Is6() {
		return []byte{2, 4, 1440 >> 8, 1440 & 0xff}
	}
	return []byte{2, 4, 1460 >> 8, 1460 & 0xff}
}

// TestPassedOn gives it what is the kernel's: nothing of it may be touched.
func TestPassedOn(t *testing.T) {
	p := newProgram(t)
	x := pairs[0]
	other := netip.MustParseAddrPort("10.84.3.9:843")
	vlan := netip.MustParseAddrPort("10.84.3.7:843")
	p.set(t, Door{Local: x.door, Tags: 0, Answer: answerOf(400)}, Door{Local: vlan, Tags: 7, Answer: answerOf(400)},
		Door{Local: other, Tags: AnyTags, Answer: answerOf(MaxAnswer + 1)})
	p.inOneMinute(t, x, linuxOptions, nil, func(cookie uint32, wrong func(string, ...any)) { p.passes(t, x, other, vlan, cookie, wrong) })
	if verdict, _ := p.run(t, segment{from: x.client, to: vlan, seq: isn, flags: syn, tags: []uint16{7}}); verdict != tx {
		t.Errorf("a VLAN's own address with its tag: %d", verdict)
	}
}

// passes gives it segments of which none is the fast path's.
func (p *program) passes(t *testing.T, x pair, other, vlan netip.AddrPort, cookie uint32, wrong func(string, ...any)) {
	t.Helper()
	good := segment{from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack | psh}
	with := func(f func(*segment)) segment {
		s := good
		s.data = []byte(policy.Request)
		f(&s)
		return s
	}
	for name, s := range map[string]segment{
		"another port":       with(func(s *segment) { s.to = netip.AddrPortFrom(s.to.Addr(), 844) }),
		"another address":    with(func(s *segment) { s.to = netip.MustParseAddrPort("10.84.3.3:843") }),
		"too long an answer": with(func(s *segment) { s.to, s.flags = other, syn }),
		"another machine's":  with(func(s *segment) { s.dst, s.src = clientMAC, ownMAC }),
		"a tag too many":     with(func(s *segment) { s.tags = []uint16{9} }),
		"a tag too few":      with(func(s *segment) { s.to, s.flags = vlan, syn }),
		"two tags":           with(func(s *segment) { s.to, s.flags, s.tags = vlan, syn, []uint16{7, 7} }),
		"three tags":         with(func(s *segment) { s.tags = []uint16{1, 2, 3} }),
		"a first fragment":   with(func(s *segment) { s.fragment = 0x2000 }),
		"a later fragment":   with(func(s *segment) { s.fragment = 3 }),
		"options of IP":      with(func(s *segment) { s.ipOptions = true }),
		"options of TCP":     with(func(s *segment) { s.options = []byte{1, 1, 1, 0} }),
		"an urgent pointer":  with(func(s *segment) { s.flags |= urg }),
		"a reset":            with(func(s *segment) { s.flags = rst; s.data = nil }),
		"a SYN-ACK":          with(func(s *segment) { s.flags = syn | ack }),
		"a cut request":      with(func(s *segment) { s.data = s.data[:9] }),
		"no NUL":             with(func(s *segment) { s.data = s.data[:22] }),
		"a wrong NUL":        with(func(s *segment) { s.data = []byte(policy.Request[:22] + "\n") }),
		"more bytes":         with(func(s *segment) { s.data = append(s.data, 'x') }),
		"HTTP":               with(func(s *segment) { s.data = []byte("GET / HTTP/1.1\r\n\r\n") }),
		"an end, no request": with(func(s *segment) { s.data = nil; s.flags = ack | fin }),
	} {
		if verdict, _ := p.run(t, s); verdict != pass {
			wrong("%s: %d", name, verdict)
		}
	}
	for n := 14; n < len(good.frame()); n++ { // cut off anywhere
		s := with(func(s *segment) { s.dst, s.src = ownMAC, clientMAC })
		if verdict, _ := p.give(t, s.frame()[:n]); verdict != pass {
			wrong("the first %d bytes of a frame: %d", n, verdict)
		}
	}
}
