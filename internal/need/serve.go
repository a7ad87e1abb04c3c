package need

import (
	"net"
	"testing"
)

// Serve listens on addr ("127.0.0.1:0" for any port) and hands every
// connection to handle in a goroutine of its own, until the test is over. The
// connection is closed when handle returns. It returns the port.
func Serve(t testing.TB, addr string, handle func(net.Conn)) uint16 {
	t.Helper()
	return uint16(Listen(t, addr, handle).Addr().(*net.TCPAddr).Port)
}

// Listen is Serve for who wants to close the listener before the test is over.
func Listen(t testing.TB, addr string, handle func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); handle(c) }()
		}
	}()
	return l
}
