package conform_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
	"github.com/port843/port843/internal/need"
)

// TestNginx runs the suite against the recipe that is copied most: nginx's
// stream module with return. It never reads the request, so each of its
// answers is ended by RST, and it sends no NUL.
func TestNginx(t *testing.T) {
	t.Parallel()
	nginx := need.Tool(t, "nginx")
	module := need.File(t, "/usr/lib/nginx/modules/ngx_stream_module.so")
	address := freeAddress(t)
	prefix := t.TempDir()
	conf := filepath.Join(prefix, "nginx.conf")
	text := fmt.Sprintf(`load_module %s;
daemon off;
master_process off;
pid %s/nginx.pid;
error_log stderr;
events { worker_connections 4096; }
stream { server { listen %s; return '%s'; } }
`, module, prefix, address, badserver.Policy)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(nginx, "-p", prefix, "-e", "stderr", "-c", conf)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}()
	for listening := false; !listening; {
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", said.String())
		case <-time.After(10 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			listening = true
		}
	}

	report := run(t, address, options())
	want := sorted(mustFail["answers-unread"] + " answer-nul")
	if got := ids(report, conform.Fail); got != want {
		t.Errorf("nginx fails\n  %s\nwant\n  %s\n%s", got, want, seen(report))
	}
	if first := report.Results[0]; first.Case.ID != "exact-request" || !strings.Contains(first.Seen, "RST after the answer") {
		t.Errorf("%s: %s, which does not name the RST", first.Case.ID, first.Seen)
	}
	t.Logf("%s in %s", report.Summary(), report.Elapsed)
}
