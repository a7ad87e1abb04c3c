package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/policy"
)

// TestOnePort: Flash's dance, an old client and a page, on the same port.
func TestOnePort(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door, err := newDoor()
	if err != nil {
		t.Fatal(err)
	}
	go door.Serve(ln)
	go serve(door)
	defer door.Close()

	ask, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()
	ask.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(ask, policy.Request)
	if got, err := io.ReadAll(ask); err != nil || !strings.Contains(string(got), "games.example.com") {
		t.Fatalf("%q, %v", got, err)
	}

	old, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	old.SetDeadline(time.Now().Add(time.Minute))
	heard := bufio.NewScanner(old)
	io.WriteString(old, "I am old\n")
	if !heard.Scan() || !strings.HasSuffix(heard.Text(), "I am old") {
		t.Fatalf("%q, %v", heard.Text(), heard.Err())
	}
	ws, _, err := websocket.Dial(ctx, "ws://"+ln.Addr().String(), &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://games.example.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte("I am a page\n")); err != nil {
		t.Fatal(err)
	}
	if !heard.Scan() || !strings.HasSuffix(heard.Text(), "I am a page") {
		t.Errorf("%q, %v", heard.Text(), heard.Err())
	}
}
