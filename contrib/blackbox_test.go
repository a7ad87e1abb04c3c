package contrib

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/server"
)

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestBlackboxExporter has the real exporter ask a server of ours, and one that
// is not there.
func TestBlackboxExporter(t *testing.T) {
	tool := need.Tool(t, "prometheus-blackbox-exporter")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{})
	l, err := s.Start(ln, server.Policies{Default: server.DenyAll()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())

	web := freeAddress(t)
	cmd := exec.Command(tool, "--config.file=blackbox/blackbox.yml", "--web.listen-address="+web)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	probe := func(target string) (string, error) {
		resp, err := http.Get("http://" + web + "/probe?module=flash_socket_policy&target=" + target)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	end := time.Now().Add(time.Minute)
	for _, c := range []struct{ target, want string }{
		{l.Addr().String(), "\nprobe_success 1\n"},
		{freeAddress(t), "\nprobe_success 0\n"},
	} {
		body, err := probe(c.target)
		for err != nil && time.Now().Before(end) { // it is still starting
			time.Sleep(10 * time.Millisecond)
			body, err = probe(c.target)
		}
		if err != nil || !strings.Contains(body, c.want) {
			t.Errorf("%s: %v, want %q in\n%s", c.target, err, c.want, body)
		}
	}
}
