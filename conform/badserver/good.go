package badserver

import (
	"io"
	"net"
	"time"

	"github.com/port843/port843/policy"
)

// Times of the servers here. They are short, so that tests are.
const (
	patience = 2 * time.Second // the good server's deadline for an exchange
	serially = time.Second     // that of the one that serves one at a time
	lenient  = 4 * time.Second // that of those who should have ended at once
)

// peer is one connection of a server.
type peer struct {
	*net.TCPConn
	server *Server
	until  time.Time               // the deadline of the exchange
	held   [policy.MaxRequest]byte // what has been read of the request
	n      int
}

// Good is a correct server, written straightforwardly: it reads until the
// request is there or cannot become one, answers in one write, half-closes,
// drains, closes; a deadline holds for the whole of it.
func Good() Mistake {
	return Mistake{Name: "good", Does: "nothing wrong", Seen: "nowhere else, of 28 servers", deadline: patience,
		failed: waitAndGoOn, handle: func(p *peer) {
			if p.request() {
				p.answer(Policy + "\x00")
			}
		}}
}

// request reads until the request is there: then it returns true.
func (p *peer) request() bool {
	p.SetDeadline(p.until)
	for p.n < len(p.held) {
		n, err := p.Read(p.held[p.n:])
		p.n += n
		done, possible := match(p.held[:p.n])
		if done || !possible || err != nil {
			return done
		}
	}
	return false
}

// match tells whether b begins with a request, and whether it still may.
func match(b []byte) (done, possible bool) {
	var m policy.RequestMatch
	_, state := m.Next(b)
	return state == policy.RequestComplete, state != policy.RequestForeign
}

// answer sends text and ends the connection so that none of it can be lost.
func (p *peer) answer(text string) {
	if _, err := io.WriteString(p, text); err == nil {
		p.finish()
	}
}

// finish half-closes and drains: a close with unread bytes would send RST.
func (p *peer) finish() {
	const most = 1 << 20
	p.CloseWrite()
	io.CopyN(io.Discard, p, most)
}
