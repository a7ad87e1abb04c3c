package frontdoor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
)

// exchanges is more than a short exchange has: after so many messages the
// event loops have a session.
const exchanges = 12

// talkative echoes so many messages before it goes on.
func talkative(then func(*net.TCPConn)) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		for range exchanges {
			b := make([]byte, 1)
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
		then(c)
	}
}

// relayed opens a session that an event loop has.
func relayed(t *testing.T, d *frontdoor.Door, addr string) *net.TCPConn {
	t.Helper()
	before := d.Relayed()
	c := dial(t, addr)
	for range exchanges {
		say(t, c, "x")
		hear(t, c, "x")
	}
	eventually(t, "an event loop has the session", func() bool { return d.Relayed() > before })
	return c
}

func TestRelayHalfClose(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, talkative(func(c *net.TCPConn) {
		got, err := io.ReadAll(c)
		if err == nil {
			c.Write(append(got, " and all"...))
		}
	}))}})
	c := relayed(t, d, addr)
	say(t, c, "question")
	c.CloseWrite()
	hear(t, c, "question and all")
	hearEnd(t, c)
	eventually(t, "the session is counted", func() bool { s := d.Stats(); return s.Open == 0 && s.Up == exchanges+8 && s.Down == exchanges+16 })
}

func TestRelayHalfCloseOfTheBackend(t *testing.T) {
	got := make(chan string, 1)
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, talkative(saysBye(got)))}})
	hearsBye(t, relayed(t, d, addr), got)
}

func TestRelayPassesResetsOn(t *testing.T) {
	fault := make(chan error, 1)
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, talkative(func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		fault <- err
	}))}})
	c := relayed(t, d, addr)
	c.SetLinger(0)
	c.Close()
	if err := <-fault; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset of the client reached the backend as %v", err)
	}
	d, addr = open(t, frontdoor.Options{Backends: []string{backend(t, talkative(func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		c.SetLinger(0)
	}))}})
	c = relayed(t, d, addr)
	say(t, c, "y")
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset of the backend reached the client as %v", err)
	}
}

// TestRelayBulk: a session becomes bulk, and quiet again.
func TestRelayBulk(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := relayed(t, d, addr)
	sendBulk(t, c)
	for range exchanges {
		say(t, c, "a few bytes again")
		hear(t, c, "a few bytes again")
	}
	c.CloseWrite()
	hearEnd(t, c)
}

// TestRelayBackPressure: a reader that takes nothing stops its writer, and gets
// everything when it takes it.
func TestRelayBackPressure(t *testing.T) {
	const piece, limit = 1 << 20, 256 << 20
	read, sum := make(chan struct{}), make(chan int64, 1)
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, talkative(func(c *net.TCPConn) {
		<-read
		n, _ := io.Copy(io.Discard, c)
		sum <- n
	}))}})
	c := relayed(t, d, addr)
	var sent int64
	for b := make([]byte, piece); ; {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Write(b)
		if sent += int64(n); err != nil {
			break
		}
		if sent > limit {
			t.Fatalf("%d bytes went to a reader that takes nothing", sent)
		}
	}
	// The other direction and other sessions are not held up by it.
	other := relayed(t, d, addr)
	close(read)
	c.CloseWrite()
	if got := <-sum; got != sent {
		t.Errorf("the backend read %d of %d bytes", got, sent)
	}
	other.Close()
	<-sum
}

func TestRelayLimits(t *testing.T) {
	for name, l := range map[string]frontdoor.Limits{
		"idle":  {Idle: 300 * time.Millisecond},
		"total": {Total: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			d, addr := open(t, frontdoor.Options{Limits: l, Backends: []string{backend(t, echo)}})
			c := dial(t, addr)
			var err error
			for range exchanges { // on a slow machine it may be over before
				if _, err = c.Write([]byte("x")); err != nil {
					break
				}
				if _, err = io.ReadFull(c, make([]byte, 1)); err != nil {
					break
				}
			}
			if err == nil {
				if _, err = io.Copy(io.Discard, c); err == nil {
					t.Error("the session ended in an orderly way")
				}
			}
			eventually(t, "nothing is open", func() bool { return d.Stats().Open == 0 && d.Relayed() == 0 })
		})
	}
}

// TestRelayStalledReader: a client that keeps sending is not idle, but one that
// takes nothing for three idle periods is ended all the same.
func TestRelayStalledReader(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Limits: frontdoor.Limits{Idle: 100 * time.Millisecond}, Backends: []string{backend(t, func(c *net.TCPConn) {
		go io.Copy(io.Discard, c)
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})}})
	c := dial(t, addr)
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			break
		}
		time.Sleep(time.Millisecond) // it is the pace of the traffic
	}
	eventually(t, "nothing is open", func() bool { return d.Stats().Open == 0 && d.Relayed() == 0 })
}

func TestShutdownEndsRelayedSessions(t *testing.T) {
	d, addr := open(t, frontdoor.Options{Backends: []string{backend(t, echo)}})
	c := relayed(t, d, addr)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := io.Copy(io.Discard, c); err == nil {
		t.Error("the session ended in an orderly way")
	}
}
