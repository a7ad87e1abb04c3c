package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
)

// browser is a headless Chromium with one page, spoken to over a pipe: no port
// is opened for it.
type browser struct {
	t       *testing.T
	to      *os.File
	session string

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	console []string // errors that the page told of
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// openBrowser starts Chromium; it ends with the test.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := need.Tool(t, "chromium")
	profile, err := os.MkdirTemp("", "port843-browser-")
	if err != nil {
		t.Fatal(err)
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Root has no sandbox of its own, and /dev/shm is small in a container.
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{inR, outW}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	b := &browser{t: t, to: inW, waiting: map[int]chan answer{}}
	read := make(chan struct{})
	go func() { defer close(read); b.read(outR) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		inW.Close()
		<-read
		outR.Close()
		// Its helpers end by themselves, and write until they do.
		eventually(t, "the browser's files are gone", func() bool { return os.RemoveAll(profile) == nil })
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// read hands answers to whoever waits for them and keeps the page's errors.
func (b *browser) read(r *os.File) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			for id, c := range b.waiting {
				close(c)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		var m struct {
			answer
			ID     int
			Method string
			Params json.RawMessage
		}
		json.Unmarshal(text[:len(text)-1], &m)
		b.mu.Lock()
		if c := b.waiting[m.ID]; c != nil {
			c <- m.answer
			delete(b.waiting, m.ID)
		}
		if m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded" && strings.Contains(string(m.Params), `"level":"error"`) {
			b.console = append(b.console, string(m.Params))
		}
		b.mu.Unlock()
	}
}

// call sends a command of the browser's protocol and waits for its answer.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

func (b *browser) try(method string, params map[string]any, result any) error {
	c := make(chan answer, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = c
	b.mu.Unlock()
	message := map[string]any{"id": id, "method": method, "params": params}
	if params == nil {
		message["params"] = map[string]any{}
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		return err
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return errors.New("the browser has ended")
		case a.Error != nil:
			return errors.New(a.Error.Message)
		case result != nil:
			return json.Unmarshal(a.Result, result)
		}
		return nil
	case <-time.After(patience):
		return errors.New("no answer")
	}
}

// eval runs an expression in the page and stores its value in result.
func (b *browser) eval(expression string, result any) {
	b.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
	if out.ExceptionDetails != nil {
		b.t.Fatalf("%.200s: %s", expression, out.ExceptionDetails)
	}
	if result != nil {
		if err := json.Unmarshal(out.Result.Value, result); err != nil {
			b.t.Fatalf("%.200s: %s: %v", expression, out.Result.Value, err)
		}
	}
}

// is waits until an expression is true in the page.
func (b *browser) is(what, expression string) {
	b.t.Helper()
	eventually(b.t, what, func() bool {
		var yes bool
		b.eval("!!("+expression+")", &yes)
		return yes
	})
}

// open goes to a URL, at a size, in light or dark.
func (b *browser) open(url string, width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.is("the page is loaded", fmt.Sprintf("document.readyState === 'complete' && location.href.startsWith(%q)", strings.SplitN(url, "#", 2)[0]))
}

// picture returns what is to be seen of the page, from the top of an element
// to the height of the screen, as a PNG of that scale.
func (b *browser) picture(selector string, scale float64) []byte {
	b.t.Helper()
	var at struct{ Y, Width, Height float64 }
	b.eval(fmt.Sprintf("({y: document.querySelector(%q).getBoundingClientRect().top + scrollY, width: innerWidth, height: innerHeight})", selector), &at)
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{
		"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": at.Y, "width": at.Width, "height": at.Height, "scale": scale},
	}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// errors returns what the page complained of: scripts that failed, what the
// Content-Security-Policy refused, files that were not there.
func (b *browser) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.console
}
