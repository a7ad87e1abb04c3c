package frontdoor

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// tunnel is a WebSocket and its backend that are being copied into each other.
type tunnel struct {
	client  net.Conn
	first   []byte // of the WebSocket, read before the tunnel began
	in      inbox
	out     outbox
	backend net.Conn
	limits  Limits
	ended   chan struct{} // closed when both directions have ended

	up, down *atomic.Uint64 // bytes of all sessions

	pulse    atomic.Uint64 // counts what was read and written, pings aside
	writing  atomic.Bool   // to the backend: while it takes nothing, no pong can be read
	asked    atomic.Bool   // a ping is not answered yet
	finished atomic.Bool   // by this side

	mu    sync.Mutex
	tick  *time.Timer
	total *time.Timer
	over  bool

	// Of tick's own, which is never run twice at a time.
	seen  uint64
	quiet time.Duration
}

// farewell is how long a client has to take the close frame and to answer it:
// what a page on a slow line needs, and no reason to keep a session.
const farewell = 5 * time.Second

// newTunnel makes a tunnel of a WebSocket that was accepted, and of which
// first was read.
func newTunnel(client net.Conn, first []byte, backend net.Conn, l Limits) *tunnel {
	if c, ok := client.(*conn); ok {
		first, c.prefix = append(first, c.prefix...), nil
	}
	return &tunnel{
		client: client, first: first, in: inbox{state: ws.StateServerSide}, out: outbox{conn: client},
		backend: backend, limits: l, ended: make(chan struct{}),
	}
}

// start copies in both directions until the end, and calls done then.
func (t *tunnel) start(done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.Ping > 0 {
		t.tick = time.AfterFunc(t.limits.Ping, t.beat)
	}
	if t.limits.Total > 0 {
		t.total = time.AfterFunc(t.limits.Total, func() { t.abort(ws.StatusGoingAway, "the session's time is up") })
	}
	var open atomic.Int32
	open.Store(2)
	ended := func() {
		if open.Add(-1) == 0 {
			t.stop()
			done()
			close(t.ended)
		}
	}
	go func() {
		defer ended()
		t.copyUp()
	}()
	go func() {
		defer ended()
		t.copyDown()
	}()
}

func (t *tunnel) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.tick != nil {
		t.tick.Stop()
	}
	if t.total != nil {
		t.total.Stop()
	}
}

// abort ends both ends, the WebSocket with a code. Only the first end of this
// side does something.
func (t *tunnel) abort(code ws.StatusCode, reason string) {
	if t.finished.CompareAndSwap(false, true) {
		reset(t.backend)
		t.part(closePayload(code, reason), false)
	}
}

// part sends the close frame, after which copyUp waits for the client's, or
// with hangUp for its end.
func (t *tunnel) part(payload []byte, hangUp bool) {
	t.client.SetDeadline(time.Now().Add(farewell))
	t.out.sendClose(payload, hangUp)
}

// copyUp copies from the WebSocket to the backend. It is what answers pings
// and closes, too.
func (t *tunnel) copyUp() {
	err := t.messages()
	if fail := failure(err); fail != nil {
		// What the client sends after its mistake has no meaning, but is read:
		// closing with bytes unread would take the close frame from it.
		t.finished.Store(true)
		reset(t.backend)
		t.part(fail, true)
		t.readOut()
		t.client.Close()
		return
	}
	if err == errClosed {
		t.part(t.in.closing(), true)
	}
	// The client has closed, or is just gone, as after its tab was closed: the
	// backend reads an end, behind everything that was sent. What it still
	// says is for nobody; it is read all the same, since closing with bytes
	// unread would make a reset of the end.
	t.backend.SetReadDeadline(in(t.limits.Exchange))
	if closeWrite(t.backend) != nil {
		t.backend.Close()
	}
	if err == errClosed {
		t.readOut()
	}
	t.client.Close()
}

// failure returns the close frame's payload for what a client did wrong; nil
// where it has just ended.
func failure(err error) []byte {
	var broken ws.ProtocolError
	switch {
	case err == errText:
		return closePayload(ws.StatusUnsupportedData, "only binary frames")
	case err == errReason:
		return closePayload(ws.StatusInvalidFramePayloadData, "")
	case errors.As(err, &broken):
		return closePayload(ws.StatusProtocolError, "")
	}
	return nil
}

// readOut reads what a client still sends, until its end or part's deadline.
func (t *tunnel) readOut() {
	small := make([]byte, firstSize)
	for {
		if _, err := t.client.Read(small); err != nil {
			return
		}
	}
}

// messages copies what the client says until its end. Frames that came
// together go to the backend together.
func (t *tunnel) messages() error {
	onControl := func(op ws.OpCode, payload []byte) {
		if op == ws.OpPing {
			t.out.sendPong(payload)
		} else {
			t.asked.Store(false)
		}
	}
	n, err := t.in.take(t.first, onControl)
	t.toBackend(t.first[:n])
	t.first = nil
	r := newReadiness(bare(t.client), 0)
	for err == nil {
		var buf *[]byte
		if buf, n, err = r.read(); n > 0 {
			var bad error
			n, bad = t.in.take((*buf)[:n], onControl)
			t.toBackend((*buf)[:n])
			putBuffer(buf)
			if bad != nil {
				return bad
			}
		}
	}
	return err
}

// toBackend writes to the backend. After a failure the WebSocket is closed,
// and what comes until it is goes nowhere.
func (t *tunnel) toBackend(b []byte) {
	if len(b) == 0 {
		return
	}
	t.pulse.Add(1)
	t.writing.Store(true)
	_, err := t.backend.Write(b)
	t.writing.Store(false)
	if err != nil {
		t.abort(ws.StatusInternalServerError, "")
		return
	}
	t.pulse.Add(1)
	t.up.Add(uint64(len(b)))
}

// copyDown copies from the backend to the WebSocket: what one read gives is
// one frame.
func (t *tunnel) copyDown() {
	r := newReadiness(t.backend, frameRoom)
	for {
		buf, n, err := r.read()
		if n > 0 {
			t.pulse.Add(1)
			werr := t.out.data((*buf)[:frameRoom+n])
			putBuffer(buf)
			if werr != nil {
				break // the WebSocket is at its end; copyUp knows why
			}
			t.pulse.Add(1)
			t.down.Add(uint64(n))
		}
		if errors.Is(err, io.EOF) {
			if t.finished.CompareAndSwap(false, true) {
				t.part(closePayload(ws.StatusNormalClosure, ""), false)
			}
			break
		}
		if err != nil {
			t.abort(ws.StatusInternalServerError, "the connection to the game's server broke")
			break
		}
	}
	t.drain()
}

// drain reads what the backend still says to a client that has closed, up to
// the deadline that copyUp has set.
func (t *tunnel) drain() {
	t.backend.SetReadDeadline(in(t.limits.Exchange))
	buf := getBuffer()
	defer putBuffer(buf)
	for {
		if _, err := t.backend.Read(*buf); err != nil {
			t.backend.Close()
			return
		}
	}
}

// beat looks after a quiet WebSocket: where nothing has passed since the last
// time, the client is asked whether it lives, and where nothing has for the
// idle limit, the session ends. A client that is slow to take what it gets is
// not asked while it takes something.
func (t *tunnel) beat() {
	now := t.pulse.Load()
	if now != t.seen {
		t.seen, t.quiet = now, 0
		t.asked.Store(false)
	} else {
		t.quiet += t.limits.Ping
		switch {
		case t.limits.Idle > 0 && t.quiet >= t.limits.Idle:
			t.abort(ws.StatusGoingAway, "idle for too long")
			return
		case t.writing.Load():
		case t.asked.Swap(true):
			t.abort(ws.StatusGoingAway, "no answer to a ping")
			t.client.Close() // nor would it answer the close
			return
		default:
			t.out.sendPing()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.tick.Reset(t.limits.Ping)
	}
}
