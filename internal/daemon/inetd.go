package daemon

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/port843/port843/server"
)

// Inetd serves the one connection that stdin is, as inetd and systemd with
// Accept=yes hand it over, and returns how it ended. Where stdin is no socket
// (a pipe, a terminal) the answer goes to stdout. Nothing else is ever written:
// standard error may be the client too.
func Inetd(s Source, limits server.Limits, stdin, stdout *os.File) (server.Outcome, error) {
	loaded, err := s.Load()
	if err != nil {
		return 0, err
	}
	deadline := limits.Deadline
	if deadline <= 0 {
		deadline = server.DefaultDeadline
	}
	// FileConn makes whatever it is given non-blocking before it looks whether
	// it is a socket; a pipe would be spoilt by that.
	if info, err := stdin.Stat(); err != nil || info.Mode()&os.ModeSocket == 0 {
		return server.Exchange(pipes{stdin, stdout}, nil, func() *server.Answer { return loaded.Policies.Default }, nil), nil
	}
	c, err := net.FileConn(stdin)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stream, ok := c.(server.Stream)
	if !ok {
		return 0, net.UnknownNetworkError(c.LocalAddr().Network())
	}
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		return 0, err
	}
	return server.Exchange(stream, nil, func() *server.Answer { return loaded.Policies.For(c.LocalAddr()) }, nil), nil
}

// pipes is a stream over two files. Closing the output is the end; there is no
// reset to fear, so nothing is drained.
type pipes struct {
	io.Reader
	out *os.File
}

func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p pipes) CloseWrite() error           { return errors.Join(p.out.Close(), errors.ErrUnsupported) }
