package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// end is how a connection ended. The set is closed.
type end uint8

const (
	stillOpen end = iota // it had not ended when the time was up
	fin                  // the peer closed it, and nothing was lost
	rst                  // the peer reset it
	endless              // more than MaxAnswer bytes had come
)

func (e end) String() string { return [...]string{"still open", "FIN", "RST", "endless"}[e] }

// observation is what was seen on one connection.
type observation struct {
	data    []byte        // what came, at most MaxAnswer bytes
	first   int           // how many bytes the first read returned
	end     end           // how the connection ended
	elapsed time.Duration // from the start of the last send to the end
}

func (o observation) String() string {
	text := "no byte"
	if n := len(o.data); n > 0 {
		text = fmt.Sprintf("%s (%s)", plural(n, "byte"), sample(o.data))
	}
	switch o.end {
	case stillOpen:
		return fmt.Sprintf("%s, and the connection is still open after %s", text, round(o.elapsed))
	case endless:
		return fmt.Sprintf("more than %d bytes, and no end", MaxAnswer)
	}
	return fmt.Sprintf("%s, then %s, after %s", text, o.end, round(o.elapsed))
}

// plural returns n with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// sample shows the beginning of what a stranger sent.
func sample(b []byte) string { return escape.Text(b, 40) }

// round makes a time short enough to read.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// client is one connection of the suite. It belongs to one goroutine.
type client struct {
	conn   *net.TCPConn
	raw    syscall.RawConn
	mark   time.Time   // when it was dialled, later when the last send began
	reset  bool        // a reset was seen, perhaps by a send
	cancel func() bool // unhooks the context
}

// dial connects to the address under test within Timeout. When ctx ends, each
// read and write of the client returns.
func (r *runner) dial(ctx context.Context) (*client, error) {
	began := time.Now()
	tcp := r.opened
	if tcp != nil {
		r.opened = nil
	} else {
		d := net.Dialer{Timeout: r.opts.Timeout, KeepAlive: -1}
		conn, err := d.DialContext(ctx, "tcp", r.address)
		if err != nil {
			return nil, err
		}
		tcp = conn.(*net.TCPConn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		tcp.Close()
		return nil, err
	}
	tcp.SetNoDelay(true) // so that each send is a segment of its own
	return &client{conn: tcp, raw: raw, mark: began, cancel: context.AfterFunc(ctx, func() {
		tcp.SetDeadline(time.Unix(1, 0))
	})}, nil
}

func (c *client) close() {
	c.cancel()
	c.conn.Close()
}

// abort ends the connection by RST.
func (c *client) abort() {
	c.conn.SetLinger(0)
	c.close()
}

// send writes b within bound. An error means that the connection has ended or
// ctx has; what the peer sent before may still be there to read.
func (c *client) send(ctx context.Context, b []byte, bound time.Duration) error {
	c.conn.SetWriteDeadline(time.Now().Add(bound))
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mark = time.Now()
	_, err := c.conn.Write(b)
	if isReset(err) {
		c.reset = true
	}
	return err
}

// settle waits until the peer has acknowledged all that was sent, or has reset
// the connection, or bound is over. Where the system cannot tell, it waits for
// a moment.
func (c *client) settle(ctx context.Context, bound time.Duration) {
	const blind, step = 50 * time.Millisecond, 200 * time.Microsecond
	over := time.Now().Add(bound)
	for {
		n, known := unacked(c.raw)
		if !known {
			sleep(ctx, blind)
		}
		// Asked after the queue: a reset empties the queue too.
		if isReset(pendingError(c.raw)) {
			c.reset = true
		}
		if n == 0 || c.reset || time.Now().After(over) || !sleep(ctx, step) {
			return
		}
	}
}

// await waits until there is something to read, or bound is over. Where the
// system cannot tell, it does not wait.
func (c *client) await(ctx context.Context, bound time.Duration) {
	for over := time.Now().Add(bound); time.Now().Before(over); {
		if now, known := readable(c.raw); now || !known || !sleep(ctx, time.Millisecond) {
			return
		}
	}
}

// read collects what the peer sends until the connection ends, until enough
// bytes have come (0: never enough), or until bound is over.
func (c *client) read(ctx context.Context, bound time.Duration, enough int) observation {
	var o observation
	c.conn.SetReadDeadline(time.Now().Add(bound))
	buf := make([]byte, 64<<10)
	for o.end == stillOpen && ctx.Err() == nil {
		n, err := c.conn.Read(buf)
		if o.first == 0 {
			o.first = n
		}
		o.data = append(o.data, buf[:n]...)
		switch {
		case len(o.data) > MaxAnswer:
			o.data, o.end = o.data[:MaxAnswer], endless
		case enough > 0 && len(o.data) >= enough:
			o.elapsed = time.Since(c.mark)
			return o
		case err == nil:
		case isReset(err):
			o.end = rst
		case errors.Is(err, io.EOF):
			o.end = fin
		default: // the time is up
			o.elapsed = time.Since(c.mark)
			return o
		}
	}
	o.elapsed = time.Since(c.mark)
	if o.end == fin {
		c.settle(ctx, bound)
	}
	if c.reset && o.end != endless {
		o.end = rst
	}
	return o
}

// sleep waits for d, or until ctx ends: then it returns false.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// script is one exchange: what is sent, and what happens around it.
type script struct {
	parts     []string      // each sent on its own, the next after it was acknowledged
	pause     time.Duration // after the acknowledgement of each part but the last
	answered  bool          // the last part waits, within reason, for the answer to arrive, unread
	halfClose bool          // the client closes its side after the last part
	late      bool          // the client reads only after the last part was acknowledged
	enough    int           // the client reads no further than this; 0 means to the end
}

// exchange plays s on a connection of its own and returns what was seen.
func (r *runner) exchange(ctx context.Context, s script) (observation, error) {
	c, err := r.dial(ctx)
	if err != nil {
		return observation{}, err
	}
	defer c.close()
	for i, part := range s.parts {
		if i > 0 {
			c.settle(ctx, r.opts.Timeout)
			if !sleep(ctx, s.pause) {
				break
			}
			if s.answered {
				c.await(ctx, r.opts.Timeout/2)
			}
		}
		if c.send(ctx, []byte(part), r.opts.Timeout) != nil {
			break // the read says how it ended
		}
	}
	if s.late {
		c.settle(ctx, r.opts.Timeout)
		c.mark = time.Now() // the acknowledgement may be delayed: not the server's doing
	}
	if s.halfClose {
		c.conn.CloseWrite()
	}
	return c.read(ctx, r.opts.Timeout, s.enough), nil
}

// wholeAnswer judges an exchange that must bring the reference answer.
func (r *runner) wholeAnswer(o observation) verdict {
	whole := bytes.Equal(o.data, r.answer)
	switch {
	case len(o.data) == 0:
		return fail("no answer: %s", o)
	case whole && o.end == fin:
		return pass("the answer (%d bytes), then FIN, after %s", len(o.data), round(o.elapsed))
	case whole && o.end == rst:
		return fail("RST after the answer of %d bytes: what is still on its way is lost", len(o.data))
	case whole && o.end == stillOpen:
		return fail("the answer (%d bytes), and the connection is still open after %s", len(o.data), round(o.elapsed))
	case o.end == endless:
		return fail("%s", o)
	}
	at := 0
	for at < min(len(o.data), len(r.answer)) && o.data[at] == r.answer[at] {
		at++
	}
	if at == len(o.data) {
		return fail("the answer is cut after %d of %d bytes: %s", at, len(r.answer), o)
	}
	return fail("another answer than to the exact request, from byte %d on (%s): %s", at+1, sample(o.data[at:]), o)
}

// served tells whether a good client gets the reference answer within bound,
// from connect to the last byte. How the connection ends is not its matter.
func (r *runner) served(ctx context.Context, bound time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	c, err := r.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer c.close()
	began := c.mark
	c.send(ctx, []byte(policy.Request), bound)
	o := c.read(ctx, bound, len(r.answer))
	if !bytes.Equal(o.data, r.answer) {
		return 0, fmt.Errorf("%s", o)
	}
	return time.Since(began), nil
}

// stillServes asks three times, with a pause, because a server that dies of
// something may do so a moment later.
func (r *runner) stillServes(ctx context.Context) error {
	for i := range 3 {
		if i > 0 {
			sleep(ctx, r.opts.Pause)
		}
		if _, err := r.served(ctx, r.opts.Timeout); err != nil {
			return err
		}
	}
	return nil
}
