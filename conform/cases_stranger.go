package conform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

const groupStranger = "strangers"

func strangerCases() []Case {
	return []Case{
		{
			ID: "http-get", Group: groupStranger, stage: stageAlone, run: httpGet, unaided: true,
			Title: "an HTTP request gets no policy, and an end",
			Asks:  "GET / in HTTP/1.1. The connection must be ended in time, with nothing or with HTTP, and with no policy in it.",
			Why:   "Scanners and browsers find the port; a policy is for who asks for it.",
		},
		{
			ID: "http-crossdomain", Group: groupStranger, stage: stageAlone, run: httpCrossdomain, unaided: true,
			Title: "GET /crossdomain.xml gets HTTP or nothing",
			Asks:  "GET /crossdomain.xml. The connection must be ended in time, with nothing or with an HTTP answer, never with a bare policy.",
			Why:   "A GET /crossdomain.xml on the same port may get HTTP; the XML alone is no HTTP answer.",
		},
		{
			ID: "tls-hello", Group: groupStranger, stage: stageAlone, run: tlsHello, unaided: true,
			Title: "a TLS hello is answered in TLS or sent away",
			Asks:  "The first flight of a TLS client. The server must answer in TLS or end the connection in time: no hang, no plain policy.",
			Why:   "SecureSocket is reported to ask port 843 over TLS; a server that waits for more plain bytes keeps it hanging.",
		},
		{
			ID: "half-close-before", Group: groupStranger, stage: stageAlone, run: halfCloseBefore, unaided: true,
			Title: "a client that leaves without a request is let go",
			Asks:  "Connect, then the client's FIN and no byte. The server must end the connection in time, without an answer.",
			Why:   "It is the common port probe; a server that misses the end of file keeps the descriptor or spins.",
		},
		{
			ID: "garbage", Group: groupStranger, stage: stageAlone, run: garbage,
			Title: "a flood of garbage is cut off",
			Asks:  "64 MiB of the letter x, as fast as they are taken. The server must end the connection before it has taken them all, with no answer, and serve a good client afterwards.",
			Why:   "Five of 28 known servers keep all of it in memory. A request has 23 bytes: no more than 64 need ever be held.",
		},
	}
}

const getFormat = "GET %s HTTP/1.1\r\nHost: policy.invalid\r\nUser-Agent: port843-conform\r\nConnection: close\r\n\r\n"

// stranger plays s and returns a verdict where the exchange went wrong by any
// measure: it did not end, or it never stops.
func (r *runner) stranger(ctx context.Context, s script) (observation, *verdict) {
	o, err := r.exchange(ctx, s)
	var v verdict
	switch {
	case err != nil:
		v = unreachable(err)
	case o.end == stillOpen || o.end == endless:
		v = fail("%s", o)
	default:
		return o, nil
	}
	return o, &v
}

func httpGet(ctx context.Context, r *runner) verdict {
	o, v := r.stranger(ctx, script{parts: []string{fmt.Sprintf(getFormat, "/")}})
	switch {
	case v != nil:
		return *v
	case bytes.Contains(o.data, []byte("<cross-domain-policy")), bytes.Contains(o.data, []byte("<access-policy")):
		return fail("a policy in answer to HTTP: %s", o)
	case len(o.data) > 0 && !bytes.HasPrefix(o.data, []byte("HTTP/")):
		return fail("neither nothing nor HTTP in answer to HTTP: %s", o)
	}
	return pass("%s", o)
}

func httpCrossdomain(ctx context.Context, r *runner) verdict {
	o, v := r.stranger(ctx, script{parts: []string{fmt.Sprintf(getFormat, "/crossdomain.xml")}})
	switch {
	case v != nil:
		return *v
	case len(o.data) == 0:
		return pass("%s", o)
	case !bytes.HasPrefix(o.data, []byte("HTTP/")):
		return fail("an answer without HTTP headers: %s", o)
	}
	return pass("answered in HTTP: %s", o)
}

func tlsHello(ctx context.Context, r *runner) verdict {
	hello, err := clientHello()
	if err != nil {
		return notRun("no TLS hello could be made: %v", err)
	}
	c, err := r.dial(ctx)
	if err != nil {
		return unreachable(err)
	}
	defer c.close()
	c.send(ctx, hello, r.opts.Timeout)
	o := c.read(ctx, r.opts.Timeout, recordHead+1)
	switch {
	case speaksTLS(o.data):
		return pass("answered in TLS after %s", round(o.elapsed))
	case len(o.data) > 0:
		return fail("plain bytes in answer to TLS: %s", sample(o.data))
	case o.end == stillOpen:
		return fail("%s", o)
	}
	return pass("%s", o)
}

const recordHead = 5 // bytes before a TLS record's content

// speaksTLS tells whether b begins an alert or a ServerHello (RFC 8446, 4 and
// 5.1), and not, as an echo would, a ClientHello.
func speaksTLS(b []byte) bool {
	const alert, handshake, serverHello = 21, 22, 2
	return len(b) > recordHead && (b[0] == alert || b[0] == handshake && b[recordHead] == serverHello)
}

// clientHello returns the first record that a TLS client sends.
func clientHello() ([]byte, error) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		// The handshake fails as soon as the pipe is closed.
		_ = tls.Client(theirs, &tls.Config{ServerName: "policy.invalid"}).Handshake()
		theirs.Close()
	}()
	ours.SetDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, recordHead)
	if _, err := io.ReadFull(ours, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	_, err := io.ReadFull(ours, body)
	return append(head, body...), err
}

func halfCloseBefore(ctx context.Context, r *runner) verdict {
	o, v := r.stranger(ctx, script{halfClose: true})
	switch {
	case v != nil:
		return *v
	case len(o.data) > 0:
		return fail("an answer without a request: %s", o)
	}
	return pass("%s", o)
}

// garbage writes until the server ends the connection or has taken everything.
// The first end that is seen stops it: a server that half-closes at once and
// drains for a while is a good one.
func garbage(ctx context.Context, r *runner) verdict {
	c, err := r.dial(ctx)
	if err != nil {
		return unreachable(err)
	}
	defer c.abort()
	ended := make(chan observation, 1)
	go func() { ended <- c.read(ctx, r.opts.Deadline, 0) }()

	sent, o, over := r.flood(c.conn, ended)
	if !over && sent >= r.opts.Garbage {
		return fail("took all %d bytes, and the connection was still open", sent)
	}
	if !over {
		o = <-ended
	}
	switch {
	case o.end == stillOpen:
		return fail("after %d bytes %s", sent, o)
	case len(o.data) > 0:
		return fail("an answer to garbage: %s", o)
	}
	if err := r.stillServes(ctx); err != nil {
		return unserved("after the garbage", err)
	}
	return pass("cut off by %s; at most %d bytes had been taken", o.end, sent)
}

// flood writes the garbage to conn. It returns how much was taken, and what
// was seen where the end came first.
func (r *runner) flood(conn net.Conn, ended <-chan observation) (sent int, o observation, over bool) {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	conn.SetWriteDeadline(time.Now().Add(r.opts.Deadline))
	for sent < r.opts.Garbage {
		n, err := conn.Write(chunk)
		sent += n
		if err != nil {
			return sent, o, false // the reader says why
		}
		// The end of a good server is under way: it gets the time to arrive,
		// so that what lies in the kernels' buffers is not held against it.
		var wait time.Duration
		switch {
		case sent == len(chunk):
			wait = 4 * r.opts.Pause
		case sent%(1<<20) == 0:
			wait = 5 * time.Millisecond
		}
		select {
		case o = <-ended:
			return sent, o, true
		case <-time.After(wait):
		}
	}
	return sent, o, false
}
