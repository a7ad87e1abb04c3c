package frontdoor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/port843/port843/frontdoor"
)

// mortal is an echo server that dies with all its connections, and comes back.
type mortal struct {
	addr  string
	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

func (m *mortal) live(t *testing.T) {
	addr := m.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	m.mu.Lock()
	m.ln, m.addr, m.conns = ln, ln.Addr().String(), map[net.Conn]struct{}{}
	m.mu.Unlock()
	m.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			dead := m.ln != ln
			if !dead {
				m.conns[c] = struct{}{}
			}
			m.mu.Unlock()
			if dead {
				c.Close()
				continue
			}
			m.wg.Go(func() {
				io.Copy(c, c)
				c.Close()
				m.mu.Lock()
				delete(m.conns, c)
				m.mu.Unlock()
			})
		}
	})
}

func (m *mortal) die() {
	m.mu.Lock()
	m.ln.Close()
	m.ln = nil
	for c := range m.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// visit is one client; whatever happens to it, it ends.
func visit(ctx context.Context, addr string, i int) error {
	if i%4 == 3 {
		ws, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {page}}})
		if err != nil {
			return err
		}
		defer ws.CloseNow()
		if err := ws.Write(ctx, websocket.MessageBinary, []byte("hello")); err != nil {
			return err
		}
		if _, _, err := ws.Read(ctx); err != nil {
			return err
		}
		if i%8 == 3 {
			return ws.Close(websocket.StatusNoStatusRcvd, "")
		}
		return nil
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	end, _ := ctx.Deadline()
	c.SetDeadline(end)
	say := []string{"hello", request, "hello"}[i%4]
	if i%64 == 2 {
		say = "<" // without a backend it is heard out, which takes its time
	}
	if _, err := io.WriteString(c, say); err != nil {
		return err
	}
	if say == request {
		got, err := io.ReadAll(c)
		if err == nil && !strings.Contains(string(got), inBand) {
			err = fmt.Errorf("the policy is %q", got)
		}
		return err
	}
	turns := 1
	if i%8 == 4 {
		turns = exchanges // an event loop takes it over on the way
	}
	for {
		if _, err = io.ReadFull(c, make([]byte, len(say))); err != nil {
			return err
		}
		if turns--; turns == 0 {
			return nil
		}
		if _, err = io.WriteString(c, say); err != nil {
			return err
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestNothingLeaks sends ten thousand clients through while the backends die
// and come back under them.
func TestNothingLeaks(t *testing.T) {
	const clients, atOnce = 10_000, 32
	first, second := &mortal{}, &mortal{}
	first.live(t)
	second.live(t)
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	d, addr := open(t, frontdoor.Options{Backends: []string{first.addr, second.addr}})

	var next, good, policies atomic.Int64
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for i := next.Add(1); i <= clients; i = next.Add(1) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				err := visit(ctx, addr, int(i))
				if ctx.Err() != nil {
					t.Errorf("client %d hangs: %v", i, err)
				}
				cancel()
				if err == nil {
					good.Add(1)
				}
				if i%4 == 1 {
					policies.Add(1)
					if err != nil {
						t.Errorf("a policy request failed: %v", err)
					}
				}
			}
		})
	}
	deaths := 0
	for step := int64(clients / 10); step < clients; step += clients / 10 {
		eventually(t, "the clients come", func() bool { return next.Load() >= step })
		one := []*mortal{first, second}[deaths%2]
		one.die()
		if deaths%3 == 2 { // now and then both are dead for a while
			other := []*mortal{first, second}[(deaths+1)%2]
			other.die()
			was := d.Stats().NoBackend
			eventually(t, "clients find no backend", func() bool { return d.Stats().NoBackend > was || next.Load() >= clients })
			other.live(t)
		}
		one.live(t)
		deaths++
	}
	running.Wait()
	if deaths < 5 || good.Load() < clients/2 || policies.Load() != clients/4 {
		t.Errorf("%d deaths, %d of %d clients served, %d policies", deaths, good.Load(), clients, policies.Load())
	}
	eventually(t, "every connection has ended", func() bool { return d.Stats().Open == 0 })
	eventually(t, "each backend is up again", func() bool { b := d.Stats().Backends; return b[0].Up && b[1].Up })
	d.Close()
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the goroutines are back where they were", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	eventually(t, "the descriptors are back where they were", func() bool { return descriptors(t) <= fds+4 })
	t.Logf("%d of %d clients served over %d deaths; %+v", good.Load(), clients, deaths, d.Stats())
	first.die()
	second.die()
}
