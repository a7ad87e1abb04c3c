package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// FallbackPort is where the server listens when it was given no address and
// may not have port 843.
const FallbackPort = 10843

// The names by which sockets are handed over, by systemd (FileDescriptorName=)
// and by a predecessor.
const (
	nameAdmin  = "port843-admin"
	nameFast   = "port843-fast" // a descriptor of the fast path, no socket
	nameFront  = "port843-front"
	namePolicy = "port843"
)

// socket is a listening socket that was handed over.
type socket struct {
	ln   net.Listener
	kind string // nameAdmin, nameFront, or namePolicy for every other
	// asked is the address that a predecessor was asked to listen on, which
	// may be less definite than the socket's own; "" from systemd.
	asked string
}

// CleanAddress completes an address to listen on: "843" and ":843" mean every
// address, a host alone means port 843 there.
func CleanAddress(s string) (string, error) {
	if s != "" && strings.Trim(s, "0123456789") == "" {
		s = ":" + s
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), strconv.Itoa(policy.MasterPort)
		if _, ipErr := netip.ParseAddr(host); ipErr != nil && strings.ContainsAny(host, ":/ ") || host == "" {
			return "", fmt.Errorf("%q is not an address to listen on: %w", s, err)
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not an address to listen on: %q is not a port", s, port)
	}
	return net.JoinHostPort(host, port), nil
}

// bind opens a listening socket for policies. Multipath TCP stays off: no
// client of this protocol speaks it.
func (d *daemon) bind(ctx context.Context, address string) (net.Listener, error) {
	if d.o.ReusePort {
		lc := net.ListenConfig{Control: reusePort}
		lc.SetMultipathTCP(false)
		return lc.Listen(ctx, "tcp", address)
	}
	return server.Listen(ctx, "tcp", address)
}

// inherit takes the sockets that a predecessor or systemd handed over, and a
// predecessor's fast path.
func (d *daemon) inherit() ([]socket, []xdp.Inherited, error) {
	files, names, ready := takenOver()
	d.predecessor = ready
	files, names, paths := inheritedPaths(files, names)
	if ready == nil {
		for name, fs := range activation.FilesWithNames() {
			for _, f := range fs {
				files, names = append(files, f), append(names, name)
			}
		}
	}
	var out []socket
	for i, f := range files {
		ln, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("the socket %q that was handed over is not a listening one: %w", names[i], err)
		}
		name, asked, _ := strings.Cut(names[i], "=")
		out = append(out, socket{ln, kindOf(name), asked})
	}
	slices.SortStableFunc(out, func(a, b socket) int { return strings.Compare(a.ln.Addr().String(), b.ln.Addr().String()) })
	return out, paths, nil
}

// sameAddress reports whether a listening socket is the one that an address
// asks for. Every spelling of "all addresses" is the same.
func sameAddress(ln net.Listener, address string) bool {
	have, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != strconv.Itoa(int(have.Port())) {
		return false
	}
	if host == "" {
		return have.Addr().IsUnspecified()
	}
	if want, err := netip.ParseAddr(host); err == nil {
		return want.Unmap() == have.Addr().Unmap() || want.IsUnspecified() && have.Addr().IsUnspecified()
	}
	addrs, err := net.LookupHost(host)
	return err == nil && slices.Contains(addrs, have.Addr().String())
}

func kindOf(name string) string {
	if name == nameAdmin || name == nameFront {
		return name
	}
	return namePolicy
}

// take returns the socket among those handed over that serves the address, and
// removes it from them; or nil.
func take(from *[]socket, address, kind string) net.Listener {
	i := slices.IndexFunc(*from, func(s socket) bool {
		return s.kind == kind && (s.asked == address || s.asked == "" && sameAddress(s.ln, address))
	})
	if i < 0 {
		return nil
	}
	ln := (*from)[i].ln
	*from = slices.Delete(*from, i, i+1)
	return ln
}

// ThreeWays says how to get port 843 without being root.
const ThreeWays = `port 843 needs a privilege; three ways to it: systemd opens the socket (systemctl enable --now port843.socket), or "setcap cap_net_bind_service=+ep" on the binary, or "sysctl -w net.ipv4.ip_unprivileged_port_start=843"`

// open takes or binds the sockets for every listen of o, in order, and those
// of systemd that nobody asked for.
func (d *daemon) open(ctx context.Context, from []socket) error {
	for _, l := range d.listens {
		ln := take(&from, l.Address, namePolicy)
		if ln == nil && !d.named && len(policySockets(from)) > 0 {
			continue // systemd's sockets stand in for the default address
		}
		if ln == nil {
			var err error
			if ln, err = d.bindOrFallBack(ctx, l.Address); err != nil {
				return err
			}
		}
		d.sockets = append(d.sockets, bound{ln, l.Address, l.keeper})
	}
	for _, s := range policySockets(from) {
		if s.asked != "" || len(d.listens) == 0 {
			s.ln.Close() // the predecessor's or systemd's, and not wanted
			continue
		}
		d.sockets = append(d.sockets, bound{s.ln, s.ln.Addr().String(), d.listens[0].keeper})
	}
	if err := d.openFronts(ctx, &from); err != nil {
		return err
	}
	if d.o.Admin == "" {
		return nil
	}
	d.admin = take(&from, d.o.Admin, nameAdmin)
	if d.admin == nil {
		var err error
		if path, ok := web.UnixPath(d.o.Admin); ok {
			d.admin, err = web.ListenUnix(path)
		} else {
			d.admin, err = server.Listen(ctx, "tcp", d.o.Admin)
		}
		if err != nil {
			return &BindError{Address: d.o.Admin, Err: err}
		}
	}
	return nil
}

func policySockets(from []socket) []socket {
	return slices.DeleteFunc(slices.Clone(from), func(s socket) bool { return s.kind != namePolicy })
}

// bindOrFallBack binds the address. Only where no address was named, and the
// privilege is lacking, it serves on FallbackPort instead.
func (d *daemon) bindOrFallBack(ctx context.Context, address string) (net.Listener, error) {
	ln, err := d.bind(ctx, address)
	if err == nil {
		return ln, nil
	}
	if d.named || !errors.Is(err, fs.ErrPermission) {
		return nil, &BindError{Address: address, Err: err}
	}
	fallback := net.JoinHostPort("", strconv.Itoa(FallbackPort))
	ln, fallbackErr := d.bind(ctx, fallback)
	if fallbackErr != nil {
		return nil, &BindError{Address: fallback, Err: fallbackErr}
	}
	d.log.Warn(fmt.Sprintf("this process may not have port %d: serving on port %d instead, where no player asks by itself", policy.MasterPort, FallbackPort), "hint", ThreeWays)
	return ln, nil
}

// BindError is an address that could not be listened on.
type BindError struct {
	Address string
	Err     error
}

func (e *BindError) Unwrap() error { return e.Err }

func (e *BindError) Error() string {
	return fmt.Sprintf("cannot listen on %s: %v", e.Address, rootCause(e.Err))
}

// Hint says what to do about it.
func (e *BindError) Hint() string {
	_, port, _ := net.SplitHostPort(e.Address)
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return strings.Replace(ThreeWays, "port 843 needs", "port "+port+" needs", 1)
	case isInUse(e.Err):
		return "another process listens there; port843 listening " + port + " says which"
	case isNoSuchAddress(e.Err):
		return "no interface of this machine has that address"
	}
	return ""
}

// rootCause is the system's own word, without the address said twice.
func rootCause(err error) error {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	return err
}
