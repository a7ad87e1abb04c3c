package conform_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
	"github.com/port843/port843/server"
)

// ownServer serves badserver.Policy on address by this module's server.
func ownServer(address string) (*server.Server, string, error) {
	answer, err := server.NewAnswer([]byte(badserver.Policy))
	if err != nil {
		return nil, "", err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", err
	}
	s := server.New(server.Options{Limits: server.Limits{Deadline: 2 * time.Second}})
	_, err = s.Start(ln, server.Policies{Default: answer})
	return s, ln.Addr().String(), err
}

// serveOwn is the test binary as that server, until it is killed.
func serveOwn(address string) int {
	if _, _, err := ownServer(address); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	select {}
}

// TestServer runs the suite against this module's own server.
func TestServer(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			s, at, err := ownServer(address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				// Whatever the suite left lingering is closed.
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}()
			opts := options()
			opts.Idle, opts.Garbage = conform.DefaultIdle, conform.DefaultGarbage
			report := run(t, at, opts)
			if report.Failed() || ids(report, conform.NotRun) != "descriptors" {
				t.Errorf("%s\n%s", report.Summary(), seen(report))
			}
		})
	}
}
