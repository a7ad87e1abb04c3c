package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/internal/need"
)

// patience bounds every wait of these tests; none needs it to pass.
const patience = 2 * time.Minute

// browser is one page of a headless Chromium, driven over the DevTools
// protocol.
type browser struct {
	ctx context.Context
	ws  *websocket.Conn

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	events  []event
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// event is what the browser tells by itself.
type event struct {
	Method string
	Params json.RawMessage
}

// startBrowser starts Chromium in which every name of ours is this machine,
// and no other name is anywhere.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := need.Tool(t, "chromium")
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	dir := t.TempDir()
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", "--window-size=640,360",
		"--host-resolver-rules=MAP *.example.com 127.0.0.1, MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--user-data-dir="+dir, "--remote-debugging-port=0", "about:blank")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		// Its helpers end a moment later, and still write; the folder must be
		// gone when t.TempDir removes it.
		eventually(t, "the browser's folder is given back", func() bool { return os.RemoveAll(dir) == nil })
	})
	var port string
	eventually(t, "the browser listens", func() bool {
		data, err := os.ReadFile(filepath.Join(dir, "DevToolsActivePort"))
		port, _, _ = strings.Cut(string(data), "\n")
		return err == nil && port != ""
	})
	b := &browser{ctx: ctx, waiting: map[int]chan answer{}}
	var err error
	if b.ws, _, err = websocket.Dial(ctx, pageURL(t, port), nil); err != nil {
		t.Fatal(err)
	}
	b.ws.SetReadLimit(-1)
	t.Cleanup(func() { b.ws.CloseNow() })
	go b.listen()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(t, domain+".enable", nil, nil)
	}
	return b
}

// pageURL is where the browser's first page is driven.
func pageURL(t *testing.T, port string) (url string) {
	t.Helper()
	eventually(t, "the browser has a page", func() bool {
		res, err := http.Get("http://127.0.0.1:" + port + "/json/list")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		var pages []struct{ Type, WebSocketDebuggerURL string }
		if json.NewDecoder(res.Body).Decode(&pages) != nil {
			return false
		}
		for _, p := range pages {
			if p.Type == "page" {
				url = p.WebSocketDebuggerURL
			}
		}
		return url != ""
	})
	return url
}

func (b *browser) listen() {
	for {
		_, data, err := b.ws.Read(b.ctx)
		if err != nil {
			return
		}
		var m struct {
			ID int
			event
			answer
		}
		if json.Unmarshal(data, &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID != 0 {
			b.waiting[m.ID] <- m.answer
			delete(b.waiting, m.ID)
		} else {
			b.events = append(b.events, m.event)
		}
		b.mu.Unlock()
	}
}

// call calls a method of the protocol.
func (b *browser) call(t testing.TB, method string, params, result any) {
	t.Helper()
	b.mu.Lock()
	b.last++
	id, done := b.last, make(chan answer, 1)
	b.waiting[id] = done
	b.mu.Unlock()
	data, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err == nil {
		err = b.ws.Write(b.ctx, websocket.MessageText, data)
	}
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	select {
	case a := <-done:
		if a.Error != nil {
			t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
	case <-b.ctx.Done():
		t.Fatalf("%s: no answer", method)
	}
}

// eval runs an expression in the page and decodes its value.
func (b *browser) eval(t testing.TB, expression string, value any) {
	t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		t.Fatalf("%s: %s %s", expression, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	if value != nil && len(r.Result.Value) > 0 {
		if err := json.Unmarshal(r.Result.Value, value); err != nil {
			t.Fatalf("%s: %v in %s", expression, err, r.Result.Value)
		}
	}
}

// open goes to a page and forgets what the last one told.
func (b *browser) open(t testing.TB, url string) {
	t.Helper()
	b.mu.Lock()
	b.events = nil
	b.mu.Unlock()
	var r struct{ ErrorText string }
	b.call(t, "Page.navigate", map[string]any{"url": url}, &r)
	if r.ErrorText != "" {
		t.Fatalf("%s: %s", url, r.ErrorText)
	}
}

// told returns what the page's log and its WebSockets say, a line each.
func (b *browser) told() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	for _, e := range b.events {
		switch e.Method {
		case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.webSocketFrameError", "Network.webSocketHandshakeResponseReceived", "Network.webSocketClosed", "Network.loadingFailed":
			fmt.Fprintf(&out, "%s %s\n", e.Method, e.Params)
		}
	}
	return out.String()
}

// screenshot returns the page as PNG.
func (b *browser) screenshot(t testing.TB) []byte {
	t.Helper()
	var r struct{ Data string }
	b.call(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil || len(png) == 0 {
		t.Fatal(errors.Join(err, errors.New("no screenshot")))
	}
	return png
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
