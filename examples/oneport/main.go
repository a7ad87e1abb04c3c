// Command oneport shows what a front door does: one command puts an echo server
// behind one port, and Flash Player's own dance, an old client and a page all
// reach it there.
//
//	go run ./examples/oneport
//	go run ./examples/oneport -files htdocs -stay   # and open the page it names
//
// It needs nothing but Go: the port843 that it runs is built from this module,
// unless -port843 names another.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/policy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	fl := flag.NewFlagSet("oneport", flag.ContinueOnError)
	program := fl.String("port843", "", "run this `PROGRAM`; without it, this module's own is built")
	port := fl.String("port", "9000", "the one `PORT`")
	files := fl.String("files", "", "serve the page in `DIR` there too")
	stay := fl.Bool("stay", false, "go on until interrupted")
	if err := fl.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "oneport-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *program == "" {
		*program = filepath.Join(dir, "port843")
		if text, err := exec.Command("go", "build", "-o", *program, "github.com/port843/port843/cmd/port843").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	game, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer game.Close()
	go echo(game)

	front := net.JoinHostPort("127.0.0.1", *port)
	command := []string{"serve", "--front", front + "=" + game.Addr().String(), "--allow", "localhost:" + *port}
	if *files != "" {
		command = append(command, "--files", *files)
	}
	fmt.Fprintf(out, "$ port843 %s\n", strings.Join(command, " "))
	serve := exec.Command(*program, command...)
	end, err := start(serve)
	if err != nil {
		return err
	}
	defer end()
	visits := []func(context.Context, string, io.Writer) error{flash, oldClient, page}
	if *files != "" {
		visits = append(visits, reader)
	}
	for _, visit := range visits {
		if err := visit(ctx, front, out); err != nil {
			return err
		}
	}
	if *stay {
		fmt.Fprintf(out, "the page is at http://localhost:%s/\n", *port)
		<-ctx.Done()
	}
	return nil
}

// reader looks at the page that is served beside the game.
func reader(ctx context.Context, addr string, out io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	fmt.Fprintf(out, "a reader: %s, %s\n", res.Status, res.Header.Get("Content-Type"))
	return nil
}

// echo is the game: it repeats what it hears.
func echo(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); io.Copy(c, c) }()
	}
}

// start starts the command and returns when it serves. The function that it
// returns ends it.
func start(cmd *exec.Cmd) (end func(), err error) {
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end = func() { cmd.Process.Kill(); cmd.Wait() }
	var log bytes.Buffer
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "front: serving") {
			go io.Copy(io.Discard, said)
			return end, nil
		}
		log.WriteString(lines.Text() + "\n")
	}
	end()
	return nil, errors.New("port843 does not serve: " + log.String())
}

// flash does as Flash Player does where port 843 is silent: it asks the port
// itself, and comes again with the traffic.
func flash(ctx context.Context, addr string, out io.Writer) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, policy.Request)
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	p, err := policy.Parse(bytes.TrimSuffix(answer, []byte{0}))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Flash's dance: the policy permits %s to reach %s\n", p.Rules[0].Domain, p.Rules[0].Ports)
	return say(ctx, addr, "hello from Flash", out)
}

// oldClient speaks the game's protocol, and begins as a policy request does.
func oldClient(ctx context.Context, addr string, out io.Writer) error {
	return say(ctx, addr, "<", out)
}

func say(ctx context.Context, addr, text string, out io.Writer) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, text)
	heard := make([]byte, len(text))
	if _, err := io.ReadFull(c, heard); err != nil {
		return err
	}
	fmt.Fprintf(out, "raw: said %q, heard %q\n", text, heard)
	return nil
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		c.SetDeadline(time.Now().Add(time.Minute))
	}
	return c, err
}

// page does as Ruffle does in a page of localhost.
func page(ctx context.Context, addr string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://localhost"}}})
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte("hello from a page")); err != nil {
		return err
	}
	_, heard, err := ws.Read(ctx)
	fmt.Fprintf(out, "a page: heard %q\n", heard)
	return err
}
