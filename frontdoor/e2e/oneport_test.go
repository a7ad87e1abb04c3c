package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
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

// onePort is one service, with what is needed to serve it and its page.
type onePort struct {
	t                  *testing.T
	program, config    string // paths
	htdocs, port, echo string
}

// newOnePort makes a folder with the page that "build --target ruffle" prints,
// the movie and Ruffle, and a config that says more of the service.
func newOnePort(t *testing.T, scheme, more string) *onePort {
	t.Helper()
	need.File(t, filepath.Join(ruffleDir, "ruffle.js"))
	dir, path := program(t)
	o := &onePort{t: t, program: path, config: filepath.Join(dir, "port843.toml"), htdocs: filepath.Join(dir, "htdocs"), port: freePort(t)}
	o.echo = serve(t, func(c net.Conn) { io.Copy(c, c) })
	o.write("port843.toml", strings.NewReplacer("LISTEN", "127.0.0.1:"+freePort(t), "PORT", o.port, "ECHO", o.echo).Replace(`[serve]
listen = ["LISTEN"]
[[owner]]
name = "games"
hosts = ["games.example.com"]
ports = "PORT"
domains = ["*.example.com"]
[[service]]
name = "echo"
owner = "games"
address = "127.0.0.1"
host = "games.example.com"
ports = "PORT"
allow = ["games.example.com"]
backend = ["ECHO"]
`)+more)
	snippet, err := exec.Command(path, "build", "--config", o.config, "--target", "ruffle", "--scheme", scheme).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(o.htdocs, "ruffle"), os.DirFS(ruffleDir)); err != nil {
		t.Fatal(err)
	}
	swf, err := os.ReadFile("testdata/SocketClient.swf")
	if err != nil {
		t.Fatal(err)
	}
	o.write("htdocs/game.swf", string(swf))
	o.write("htdocs/index.html", "<!DOCTYPE html>\n<title>one port</title>\n"+string(snippet)+driver)
	return o
}

// write puts a file beside the config.
func (o *onePort) write(name, content string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.config), name), []byte(content), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// holds has Ruffle in the page, Flash and an old client reach the same server
// at the same time.
func (o *onePort) holds(b *browser, scheme string) {
	o.t.Helper()
	g := b.play(o.t, scheme+"://games.example.com:"+o.port+"/")
	g.do("connectTo", "games.example.com", o.port)
	g.wait("connect")
	g.do("send", "hello")
	if got := g.wait("data"); got != "hello" {
		o.t.Errorf("Ruffle hears %q", got)
	}
	flashDance(o.t, "127.0.0.1:"+o.port, o.port)
	g.do("sendMany", 100_000)
	g.hears(100_000)
}

// TestOneCommandOnePort: one command serves the page, the SWF, Ruffle, the
// policy, the WebSocket and the game itself on one port; the page is the one
// that "build --target ruffle" prints, and the echo server is the same for all.
func TestOneCommandOnePort(t *testing.T) {
	b := startBrowser(t)
	o := newOnePort(t, "ws", "")
	startProgram(t, o.program, "serve", "--front", "127.0.0.1:"+o.port+"="+o.echo, "--allow", "games.example.com:"+o.port, "--files", o.htdocs)
	o.holds(b, "http")
}

// TestOneConfigOnePort: the same from a config, with a certificate: the page
// is at https, and its WebSocket at wss, on the port on which old clients speak
// in the clear.
func TestOneConfigOnePort(t *testing.T) {
	b := startBrowser(t)
	o := newOnePort(t, "wss", "cert = \"c.pem\"\nkey = \"k.pem\"\nfiles = \"htdocs\"\n")
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	pair := s.TLS.Certificates[0]
	s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o.write("c.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	o.write("k.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	startProgram(t, o.program, "serve", "--config", o.config)
	o.holds(b, "https")
}
