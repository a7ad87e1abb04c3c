package frontdoor

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// inbox takes apart what a client sends on a WebSocket: the payload of its
// binary frames, which is the stream, and the control frames between them. It
// holds no payload, however long a message is.
type inbox struct {
	state ws.State // on which side, and whether a message is under way
	frame ws.Header
	open  bool  // within a frame
	left  int64 // bytes of its payload that are to come
	at    int   // where in the mask it goes on

	cut  int // bytes in part: a header that was cut
	part [ws.MaxHeaderSize]byte

	held    int // bytes in control
	control [ws.MaxControlFramePayloadSize]byte
}

// What ends an inbox. The library's errors of checking, [ws.ProtocolError], do
// too.
var (
	errText   = errors.New("frontdoor: a text frame")
	errReason = errors.New("frontdoor: the reason of a close is not UTF-8")
	errClosed = errors.New("frontdoor: the client closes the WebSocket")
)

const (
	errLength    = ws.ProtocolError("frontdoor: a length that is not in its shortest form")
	errCloseForm = ws.ProtocolError("frontdoor: a close frame of one byte")
	errCloseCode = ws.ProtocolError("frontdoor: a close code beyond the last")
)

// take takes the next bytes of the stream, in place: the payload of binary
// frames is unmasked and moved to the front of b, where the first n bytes are
// it. Pings and pongs are handed to on, which must not keep the payload. The
// error is why nothing can follow; what is in front of it counts. After
// errClosed, closing returns the payload of the close frame.
func (i *inbox) take(b []byte, on func(ws.OpCode, []byte)) (n int, err error) {
	for r := 0; r < len(b); {
		if !i.open {
			used, err := i.begin(b[r:])
			if err != nil {
				return n, err
			}
			r += used
			if !i.open {
				break // the header is cut
			}
		}
		p := b[r:]
		if int64(len(p)) > i.left {
			p = p[:i.left]
		}
		ws.Cipher(p, i.frame.Mask, i.at)
		i.at = (i.at + len(p)) % len(i.frame.Mask)
		i.left -= int64(len(p))
		r += len(p)
		if i.frame.OpCode.IsControl() {
			i.held += copy(i.control[i.held:], p)
		} else {
			n += copy(b[n:], p)
		}
		if i.left > 0 {
			continue
		}
		i.open = false
		switch i.frame.OpCode {
		case ws.OpPing, ws.OpPong:
			on(i.frame.OpCode, i.control[:i.held])
		case ws.OpClose:
			if err := checkClose(i.control[:i.held]); err != nil {
				return n, err
			}
			return n, errClosed
		}
	}
	return n, nil
}

// closing returns what the client's close frame held.
func (i *inbox) closing() []byte { return i.control[:i.held] }

// begin reads a frame's header, of which the beginning may have come before,
// and opens the frame where the header is whole. It returns how many bytes of
// b were used.
func (i *inbox) begin(b []byte) (used int, err error) {
	before, from := i.cut, b
	if before > 0 {
		i.cut += copy(i.part[before:], b)
		from = i.part[:i.cut]
	}
	h, size, err := parseHeader(from)
	if err != nil {
		return 0, err
	}
	if size == 0 {
		if before == 0 {
			i.cut = copy(i.part[:], b)
		}
		return len(b), nil
	}
	if err := ws.CheckHeader(h, i.state); err != nil {
		return 0, err
	}
	switch {
	case h.OpCode == ws.OpText:
		return 0, errText
	case !h.OpCode.IsControl() && h.Fin:
		i.state = i.state.Clear(ws.StateFragmented)
	case !h.OpCode.IsControl():
		i.state = i.state.Set(ws.StateFragmented)
	}
	i.frame, i.open, i.left, i.at, i.held, i.cut = h, true, h.Length, 0, 0, 0
	return size - before, nil
}

// parseHeader reads a frame's header (RFC 6455, section 5.2). The size is 0
// where b does not hold all of it. The library's own takes a stream, and reads
// it in three parts; here the bytes are at hand.
func parseHeader(b []byte) (h ws.Header, size int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&15)
	h.Masked, h.Length = b[1]&0x80 != 0, int64(b[1]&0x7f)
	size = 2
	least := int64(0)
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length, least, size = int64(binary.BigEndian.Uint16(b[2:])), 126, 4
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		h.Length, least, size = int64(binary.BigEndian.Uint64(b[2:])), 1<<16, 10
	}
	if h.Masked {
		if len(b) < size+4 {
			return h, 0, nil
		}
		size += copy(h.Mask[:], b[size:size+4])
	}
	if h.Length < least { // below zero where the highest bit is set
		return h, 0, errLength
	}
	return h, size, nil
}

// checkClose checks the payload of a close frame (RFC 6455, section 5.5.1 and
// 7.4).
func checkClose(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(p) == 1 {
		return errCloseForm
	}
	code, reason := ws.StatusCode(binary.BigEndian.Uint16(p)), p[2:]
	if !utf8.Valid(reason) {
		return errReason
	}
	if code > ws.StatusRangePrivate.Max {
		return errCloseCode
	}
	if code >= 1012 && code <= 1014 {
		return nil // registered after the library's list was made (IANA, WebSocket Close Code Numbers)
	}
	return ws.CheckCloseFrameData(code, "")
}
