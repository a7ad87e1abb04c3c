package frontdoor

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// rawPlayer is a raw connection as Accept hands it out. Where it turns out to be
// a request, the game reads its end, and no longer owns the stream.
type rawPlayer struct {
	*unsettled
	begun []byte // what was read and matched before it was handed out
	gone  atomic.Bool
}

func (p *rawPlayer) Read(b []byte) (int, error) {
	if len(p.begun) > 0 {
		n := copy(b, p.begun)
		p.begun = p.begun[n:]
		return n, nil
	}
	n, err := p.unsettled.Read(b)
	if err == errTaken {
		return 0, io.EOF
	}
	return n, err
}

func (p *rawPlayer) Write(b []byte) (int, error) {
	n, err := p.unsettled.Write(b)
	if err == errTaken {
		return 0, io.ErrClosedPipe
	}
	return n, err
}

func (p *rawPlayer) Close() error {
	if p.gone.Load() {
		return nil
	}
	return p.unsettled.conn.Close()
}

func (p *rawPlayer) CloseWrite() error {
	if p.gone.Load() {
		return nil
	}
	return p.unsettled.conn.CloseWrite()
}

func (p *rawPlayer) SetDeadline(t time.Time) error {
	if p.gone.Load() {
		return nil
	}
	return p.unsettled.conn.SetDeadline(t)
}

func (p *rawPlayer) SetReadDeadline(t time.Time) error {
	if p.gone.Load() {
		return nil
	}
	return p.unsettled.conn.SetReadDeadline(t)
}

func (p *rawPlayer) SetWriteDeadline(t time.Time) error {
	if p.gone.Load() {
		return nil
	}
	return p.unsettled.conn.SetWriteDeadline(t)
}

// pipeEnd is the game's end of a stream in memory, with the addresses that it
// would have if the client were connected to it. It is net.Pipe, whose writer
// waits for its reader, so that back-pressure is passed on.
type pipeEnd struct {
	net.Conn
	local, remote net.Addr
}

func newPipe(local, remote net.Addr) (ours, games net.Conn) {
	a, b := net.Pipe()
	return a, &pipeEnd{Conn: b, local: local, remote: remote}
}

func (p *pipeEnd) LocalAddr() net.Addr  { return p.local }
func (p *pipeEnd) RemoteAddr() net.Addr { return p.remote }
