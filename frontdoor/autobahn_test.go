package frontdoor_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
)

// The cases of the Autobahn test suite (crossbario/autobahn-testsuite on
// GitHub), under its own numbers, against the gateway before an echo server.
// They are told by raw bytes that this file makes itself, so that no library
// judges itself. What differs from the suite:
//
//   - Where a case needs any message, it has a binary one in place of a text.
//   - A stream has no messages, so that the echo counts as bytes, however they
//     are framed, and an empty message (1.2.1, 9.8.1) as nothing.
//   - A client that closes, or breaks the protocol, right behind a message is
//     answered at once: how much of the echo it still gets is left open
//     (7.1.1 waits for the echo, 7.1.5 and 7.1.6 do not).
//   - Groups 1.1, 6, 9.1, 9.3, 9.5 and 9.7 are about texts, which the gateway
//     refuses with 1003: TestAutobahnTexts. Groups 12 and 13 are about
//     compression, which it never agrees to: TestGatewayAnswersAnEmptyCloseEmpty.

// opcodes (RFC 6455, section 5.2)
const (
	opContinue = 0
	opText     = 1
	opBinary   = 2
	opClose    = 8
	opPing     = 9
	opPong     = 10
)

// frame makes a client's frame; rsv are its three reserved bits.
func frame(op byte, fin bool, rsv byte, payload string) string {
	b := []byte{op | rsv<<4, 0x80}
	if fin {
		b[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	head := len(b)
	b = append(b, payload...)
	for i := range b[head:] {
		b[head+i] ^= mask[i%4]
	}
	return string(b)
}

func message(s string) string { return frame(opBinary, true, 0, s) }
func ping(s string) string    { return frame(opPing, true, 0, s) }

// closing is a close frame with a code and a reason.
func closing(code uint16, reason string) string {
	return frame(opClose, true, 0, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// told is what a gateway has sent, to the end of the connection.
type told struct {
	data   bytes.Buffer
	pongs  []string
	closed *string // the close frame's payload; nil without one
	err    error
}

// hearFrames reads frames until the end. It calls heard after each.
func hearFrames(c net.Conn, heard func(*told)) *told {
	r, out := bufio.NewReader(c), &told{}
	for {
		var head [2]byte
		if _, out.err = io.ReadFull(r, head[:]); out.err != nil {
			if out.err == io.EOF {
				out.err = nil
			}
			return out
		}
		n := uint64(head[1])
		if k := map[uint64]int{126: 2, 127: 8}[n]; k > 0 {
			size := make([]byte, 8)
			if _, out.err = io.ReadFull(r, size[8-k:]); out.err != nil {
				return out
			}
			n = binary.BigEndian.Uint64(size)
		}
		payload := make([]byte, n)
		if _, out.err = io.ReadFull(r, payload); out.err != nil {
			return out
		}
		switch s := string(payload); {
		case out.closed != nil:
			out.err = fmt.Errorf("a frame % x behind the close", head)
			return out
		case head[0] == 0x80|opBinary:
			out.data.Write(payload)
		case head[0] == 0x80|opPong:
			out.pongs = append(out.pongs, s)
		case head[0] == 0x80|opClose:
			out.closed = &s
		default:
			out.err = fmt.Errorf("a frame % x", head)
			return out
		}
		heard(out)
	}
}

// upgrade opens a WebSocket by hand.
func upgrade(t testing.TB, addr, headers, behind string) *net.TCPConn {
	t.Helper()
	c := dial(t, addr)
	say(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: "+page+"\r\n"+headers+"\r\n"+behind)
	var head strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); head.Write(b) {
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatalf("after %q: %v", head.String(), err)
		}
	}
	s := head.String()
	// The accepted key is the one of RFC 6455, section 1.3.
	if !strings.HasPrefix(s, "HTTP/1.1 101 ") || !strings.Contains(s, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") || strings.Contains(s, "Protocol:") || strings.Contains(s, "Extensions") {
		t.Errorf("%q", s)
	}
	return c
}

// autobahn is one case. Without a close of its own, and where nothing is
// wrong, it is closed with 1000 when all that is expected has come.
type autobahn struct {
	id     string
	frames []string
	chop   int // how the frames are written: all at once, or so many bytes a write
	echo   string
	pongs  []string
	ends   string // the close frame that must come; empty: 1000, for the runner's own
}

// octets is a chop: one byte a write.
const octets = 1

// eachFrame is a chop: a write for each frame.
const eachFrame = -1

func code(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

// noCode is how a case ends with a close frame that is empty.
const noCode = "empty"

// broken is how a case ends that breaks the protocol.
var broken = code(1002)

func (a autobahn) run(t *testing.T, addr string) {
	c := upgrade(t, addr, "", "")
	defer c.Close()
	ends := a.ends
	switch ends {
	case "":
		ends = code(1000)
	case noCode:
		ends = ""
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		whole := strings.Join(a.frames, "")
		switch {
		case a.chop == eachFrame:
			for _, f := range a.frames {
				io.WriteString(c, f)
			}
		case a.chop > 0:
			for ; len(whole) > a.chop; whole = whole[a.chop:] {
				if _, err := io.WriteString(c, whole[:a.chop]); err != nil {
					return
				}
			}
			fallthrough
		default:
			io.WriteString(c, whole)
		}
	}()
	asked := false
	check := func(s *told) {
		if !asked && a.ends == "" && s.data.Len() == len(a.echo) && len(s.pongs) == len(a.pongs) {
			asked = true
			<-done
			io.WriteString(c, closing(1000, ""))
		}
	}
	check(&told{}) // nothing may be expected
	got := hearFrames(c, check)
	<-done
	switch {
	case got.err != nil:
		t.Fatal(got.err)
	case got.closed == nil:
		t.Errorf("ended without a close frame after %d bytes and pongs %q", got.data.Len(), got.pongs)
	case *got.closed != ends:
		t.Errorf("closed with %q, want %q", *got.closed, ends)
	}
	if !strings.HasPrefix(a.echo, got.data.String()) || a.ends == "" && got.data.Len() != len(a.echo) {
		t.Errorf("%d bytes came back, beginning %.40q; want %d", got.data.Len(), got.data.String(), len(a.echo))
	}
	if strings.Join(got.pongs, "|") != strings.Join(a.pongs, "|") || len(got.pongs) != len(a.pongs) {
		t.Errorf("pongs %q, want %q", got.pongs, a.pongs)
	}
}

// part is a frame of a fragmented message.
func part(op byte, fin bool, s string) string { return frame(op, fin, 0, s) }

func autobahnFrames() []autobahn {
	var all []autobahn
	add := func(id string, chop int, ends, echo string, pongs []string, frames ...string) {
		all = append(all, autobahn{id, frames, chop, echo, pongs, ends})
	}
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		s := strings.Repeat("\xfe", n)
		add(fmt.Sprintf("1.2.%d", i+1), 0, "", s, nil, message(s))
	}
	add("1.2.8", 997, "", strings.Repeat("\xfe", 65536), nil, message(strings.Repeat("\xfe", 65536)))

	long := strings.Repeat("\xfe", 125)
	var tenPings, tenPongs []string
	for i := range 10 {
		tenPongs = append(tenPongs, fmt.Sprintf("payload-%d", i))
		tenPings = append(tenPings, ping(tenPongs[i]))
	}
	add("2.1", 0, "", "", []string{""}, ping(""))
	add("2.2", 0, "", "", []string{"Hello, world!"}, ping("Hello, world!"))
	add("2.3", 0, "", "", []string{"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}, ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
	add("2.4", 0, "", "", []string{long}, ping(long))
	add("2.5", 0, broken, "", nil, ping(long+"\xfe"))
	add("2.6", octets, "", "", []string{long}, ping(long))
	add("2.7", 0, "", "", nil, part(opPong, true, ""))
	add("2.8", 0, "", "", nil, part(opPong, true, "unsolicited pong payload"))
	add("2.9", 0, "", "", []string{"ping payload"}, part(opPong, true, "unsolicited pong payload"), ping("ping payload"))
	add("2.10", eachFrame, "", "", tenPongs, tenPings...)
	add("2.11", octets, "", "", tenPongs, tenPings...)

	add("3.1", 0, broken, "", nil, frame(opBinary, true, 4, "small"))
	for i, chop := range []int{eachFrame, 0, octets} {
		add(fmt.Sprintf("3.%d", i+2), chop, broken, "small", nil, message("small"), frame(opBinary, true, []byte{2, 3, 4}[i], "small"), ping(""))
	}
	add("3.5", 0, broken, "", nil, frame(opBinary, true, 5, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
	add("3.6", 0, broken, "", nil, frame(opPing, true, 6, "ping payload"))
	add("3.7", 0, broken, "", nil, frame(opClose, true, 7, ""))

	for group, first := range map[int]byte{1: 3, 2: 11} {
		id := func(n int) string { return fmt.Sprintf("4.%d.%d", group, n) }
		add(id(1), 0, broken, "", nil, frame(first, true, 0, ""))
		add(id(2), 0, broken, "", nil, frame(first+1, true, 0, "reserved opcode payload"))
		for i, chop := range []int{0, octets, octets} {
			add(id(3+i), chop, broken, "small", nil, message("small"), frame(first+2+byte(i), true, 0, []string{"", "reserved opcode payload", "reserved opcode payload"}[i]), ping(""))
		}
	}
	return all
}

func autobahnFragments() []autobahn {
	var all []autobahn
	add := func(id string, chop int, ends, echo string, pongs []string, frames ...string) {
		all = append(all, autobahn{id, frames, chop, echo, pongs, ends})
	}
	add("5.1", 0, broken, "", nil, part(opPing, false, "fragment1"), part(opContinue, true, "fragment2"))
	add("5.2", 0, broken, "", nil, part(opPong, false, "fragment1"), part(opContinue, true, "fragment2"))
	halves := []string{part(opBinary, false, "fragment1"), part(opContinue, true, "fragment2")}
	between := []string{halves[0], ping("ping payload"), halves[1]}
	for i, chop := range []int{0, eachFrame, octets} {
		add(fmt.Sprintf("5.%d", 3+i), chop, "", "fragment1fragment2", nil, halves...)
		add(fmt.Sprintf("5.%d", 6+i), chop, "", "fragment1fragment2", []string{"ping payload"}, between...)
		add(fmt.Sprintf("5.%d", 9+i), chop, broken, "", nil, part(opContinue, true, "non-continuation payload"), message("Hello, world!"))
		add(fmt.Sprintf("5.%d", 12+i), chop, broken, "", nil, part(opContinue, false, "non-continuation payload"), message("Hello, world!"))
	}
	add("5.15", 0, broken, "fragment1fragment2", nil, halves[0], halves[1], part(opContinue, false, "fragment3"), part(opBinary, true, "fragment4"))
	for i, fin := range []bool{false, true} {
		turn := []string{part(opContinue, fin, "fragment1"), part(opBinary, false, "fragment2"), part(opContinue, true, "fragment3")}
		add(fmt.Sprintf("5.%d", 16+i), 0, broken, "", nil, append(turn, turn...)...)
	}
	add("5.18", 0, broken, "fragment1", nil, halves[0], part(opBinary, false, "fragment2"))
	five := []string{
		halves[0], part(opContinue, false, "fragment2"), ping("pongme 1!"),
		part(opContinue, false, "fragment3"), part(opContinue, false, "fragment4"), ping("pongme 2!"), part(opContinue, true, "fragment5"),
	}
	for i, chop := range []int{0, eachFrame} {
		add(fmt.Sprintf("5.%d", 19+i), chop, "", "fragment1fragment2fragment3fragment4fragment5", []string{"pongme 1!", "pongme 2!"}, five...)
	}
	return all
}

func autobahnCloses() []autobahn {
	var all []autobahn
	add := func(id, ends, echo string, frames ...string) {
		all = append(all, autobahn{id: id, frames: frames, echo: echo, ends: ends})
	}
	normal := closing(1000, "")
	large := strings.Repeat("BAsd7&jh23", 26<<10)
	add("7.1.1", "", "Hello World!", message("Hello World!"))
	add("7.1.2", code(1000), "", normal, normal)
	add("7.1.3", code(1000), "", normal, ping("a ping behind the close"))
	add("7.1.4", code(1000), "", normal, message("a message behind the close"))
	add("7.1.5", code(1000), "fragment1", part(opBinary, false, "fragment1"), normal, part(opContinue, true, "fragment2"))
	add("7.1.6", code(1000), large+"Hello World!", message(large), message("Hello World!"), normal, ping(""))
	all = append(all, autobahn{id: "7.3.1", frames: []string{frame(opClose, true, 0, "")}, ends: noCode})
	add("7.3.2", broken, "", frame(opClose, true, 0, "a"))
	add("7.3.3", code(1000), "", normal)
	add("7.3.4", code(1000)+"Hello World!", "", closing(1000, "Hello World!"))
	add("7.3.5", code(1000)+strings.Repeat("*", 123), "", closing(1000, strings.Repeat("*", 123)))
	add("7.3.6", broken, "", closing(1000, strings.Repeat("*", 124)))
	add("7.5.1", code(1007), "", closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"))
	for i, n := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		add(fmt.Sprintf("7.7.%d", i+1), code(n), "", closing(n, ""))
	}
	for i, n := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		add(fmt.Sprintf("7.9.%d", i+1), broken, "", closing(n, ""))
	}
	add("7.13.1", broken, "", closing(5000, ""))
	add("7.13.2", broken, "", closing(65535, ""))
	return all
}

func autobahnLimits() []autobahn {
	var all []autobahn
	for i, n := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
		s := strings.Repeat("0123456789abcdef", n/16)
		all = append(all, autobahn{id: fmt.Sprintf("9.2.%d", i+1), frames: []string{message(s)}, echo: s})
	}
	four := strings.Repeat("0123456789abcde\xfe", 4<<20/16)
	for i, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
		var frames []string
		for at := 0; at < len(four); at += n {
			op := byte(opContinue)
			if at == 0 {
				op = opBinary
			}
			frames = append(frames, part(op, at+n == len(four), four[at:at+n]))
		}
		all = append(all, autobahn{id: fmt.Sprintf("9.4.%d", i+1), frames: frames, echo: four})
	}
	for i, n := range []int{64, 128, 256, 512, 1024, 2048} {
		all = append(all, autobahn{id: fmt.Sprintf("9.6.%d", i+1), frames: []string{message(four[:1<<20])}, chop: n, echo: four[:1<<20]})
	}
	for i, n := range []int{0, 16, 64, 256, 1024, 4096} {
		s := strings.Repeat("\xfe", n)
		all = append(all, autobahn{id: fmt.Sprintf("9.8.%d", i+1), frames: slices.Repeat([]string{message(s)}, 1000), chop: eachFrame, echo: strings.Repeat(s, 1000)})
	}
	var auto []string
	for at := 0; at < 65536; at += 1300 {
		op := byte(opContinue)
		if at == 0 {
			op = opBinary
		}
		auto = append(auto, part(op, at+1300 >= 65536, four[at:min(at+1300, 65536)]))
	}
	return append(all, autobahn{id: "10.1.1", frames: auto, echo: four[:65536]})
}

func TestAutobahn(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	cases := slices.Concat(autobahnFrames(), autobahnFragments(), autobahnCloses(), autobahnLimits())
	if len(cases) != 8+11+7+10+20+6+6+1+13+9+2+6+9+6+6+1 {
		t.Errorf("%d cases", len(cases))
	}
	for _, a := range cases {
		t.Run(a.id, func(t *testing.T) { a.run(t, addr) })
	}
}

// TestAutobahnTexts sends texts as groups 1.1 and 6 have them, valid and not,
// whole and in parts: none is guessed to be bytes.
func TestAutobahnTexts(t *testing.T) {
	reached := make(chan string, 1)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		got, _ := io.ReadAll(c)
		reached <- string(got)
	})}})
	for _, text := range []string{
		"", "*", strings.Repeat("*", 65535), strings.Repeat("*", 65536), // 1.1
		"Hello-µ@ßöäüàá-UTF-8!!",                   // 6.2
		"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",   // 6.3
		"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80edit", // 6.4
	} {
		for _, fin := range []bool{true, false} {
			c := upgrade(t, addr, "", "")
			go io.WriteString(c, frame(opText, fin, 0, text)+frame(opContinue, true, 0, text))
			got := hearFrames(c, func(*told) {})
			if got.err != nil || got.closed == nil || !strings.HasPrefix(*got.closed, code(1003)) {
				t.Errorf("%.20q: closed with %v, %v; want 1003", text, got.closed, got.err)
			}
			c.Close()
			if s := <-reached; s != "" {
				t.Errorf("%.20q: the game read %.20q", text, s)
			}
		}
	}
}

// TestLengthInItsShortestForm: RFC 6455, section 5.2, wants lengths so, and the
// highest bit of the longest form clear; the suite has no case for either.
func TestLengthInItsShortestForm(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	for _, head := range []string{
		"\x82\xfe\x00\x7d", "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00",
		"\x82\x05", // and no mask
	} {
		c := upgrade(t, addr, "", head+"maskpayload")
		if got := hearFrames(c, func(*told) {}); got.closed == nil || *got.closed != broken {
			t.Errorf("% x: closed with %v, %v; want 1002", head, got.closed, got.err)
		}
	}
}

// TestPongsPassAPageThatIsSlowToRead: what is urgent goes out between two
// frames of data, and what the page sends still reaches the game.
func TestPongsPassAPageThatIsSlowToRead(t *testing.T) {
	const size = 24 << 20 // more than the kernel holds on the way
	heard := make(chan string, 1)
	_, addr := open(t, frontdoor.Options{Backends: []string{backend(t, func(c *net.TCPConn) {
		go func() {
			b := make([]byte, 5)
			io.ReadFull(c, b)
			heard <- string(b)
		}()
		c.Write(make([]byte, size))
	})}})
	c := upgrade(t, addr, "", "")
	c.SetDeadline(time.Now().Add(patience))
	say(t, c, ping("first")+message("still"))
	if s := <-heard; s != "still" {
		t.Errorf("the game heard %q", s)
	}
	for range 100 { // the last is answered, the others may be
		say(t, c, ping("more"))
	}
	say(t, c, ping("last"))
	last := -1
	got := hearFrames(c, func(s *told) {
		if n := len(s.pongs); last < 0 && n > 0 && s.pongs[n-1] == "last" {
			last = s.data.Len()
		}
		if s.closed != nil {
			io.WriteString(c, closing(1000, ""))
		}
	})
	if got.err != nil || got.data.Len() != size || last < 0 {
		t.Errorf("%d bytes, pongs %q, %v", got.data.Len(), got.pongs, got.err)
	}
}
