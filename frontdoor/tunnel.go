package frontdoor

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// tunnel is a WebSocket and its backend that are being copied into each other.
type tunnel struct {
	ws      *websocket.Conn
	backend net.Conn
	limits  Limits
	ended   chan struct{} // closed when both directions have ended

	up, down atomic.Uint64 // bytes
	pulse    atomic.Uint64 // counts what was read and written, pings aside
	writing  atomic.Bool   // to the backend: while it takes nothing, no pong can be read
	finished atomic.Bool

	mu    sync.Mutex
	tick  *time.Timer
	total *time.Timer
	over  bool

	// Of tick's own, which is never run twice at a time.
	seen  uint64
	quiet time.Duration
}

func newTunnel(ws *websocket.Conn, backend net.Conn, l Limits) *tunnel {
	return &tunnel{ws: ws, backend: backend, limits: l, ended: make(chan struct{})}
}

// start copies in both directions until the end, and calls done then.
func (t *tunnel) start(done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.Ping > 0 {
		t.tick = time.AfterFunc(t.limits.Ping, t.beat)
	}
	if t.limits.Total > 0 {
		t.total = time.AfterFunc(t.limits.Total, func() { t.abort(websocket.StatusGoingAway, "the session's time is up") })
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

// abort ends both ends, the WebSocket with a code: for that it waits a few
// seconds. Only the first call does something.
func (t *tunnel) abort(code websocket.StatusCode, reason string) {
	if t.finished.CompareAndSwap(false, true) {
		reset(t.backend)
		t.ws.Close(code, reason)
	}
}

// errText is a text frame.
var errText = errors.New("frontdoor: a text frame")

// copyUp copies from the WebSocket to the backend. It is what answers pings
// and closes, too.
func (t *tunnel) copyUp() {
	err := t.messages()
	switch {
	case websocket.CloseStatus(err) != -1, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// The client has closed, and was answered, or is just gone, as after
		// its tab was closed: the backend reads an end, behind everything that
		// was sent. What it still says is for nobody; it is read all the same,
		// since closing with bytes unread would make a reset of the end.
		t.ws.CloseNow()
		t.backend.SetReadDeadline(in(t.limits.Exchange))
		if closeWrite(t.backend) != nil {
			t.backend.Close()
		}
	case errors.Is(err, errText):
		t.abort(websocket.StatusUnsupportedData, "only binary frames")
	default:
		t.abort(websocket.StatusInternalError, "")
	}
}

// messages copies every message until the end.
func (t *tunnel) messages() error {
	for {
		kind, r, err := t.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			return errText
		}
		buf := getBuffer()
		err = t.message(r, *buf)
		putBuffer(buf)
		if err != nil {
			return err
		}
	}
}

func (t *tunnel) message(r io.Reader, buf []byte) error {
	for {
		n, err := r.Read(buf)
		if n > 0 {
			t.pulse.Add(1)
			t.writing.Store(true)
			_, werr := t.backend.Write(buf[:n])
			t.writing.Store(false)
			if werr != nil {
				return werr
			}
			t.pulse.Add(1)
			t.up.Add(uint64(n))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copyDown copies from the backend to the WebSocket.
func (t *tunnel) copyDown() {
	r := newReadiness(t.backend)
	for {
		buf, n, err := r.read()
		if n > 0 {
			t.pulse.Add(1)
			werr := t.ws.Write(context.Background(), websocket.MessageBinary, (*buf)[:n])
			putBuffer(buf)
			if werr != nil {
				break // the WebSocket is at its end; copyUp knows why
			}
			t.pulse.Add(1)
			t.down.Add(uint64(n))
		}
		if errors.Is(err, io.EOF) {
			if t.finished.CompareAndSwap(false, true) {
				t.ws.Close(websocket.StatusNormalClosure, "")
			}
			break
		}
		if err != nil {
			t.abort(websocket.StatusInternalError, "the connection to the game's server broke")
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

// alive asks the client whether it lives.
func (t *tunnel) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), t.limits.Ping)
	defer cancel()
	return t.ws.Ping(ctx) == nil
}

// beat looks after a quiet WebSocket: where nothing has passed since the last
// time, the client is asked whether it lives, and where nothing has for the
// idle limit, the session ends. A client that is slow to take what it gets is
// not asked while it takes something.
func (t *tunnel) beat() {
	now := t.pulse.Load()
	if now != t.seen {
		t.seen, t.quiet = now, 0
	} else {
		t.quiet += t.limits.Ping
		if t.limits.Idle > 0 && t.quiet >= t.limits.Idle {
			t.abort(websocket.StatusGoingAway, "idle for too long")
			return
		}
		if !t.writing.Load() && !t.alive() {
			t.abort(websocket.StatusGoingAway, "no answer to a ping")
			return
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.tick.Reset(t.limits.Ping)
	}
}
