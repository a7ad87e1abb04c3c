//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDoorsLeft leaves to the kernel what the fast path cannot have, and takes
// doors away that are not wanted any more, again and again.
func TestDoorsLeft(t *testing.T) {
	p := newProgram(t)
	var many []Door
	for i := range MaxDoors + 3 {
		many = append(many, Door{Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 843), Answer: answerOf(100)})
	}
	for name, c := range map[string]struct {
		doors []Door
		left  int
	}{
		"none":              {nil, 0},
		"too many":          {many, 3},
		"too short":         {[]Door{{Local: pairs[0].door, Answer: answerOf(MinAnswer)[1:]}}, 1},
		"too long":          {[]Door{{Local: pairs[0].door, Answer: answerOf(MaxAnswer + 1)}}, 1},
		"too many to count": {[]Door{{Local: pairs[0].door, Answer: answerOf(100), Listener: MaxListeners}}, 1},
		"well":              {[]Door{{Local: pairs[0].door, Answer: answerOf(100)}}, 0},
	} {
		// Pages rest for one turn before they are another's.
		p.set(t)
		p.set(t)
		if left, err := p.Set(c.doors); err != nil || left != c.left {
			t.Errorf("%s: %d left, %v; want %d", name, left, err, c.left)
		}
	}
	p.set(t, Door{Local: pairs[0].door, Answer: answerOf(100)})
	p.set(t)
	if verdict, _ := p.run(t, segment{from: pairs[0].client, to: pairs[0].door, flags: syn}); verdict != pass {
		t.Errorf("a door that is closed: %d", verdict)
	}
}

// TestAdopt takes over from itself, with the doors and the book as they are,
// and refuses another version's.
func TestAdopt(t *testing.T) {
	p := newProgram(t)
	p.o = Options{Interface: "none"}
	x := pairs[0]
	second := netip.MustParseAddrPort("10.84.3.5:843")
	for i := range 3 { // so that either book was in service
		p.set(t, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(100 + i)}, Door{Local: second, Tags: AnyTags, Answer: answerOf(200)})
		files, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		taken, err := Adopt(files)
		if err != nil || len(taken) != 1 || taken[0].Options() != p.o {
			t.Fatalf("%v, %v", taken, err)
		}
		q := taken[0]
		if q.active != p.active || len(q.known) != 2 || q.lengths != p.lengths {
			t.Errorf("it knows book %d and %d doors", q.active, len(q.known))
		}
		if _, err := q.Set([]Door{{Local: x.door, Tags: AnyTags, Answer: answerOf(300 + i)}}); err != nil {
			t.Fatal(err)
		}
		cookie := p.greet(t, x, linuxOptions)
		verdict, got := p.run(t, segment{from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack | psh, data: []byte("<policy-file-request/>\x00")})
		if verdict != tx || len(got.data) != 300+i {
			t.Errorf("the successor's answer: %d, %d bytes", verdict, len(got.data))
		}
		if verdict, _ := p.run(t, segment{from: x.client, to: second, flags: syn}); verdict != pass {
			t.Errorf("a door that the successor has closed: %d", verdict)
		}
		q.Close()
		if err := p.Recall(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := Adopt([]Inherited{{"none/another-version/doors", f}}); !errors.Is(err, ErrABI) || len(taken) != 0 {
		t.Errorf("%v, %v", taken, err)
	}
	if _, err := f.Stat(); err == nil {
		t.Error("the descriptor of another version stays open")
	}
	p.Close()
	if _, err := p.Set(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := p.SendAway(time.Second); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestReset reads the segment that ends a silent client's connection.
func TestReset(t *testing.T) {
	for _, x := range pairs {
		b := resetSegment(x.door, x.client, 0xfffffffe, 5)
		if x.door.Addr().Is4() {
			// The kernel sums up the header that it completes.
			b[10], b[11] = 0, 0
			sum := ^onesSum(0, b[:20])
			b[10], b[11] = byte(sum), byte(sum>>8)
		}
		proto := []byte{8, 0}
		if x.door.Addr().Is6() {
			proto = []byte{0x86, 0xdd}
		}
		got, err := read(append(append(make([]byte, 12), proto...), b...))
		if err != nil || got.from != x.door || got.to != x.client || got.seq != 0xfffffffe || got.ack != 5 || got.flags != rst|ack || len(got.data) != 0 {
			t.Errorf("%v: %+v, %v", x.door, got, err)
		}
	}
}
