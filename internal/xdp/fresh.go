package xdp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/policy"
)

// refreshPatience bounds a [Refresh]: it is a connection of this machine to
// itself.
const refreshPatience = 5 * time.Second

// Refresh keeps the careful path of a listening socket open: it asks for the
// policy at address, which must be an address of this machine, as a client
// does, over the loopback and so past the program. The kernel answers with a
// cookie of its own then, and takes cookies for this socket for the next two
// minutes. limit bounds what is read of the answer.
func Refresh(ctx context.Context, address string, limit int64) error {
	d := net.Dialer{Timeout: refreshPatience}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(refreshPatience))
	if _, err := io.WriteString(c, policy.Request); err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(c, limit))
	switch {
	case err != nil:
		return err
	case len(got) == 0 || got[len(got)-1] != 0:
		return errors.New("no whole answer came")
	}
	return nil
}

// SynCookies returns net.ipv4.tcp_syncookies of this network namespace, which
// is for IPv6 too, and whether it could be read.
func SynCookies() (int, bool) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_syncookies")
	if err != nil {
		return 0, false
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return v, err == nil
}

// CheckCookies returns ErrCookies where the setting has been changed: the
// kernel then resets what the program passes on.
func CheckCookies() error {
	if v, ok := SynCookies(); ok && v != cookiesAlways {
		return fmt.Errorf("%w but %d", ErrCookies, v)
	}
	return nil
}

// cookiesAlways is the value of tcp_syncookies that makes the kernel answer
// every SYN with a cookie, and take every cookie.
const cookiesAlways = 2
