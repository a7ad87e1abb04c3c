package frontdoor

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// outbox writes frames to a client. Data has one writer; control frames come
// from anywhere, and never wait for data that the client is slow to take: they
// go out behind the frame that is under way.
type outbox struct {
	conn net.Conn

	mu     sync.Mutex // held while a frame is written
	closed bool       // a close frame went out, or the stream is broken: nothing follows
	err    error

	waiting atomic.Bool
	lines   sync.Mutex
	ping    bool
	pong    []byte // the answer to the last ping: earlier ones need none (RFC 6455, section 5.5.3)
	pongs   bool
	close   []byte // nil: none
	hangUp  bool   // the direction ends behind it
}

// frameRoom is what must be left free before the payload that is given to
// data: a frame's header of up to 64 KiB of payload, which a client does not
// mask.
const frameRoom = 4

// data writes b[frameRoom:] as one binary frame, with one write.
func (o *outbox) data(b []byte) error {
	n := len(b) - frameRoom
	if n < 126 {
		b = b[2:]
		b[1] = byte(n)
	} else {
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
	}
	b[0] = 0x80 | byte(ws.OpBinary)
	o.mu.Lock()
	o.write(b)
	err := o.err
	if o.closed && err == nil {
		err = net.ErrClosed
	}
	o.mu.Unlock()
	o.urgent()
	return err
}

// write writes a frame, with mu held.
func (o *outbox) write(b []byte) {
	if o.closed {
		return
	}
	if _, err := o.conn.Write(b); err != nil {
		o.closed, o.err = true, err
	}
}

// sendPing asks whether the client lives.
func (o *outbox) sendPing() {
	o.lines.Lock()
	o.ping = true
	o.lines.Unlock()
	o.waiting.Store(true)
	o.urgent()
}

// sendPong answers a ping.
func (o *outbox) sendPong(payload []byte) {
	o.lines.Lock()
	o.pong, o.pongs = append(o.pong[:0], payload...), true
	o.lines.Unlock()
	o.waiting.Store(true)
	o.urgent()
}

// sendClose closes the WebSocket with that payload; only the first close goes
// out. With hangUp the direction ends behind it: the client owes no answer.
func (o *outbox) sendClose(payload []byte, hangUp bool) {
	o.lines.Lock()
	if o.close == nil {
		o.close = append(make([]byte, 0, 2), payload...)
	}
	o.hangUp = o.hangUp || hangUp
	o.lines.Unlock()
	o.waiting.Store(true)
	o.urgent()
}

// urgent writes the control frames that wait, unless somebody writes: who does
// calls it afterwards.
func (o *outbox) urgent() {
	for o.waiting.Load() && o.mu.TryLock() {
		o.waiting.Store(false)
		o.lines.Lock()
		var b []byte
		if o.ping {
			b, o.ping = appendControl(b, ws.OpPing, nil), false
		}
		if o.pongs {
			b, o.pongs = appendControl(b, ws.OpPong, o.pong), false
		}
		last := o.close != nil
		if last {
			b = appendControl(b, ws.OpClose, o.close)
		}
		hangUp := o.hangUp
		o.lines.Unlock()
		if len(b) > 0 {
			o.write(b)
		}
		o.closed = o.closed || last
		if hangUp {
			closeWrite(o.conn)
		}
		o.mu.Unlock()
	}
}

// appendControl appends a control frame.
func appendControl(b []byte, op ws.OpCode, payload []byte) []byte {
	return append(append(b, 0x80|byte(op), byte(len(payload))), payload...)
}

// closePayload is that of a close frame with a code.
func closePayload(code ws.StatusCode, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
