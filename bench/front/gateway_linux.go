package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// pattern is how messages are sent: on each of several connections so many at
// once, which come back before the next are sent.
type pattern struct {
	what                string
	conns, size, window int
}

var patterns = []pattern{
	{"64 bytes, one at a time", 1, 64, 1},
	{"64 bytes, one at a time on each of 16 connections", 16, 64, 1},
	{"64 bytes, 64 at a time", 1, 64, 64},
	{"64 KiB, 4 at a time", 1, 64 << 10, 4},
}

// quota is what "at an equal processor time" means: so little that neither the
// load generator nor the game can be what limits.
const quota = 0.1

// gateway measures messages and bytes through WebSockets, free and with the
// gateway held to a quota.
func gateway(p *process, s scale, got results) error {
	for _, m := range patterns {
		cpu, err := p.used()
		if err != nil {
			return err
		}
		rate, n, err := m.run(p.addr, s.spell)
		if err != nil {
			return err
		}
		got.add(figure{m.what, perSecond}, p, rate)
		if err := got.cpu(figure{m.what, cpuEach}, p, cpu, float64(n)); err != nil {
			return err
		}
		if len(p.cage.Folders()) == 0 {
			continue // no rights for a quota
		}
		if err := p.cage.Quota(quota); err != nil {
			return err
		}
		rate, _, err = m.run(p.addr, s.spell)
		if err := errors.Join(err, p.cage.Quota(0)); err != nil {
			return err
		}
		got.add(figure{m.what, cappedRate}, p, rate)
	}
	return nil
}

// run sends for a spell, and returns how many messages came back, in all and
// in a second.
func (m pattern) run(addr string, spell time.Duration) (rate float64, n int, err error) {
	frame := ws.MustCompileFrame(ws.MaskFrameInPlaceWith(ws.NewBinaryFrame(make([]byte, m.size)), [4]byte{1, 2, 3, 4}))
	burst := bytes.Repeat(frame, m.window)
	conns := make([]net.Conn, m.conns)
	for i := range conns {
		if conns[i], err = open(addr); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
	}
	counts, errs := make([]int, m.conns), make([]error, m.conns)
	began := time.Now()
	end := began.Add(spell)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() {
			in, buf := frames{}, make([]byte, 256<<10)
			for errs[i] == nil && time.Now().Before(end) {
				errs[i] = m.turn(c, burst, &in, buf)
				counts[i] += m.window
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	for _, k := range counts {
		n += k
	}
	return float64(n) / took.Seconds(), n, errors.Join(errs...)
}

// turn sends one burst and reads until as many bytes have come back. Where the
// burst is more than the buffers on the way hold, it is sent while it reads.
func (m pattern) turn(c net.Conn, burst []byte, in *frames, buf []byte) error {
	sent := make(chan error, 1)
	if len(burst) > 32<<10 {
		go func() { _, err := c.Write(burst); sent <- err }()
	} else {
		_, err := c.Write(burst)
		sent <- err
	}
	for got := 0; got < m.size*m.window; {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		k, err := in.payload(buf[:n])
		if err != nil {
			return err
		}
		got += k
	}
	return <-sent
}

// open opens a WebSocket as a page does.
func open(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {origin}})}
	c, early, _, err := d.Dial(ctx, "ws://"+addr)
	if err != nil {
		return nil, err
	}
	if early != nil && early.Buffered() > 0 {
		return nil, errors.Join(errors.New("the gateway speaks first"), c.Close())
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// frames counts the payload of what a gateway sends.
type frames struct {
	left int
	head []byte // a header that is not whole
}

func (f *frames) payload(b []byte) (n int, err error) {
	for len(b) > 0 {
		if k := min(f.left, len(b)); k > 0 {
			f.left, b, n = f.left-k, b[k:], n+k
			continue
		}
		f.head, b = append(f.head, b[0]), b[1:]
		if len(f.head) < 2 {
			continue
		}
		if f.head[0]&15 > byte(ws.OpBinary) || f.head[1]&0x80 != 0 {
			return n, fmt.Errorf("a frame that begins with % x", f.head)
		}
		switch size := int(f.head[1]); {
		case size < 126:
			f.left = size
		case size == 126 && len(f.head) == 4:
			f.left = int(binary.BigEndian.Uint16(f.head[2:]))
		case size == 127 && len(f.head) == 10:
			f.left = int(binary.BigEndian.Uint64(f.head[2:]))
		default:
			continue
		}
		f.head = f.head[:0]
	}
	return n, nil
}
