package frontdoor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gobwas/ws"
)

// took is all that an inbox gave.
type took struct {
	data    []byte
	control []string
	closing string
	err     error
}

// takeCut gives an inbox a stream in pieces of so many bytes.
func takeCut(stream []byte, piece int) took {
	var out took
	in := inbox{state: ws.StateServerSide}
	for len(stream) > 0 && out.err == nil {
		n := min(piece, len(stream))
		b := bytes.Clone(stream[:n])
		stream = stream[n:]
		n, out.err = in.take(b, func(op ws.OpCode, p []byte) { out.control = append(out.control, string(byte(op))+string(p)) })
		out.data = append(out.data, b[:n]...)
	}
	if out.err == errClosed {
		out.closing = string(in.closing())
	}
	return out
}

// readAll reads the same stream frame by frame with the library.
func readAll(stream []byte) (out took) {
	r := bytes.NewReader(stream)
	state := ws.StateServerSide
	for {
		before := len(stream) - r.Len()
		h, err := ws.ReadHeader(r)
		if errors.Is(err, ws.ErrHeaderLengthMSB) {
			out.err = errLength
			return out
		}
		if err != nil {
			return out
		}
		size := len(stream) - r.Len() - before
		if h.Masked {
			size -= 4
		}
		if h.Length < 126 && size > 2 || h.Length < 1<<16 && size > 4 {
			out.err = errLength
			return out
		}
		if out.err = ws.CheckHeader(h, state); out.err != nil {
			return out
		}
		if h.OpCode == ws.OpText {
			out.err = errText
			return out
		}
		p := make([]byte, min(h.Length, int64(r.Len())))
		r.Read(p)
		ws.Cipher(p, h.Mask, 0)
		if !h.OpCode.IsControl() {
			out.data = append(out.data, p...)
			state = state.Set(ws.StateFragmented)
			if h.Fin {
				state = state.Clear(ws.StateFragmented)
			}
		}
		if int64(len(p)) < h.Length {
			return out
		}
		switch h.OpCode {
		case ws.OpPing, ws.OpPong:
			out.control = append(out.control, string(byte(h.OpCode))+string(p))
		case ws.OpClose:
			if out.err = checkClose(p); out.err == nil {
				out.err, out.closing = errClosed, string(p)
			}
			return out
		}
	}
}

// FuzzInbox holds that a stream means the same however it is cut, and the same
// as to the library that reads it frame by frame.
func FuzzInbox(f *testing.F) {
	frame := func(head ...byte) []byte { return append(head, 1, 2, 3, 4) }
	f.Add(append(frame(0x82, 0x83), "abc"...))
	f.Add(append(append(frame(0x02, 0x81), 'x'), frame(0x80, 0x80)...))
	f.Add(append(frame(0x82, 0xfe, 0, 126), bytes.Repeat([]byte("y"), 126)...))
	f.Add(append(frame(0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0), bytes.Repeat([]byte("z"), 99)...))
	f.Add(append(append(frame(0x89, 0x82), "hi"...), frame(0x88, 0x80)...))
	f.Add(append(frame(0x88, 0x82), 1^3, 2^0xe8))
	f.Add(frame(0x82, 0xfe, 0, 1))
	f.Add(frame(0x81, 0x80))
	f.Add([]byte{0x82, 0x05})
	f.Add(frame(0xf2, 0x80))
	f.Add(frame(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, stream []byte) {
		want := readAll(stream)
		for _, piece := range []int{1, 2, 3, 7, 16, len(stream) + 1} {
			got := takeCut(stream, piece)
			if !bytes.Equal(got.data, want.data) || got.closing != want.closing || len(got.control) != len(want.control) || !errors.Is(got.err, want.err) {
				t.Fatalf("in pieces of %d: %+v, want %+v", piece, got, want)
			}
			for i := range want.control {
				if got.control[i] != want.control[i] {
					t.Fatalf("in pieces of %d: control frame %q, want %q", piece, got.control[i], want.control[i])
				}
			}
		}
	})
}

func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		err := checkClose(binary.BigEndian.AppendUint16(nil, uint16(code)))
		// RFC 6455, section 7.4, and the codes that IANA has registered since.
		ok := code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
		if (err == nil) != ok {
			t.Errorf("%d: %v", code, err)
		}
	}
}
