package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
)

// driver lets the test call the movie that "build --target ruffle" put into
// the page, and hear what it says.
const driver = `<script>
  const told = [];
  window.flash = (event, data) => { told.push([event, String(data)]); };
  Object.assign(window.RufflePlayer.config, {autoplay: "on", unmuteOverlay: "hidden", splashScreen: false, allowScriptAccess: true, preferredRenderer: "canvas"});
  window.call = (name, ...args) => document.querySelector("ruffle-object").ruffle().callExternalInterface(name, ...args);
</script>
`

// program builds port843 and returns its path, in a folder that every user may
// read: it becomes another when root starts it.
func program(t *testing.T) (dir, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "port843-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "port843")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/port843").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir, path
}

// startProgram runs port843 until the test is over, and returns when it serves.
func startProgram(t *testing.T, path string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	serves, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		b := make([]byte, 4096)
		for serving := false; ; {
			n, err := said.Read(b)
			log.Write(b[:n])
			if !serving && strings.Contains(log.String(), "front: serving") {
				serving = true
				close(serves)
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		cmd.Wait()
		if t.Failed() {
			t.Logf("port843 said:\n%s", log.String())
		}
	})
	select {
	case <-serves:
	case <-over:
		t.Fatal("port843 ended")
	case <-time.After(patience):
		t.Fatal("port843 does not serve")
	}
}

// TestOneCommandOnePort: one command serves the page, the SWF, Ruffle, the
// policy, the WebSocket and the game itself on one port; the page is the one
// that "build --target ruffle" prints, and the echo server is the same for all.
func TestOneCommandOnePort(t *testing.T) {
	need.File(t, filepath.Join(ruffleDir, "ruffle.js"))
	b := startBrowser(t)
	dir, path := program(t)
	echo := serve(t, func(c net.Conn) { io.Copy(c, c) })
	ln := listen(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()

	config := filepath.Join(dir, "port843.toml")
	htdocs := filepath.Join(dir, "htdocs")
	text := strings.NewReplacer("PORT", port, "ECHO", echo).Replace(`[[owner]]
name = "games"
hosts = ["games.example.com"]
ports = "PORT"
domains = ["*.example.com"]
[[service]]
name = "echo"
owner = "games"
ports = "PORT"
allow = ["games.example.com"]
backend = ["ECHO"]
`)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	snippet, err := exec.Command(path, "build", "--config", config, "--target", "ruffle", "--scheme", "ws").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(htdocs, "ruffle"), os.DirFS(ruffleDir)); err != nil {
		t.Fatal(err)
	}
	swf, err := os.ReadFile("testdata/SocketClient.swf")
	if err != nil {
		t.Fatal(err)
	}
	page := "<!DOCTYPE html>\n<title>one port</title>\n" + string(snippet) + driver
	for name, content := range map[string][]byte{"index.html": []byte(page), "game.swf": swf} {
		if err := os.WriteFile(filepath.Join(htdocs, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	startProgram(t, path, "serve", "--front", "127.0.0.1:"+port+"="+echo, "--allow", "games.example.com:"+port, "--files", htdocs)
	g := b.play(t, "http://games.example.com:"+port+"/")
	g.do("connectTo", "games.example.com", port)
	g.wait("connect")
	g.do("send", "hello")
	if got := g.wait("data"); got != "hello" {
		t.Errorf("Ruffle hears %q", got)
	}
	flashDance(t, "127.0.0.1:"+port, port)
	g.do("sendMany", 100_000)
	g.hears(100_000)
}
