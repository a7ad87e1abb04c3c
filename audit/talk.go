package audit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/port843/port843/internal/dial"
	"github.com/port843/port843/internal/escape"
)

// talk is one conversation while it is being had.
type talk struct {
	ctx      context.Context
	conn     net.Conn // TLS's, where the question is asked inside
	rec      *Conversation
	start    time.Time
	deadline time.Time
	share    time.Duration
	heard    func() // called at the first byte
	over     bool   // the other side has ended it, or the limit is reached
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// asking is what a conversation is about.
type asking struct {
	target   Target
	question Question
	began    time.Time     // when the observation began
	deadline time.Time     // when the conversation ends at the latest
	pace     time.Duration // what the target took for an answer before; 0 when unknown
	share    time.Duration // how long to wait for an answer

	connected func() // called when the connection is there; may be nil
	heard     func() // called when the first byte comes; may be nil
}

// converse has one conversation.
func converse(ctx context.Context, a asking) Conversation {
	start := time.Now()
	rec := Conversation{Question: a.question, At: Millis(start.Sub(a.began))}
	r := dial.Connect(ctx, a.target.Addr, min(connectTimeout, time.Until(a.deadline)))
	rec.Outcome, rec.ICMP, rec.Connect = r.Outcome, r.ICMP, Millis(r.Took)
	if r.Outcome != dial.Established {
		rec.Failure = escape.Text(r.Err.Error(), 200)
		rec.Took = Millis(time.Since(start))
		return rec
	}
	if a.connected != nil {
		a.connected()
	}
	defer r.Conn.Close()
	stop := context.AfterFunc(ctx, func() { r.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	t := &talk{ctx: ctx, conn: r.Conn, rec: &rec, start: start, deadline: a.deadline, share: a.share, heard: a.heard}
	switch a.question {
	case AskRPC:
		t.rpc()
	case AskTLS, AskTLSGet:
		t.tls(a.target)
	default:
		silence := quietWait
		if a.pace > 0 {
			silence = max(silence, a.pace+a.pace/4+reserve)
		}
		t.ask(silence)
	}
	if rec.Total == 0 && rec.End == EndSilence {
		rec.Unacked = unacked(r.Conn)
	}
	rec.Took = Millis(time.Since(start))
	return rec
}

// ask puts a question that is one write, behind a silence where it wants one.
func (t *talk) ask(silence time.Duration) {
	q := t.rec.Question
	if q.quiet() {
		t.read(silence)
		t.rec.Early = len(t.rec.Data)
		if t.over {
			t.rec.EndEarly = true
			return
		}
		if t.rec.Early > 0 && q != AskGreet {
			return
		}
	}
	t.say(q.bytes())
	switch q {
	case AskRequest:
		t.read(untilDeadline)
	case AskGreet:
		// Whoever does not know EHLO is asked what only FTP has.
		t.read(sideWait)
		if !t.over && !isMailReply(t.rec.Data[t.rec.Early:]) {
			t.say([]byte("SYST\r\n"))
			t.read(sideWait)
		}
	default:
		t.read(max(t.share, silence-quietWait))
	}
}

// say writes b. An error is not looked at: what the other side does about it
// is read.
func (t *talk) say(b []byte) {
	t.rec.Asked = Millis(time.Since(t.start))
	t.rec.Sent = append(t.rec.Sent, b...)
	t.conn.SetWriteDeadline(t.deadline)
	t.conn.Write(b)
}

// read reads until the other side ends the conversation, or has said enough,
// or says nothing for as long as is worth waiting: wait for the first byte,
// then what patience grants after each piece.
func (t *talk) read(wait time.Duration) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	before := t.rec.Total
	idle, since := wait, time.Now()
	dirty, judged := false, 0
	for t.ctx.Err() == nil {
		until := earlier(t.deadline, since.Add(idle))
		if dirty {
			until = earlier(until, time.Now().Add(30*time.Millisecond))
		}
		t.conn.SetReadDeadline(until)
		if t.ctx.Err() != nil {
			break
		}
		n, err := t.conn.Read(*buf)
		if n > 0 {
			since = time.Now()
			t.keep((*buf)[:n], since)
			dirty = true
			if t.rec.Total >= readLimit {
				t.rec.End, t.over = EndLimit, true
				return
			}
		}
		// Judging after each byte of a long answer would be quadratic.
		grown := len(t.rec.Data) - judged
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		if dirty && (timeout || grown*8 >= judged || len(t.rec.Data) < 4096) {
			idle, judged, dirty = patience(t.rec), len(t.rec.Data), false
		}
		if err != nil && !timeout {
			t.end(err)
			return
		}
		if now := time.Now(); !now.Before(t.deadline) || !dirty && now.Sub(since) >= idle {
			break
		}
	}
	t.rec.End = EndSilence
	if t.rec.Total > before && time.Since(since) < min(idle, oddWait) && !time.Now().Before(t.deadline) {
		t.rec.End = EndFlow
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (t *talk) end(err error) {
	t.over = true
	t.rec.End = EndReset
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.rec.End = EndClosed
	}
}

// keep records what has come.
func (t *talk) keep(b []byte, now time.Time) {
	rec := t.rec
	if rec.Total == 0 {
		rec.First = Millis(now.Sub(t.start))
		if t.heard != nil {
			t.heard()
		}
	}
	rec.Last = Millis(now.Sub(t.start))
	rec.Total += int64(len(b))
	rec.Reads++
	n := min(len(b), keepLimit-len(rec.Data))
	rec.Data = append(rec.Data, b[:n]...)
	if rest := b[n:]; len(rest) > 0 {
		rec.Tail = append(rec.Tail, rest[max(0, len(rest)-tailSize):]...)
		rec.Tail = rec.Tail[max(0, len(rec.Tail)-tailSize):]
	}
}

// patience returns how long to wait for more after what has come.
func patience(c *Conversation) time.Duration {
	if f, ok := findDocument(c); ok {
		switch {
		case f.complete && f.http:
			return 0
		case f.complete:
			return holdWait
		}
		return untilDeadline
	}
	if mayBecomeDocument(c.Data) {
		return untilDeadline
	}
	switch v := judgeData(c); v.class {
	case ClassOther, "":
		if c.Question == AskRequest {
			return oddWait
		}
		return sideWait
	case ClassHTTP:
		if v.partial {
			return holdWait
		}
		return 0
	default:
		if v.partial {
			return oddWait
		}
		if len(c.Data) >= keepLimit {
			return 0
		}
		return knownWait
	}
}

// tls makes a handshake and asks inside.
func (t *talk) tls(target Target) {
	outer := &tap{Conn: t.conn, rec: t.rec}
	inner := tls.Client(outer, &tls.Config{
		// Who it is does not matter here; that it speaks TLS does. Nothing
		// secret is sent, and what comes back is not believed.
		InsecureSkipVerify: true,
		ServerName:         serverName(target),
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       allSuites(),
	})
	wait := t.share
	if t.rec.Question == AskTLSGet { // that it speaks TLS is known by now
		wait = 2 * sideWait
	}
	t.conn.SetDeadline(earlier(t.deadline, time.Now().Add(wait)))
	err := inner.HandshakeContext(t.ctx)
	if err != nil && len(t.rec.Raw) > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("the handshake did not end in time")
	}
	t.rec.Handshake = &TLS{Done: err == nil}
	if err != nil {
		t.rec.Handshake.Failure = escape.Text(err.Error(), 200)
		t.rec.End = EndSilence
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.rec.End = EndHangup
		}
		return
	}
	state := inner.ConnectionState()
	t.rec.Handshake.Version = tls.VersionName(state.Version)
	if certs := state.PeerCertificates; len(certs) > 0 {
		t.rec.Handshake.Subject = escape.Text(certs[0].Subject.String(), 200)
	}
	t.conn.SetDeadline(t.deadline)
	t.conn = inner
	t.say(t.rec.Question.bytes())
	t.read(2 * sideWait)
}

func serverName(target Target) string {
	if target.Name != "" {
		return target.Name
	}
	return target.Addr.Addr().String()
}

func allSuites() []uint16 {
	var ids []uint16
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// tap keeps the first bytes that came on the wire below TLS.
type tap struct {
	net.Conn
	rec *Conversation
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if room := tailSize - len(t.rec.Raw); room > 0 {
		t.rec.Raw = append(t.rec.Raw, b[:min(n, room)]...)
	}
	return n, err
}
