// Command front measures the front door against HAProxy in TCP mode, against
// websockify and against no proxy at all, in one interleaved run: each round
// measures everyone, one after the other, and the medians are printed.
//
//	go run ./bench/front [-rounds 5] [-idle 50000]
//
// Every proxy is a process of its own, before the same echo server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

const (
	origin = "http://bench.example.com"
	rules  = `<cross-domain-policy><allow-access-from domain="*.example.com" to-ports="*"/></cross-domain-policy>`

	bulk      = 1 << 30 // bytes of a raw stream
	pings     = 20_000  // messages there and back, one at a time
	visits    = 2_000   // connections with one byte there and back
	messages  = 50_000  // WebSocket messages of messageSize, window at a time
	window    = 64
	messageSz = 64
	stream    = 128 << 20 // bytes through a WebSocket, in messages of 64 KiB
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "echo" {
		check(echo(os.Args[2]))
		return
	}
	if len(os.Args) > 3 && os.Args[1] == "door" {
		check(door(os.Args[2], os.Args[3]))
		return
	}
	rounds := flag.Int("rounds", 5, "measure everyone `N` times")
	idle := flag.Int("idle", 50_000, "hold `N` idle WebSockets; 0: none")
	flag.Parse()
	check(measure(*rounds, *idle))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// echo repeats what it hears. A connection that begins with "S" is a sink: it
// is counted, and answered by one byte at its end.
func echo(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			b := make([]byte, 4<<10)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if b[0] == 'S' {
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
				c.Write([]byte("."))
				return
			}
			for err == nil {
				if _, err = c.Write(b[:n]); err == nil {
					n, err = c.Read(b)
				}
			}
		}()
	}
}

// door is the front door, with a source address for each connection to the
// backend, since one alone has 28,000 ports.
func door(addr, backend string) error {
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		return err
	}
	var n atomic.Uint32
	d, err := frontdoor.New(frontdoor.Options{
		Policy: p, Port: 9000, Limits: frontdoor.Limits{MaxConnections: 1 << 20, MaxPerAddress: 1 << 20},
		Dial: func(ctx context.Context, _, _ net.Addr) (net.Conn, error) {
			return source(n.Add(1)).DialContext(ctx, "tcp", backend)
		},
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return d.Serve(ln)
}

func source(n uint32) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n/20_000)+1)}}
}

type process struct {
	name, addr string
	cmd        *exec.Cmd
}

func start(name, addr string, args ...string) (*process, error) {
	p := &process{name, addr, exec.Command(args[0], args[1:]...)}
	p.cmd.Stderr = io.Discard
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return p, nil
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s does not listen on %s", name, addr)
}

func (p *process) stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func free() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer ln.Close()
	return ln.Addr().String()
}

const haproxyConfig = `
global
  maxconn 2000
defaults
  mode tcp
  option splice-auto
  option tcp-smart-accept
  timeout connect 3s
  timeout client 1h
  timeout server 1h
listen front
  bind %s
  server game %s
`

// field is everyone who is measured.
type field struct {
	game, ours, haproxy, websockify *process
	dir                             string
}

// startAll starts everyone. What was started is stopped by stop, after an
// error too.
func startAll() (f *field, err error) {
	f = &field{}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	if f.dir, err = os.MkdirTemp("", "bench-front"); err != nil {
		return f, err
	}
	back, addr, haddr, waddr := free(), free(), free(), free()
	conf := filepath.Join(f.dir, "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConfig, haddr, back), 0o644); err != nil {
		return f, err
	}
	if f.game, err = start("direct", back, self, "echo", back); err != nil {
		return f, err
	}
	if f.ours, err = start("port843", addr, self, "door", addr, back); err != nil {
		return f, err
	}
	if f.haproxy, err = start("HAProxy", haddr, "haproxy", "-f", conf); err != nil {
		return f, err
	}
	f.websockify, err = start("websockify", waddr, "websockify", waddr, back)
	return f, err
}

func (f *field) stop() {
	for _, p := range []*process{f.websockify, f.haproxy, f.ours, f.game} {
		if p != nil {
			p.stop()
		}
	}
	os.RemoveAll(f.dir)
}

func measure(rounds, idle int) error {
	f, err := startAll()
	defer f.stop()
	if err != nil {
		return err
	}
	got := map[string][]float64{}
	for round := range rounds {
		raws := []*process{f.game, f.haproxy, f.ours}
		slices.Reverse(raws[:1+round%3]) // nobody is always first
		for _, p := range raws {
			if err := raw(p, got); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		for _, p := range []*process{f.websockify, f.ours} {
			if err := gateway(p, got); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		v := got[name]
		slices.Sort(v)
		fmt.Printf("%-52s %12.1f   (%.1f to %.1f)\n", name, v[len(v)/2], v[0], v[len(v)-1])
	}
	if idle > 0 {
		return hold(f.ours, idle)
	}
	return nil
}

func note(got map[string][]float64, what, who string, v float64) {
	got[what+": "+who] = append(got[what+": "+who], v)
}

// raw measures one raw stream, round trips, and connections with one byte.
func raw(p *process, got map[string][]float64) error {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	chunk := []byte("S" + strings.Repeat("x", 256<<10-1))
	for n := 0; n < bulk; n += len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			return err
		}
	}
	c.(*net.TCPConn).CloseWrite()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		return err
	}
	note(got, "raw, one stream, MB/s", p.name, bulk/1e6/time.Since(began).Seconds())

	if c, err = net.Dial("tcp", p.addr); err != nil {
		return err
	}
	defer c.Close()
	times := make([]float64, 0, pings)
	b := []byte("<twenty-two bytes long")
	for range pings {
		began := time.Now()
		if err := roundTrip(c, b); err != nil {
			return err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
	}
	slices.Sort(times)
	note(got, "raw, 22 bytes there and back, median µs", p.name, times[pings/2])
	note(got, "raw, 22 bytes there and back, 99 % µs", p.name, times[pings*99/100])

	times = times[:0]
	for range visits {
		began := time.Now()
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			return err
		}
		if err := roundTrip(c, []byte("<")); err != nil {
			return err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
		c.(*net.TCPConn).SetLinger(0) // no TIME-WAIT: the next round needs the ports
		c.Close()
	}
	slices.Sort(times)
	note(got, "raw, connect and one \"<\" there and back, median µs", p.name, times[visits/2])
	return nil
}

func roundTrip(c net.Conn, b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, len(b)))
	return err
}

func open(addr string, n uint32) (*websocket.Conn, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: source(n).DialContext}}
	ws, _, err := websocket.Dial(context.Background(), "ws://"+addr, &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {origin}}})
	if err == nil {
		ws.SetReadLimit(-1)
	}
	return ws, err
}

// gateway measures messages and bytes through a WebSocket.
func gateway(p *process, got map[string][]float64) error {
	for _, m := range []struct {
		what       string
		size, n    int
		perSecond  float64
		windowSize int
	}{
		{"gateway, messages of 64 bytes, one at a time, 1/s", messageSz, messages / 5, messages / 5, 1},
		{"gateway, messages of 64 bytes, 64 under way, 1/s", messageSz, messages, messages, window},
		{"gateway, messages of 64 KiB there and back, MB/s", 64 << 10, stream / (64 << 10), stream / 1e6, 8},
	} {
		ws, err := open(p.addr, 0)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := pump(ws, m.size, m.n, m.windowSize); err != nil {
			return err
		}
		note(got, m.what, p.name, m.perSecond/time.Since(began).Seconds())
		ws.CloseNow()
	}
	return nil
}

// pump sends n messages, window of them under way, and reads as many bytes.
func pump(ws *websocket.Conn, size, n, window int) error {
	ctx := context.Background()
	tokens := make(chan struct{}, window)
	failed := make(chan error, 1)
	go func() {
		b := make([]byte, size)
		for range n {
			tokens <- struct{}{}
			if err := ws.Write(ctx, websocket.MessageBinary, b); err != nil {
				failed <- err
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for got, freed := 0, 0; got < n*size; {
		_, r, err := ws.Reader(ctx)
		if err != nil {
			return errors.Join(err, drained(failed))
		}
		for {
			k, err := r.Read(buf)
			got += k
			for ; freed < got/size; freed++ {
				<-tokens
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func drained(c chan error) error {
	select {
	case err := <-c:
		return err
	default:
		return nil
	}
}

// hold opens idle WebSockets and tells what each costs the door.
func hold(p *process, n int) error {
	before, err := resident(p)
	if err != nil {
		return err
	}
	for i := range n {
		ws, err := open(p.addr, uint32(i))
		if err != nil {
			return fmt.Errorf("after %d: %w", i, err)
		}
		defer ws.CloseNow()
	}
	time.Sleep(5 * time.Second) // for the collector: this is a measure, not a test
	after, err := resident(p)
	if err != nil {
		return err
	}
	fmt.Printf("%-52s %12.1f   (resident %d MiB)\n", fmt.Sprintf("%d idle WebSockets, KiB each", n), float64(after-before)/1024/float64(n), after>>20)
	return nil
}

func resident(p *process) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	return pages * os.Getpagesize(), err
}
