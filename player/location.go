package player

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/port843/port843/internal/escape"
)

// SchemeSocket is the scheme of a socket policy's location, as
// Security.loadPolicyFile has it.
const SchemeSocket = "xmlsocket"

// MasterPath is where the master policy of a web site lies (Adobe's guide).
const MasterPath = "/crossdomain.xml"

// Location is where a policy is, or a URL that is to be loaded. It is
// comparable. The zero value is no location.
type Location struct {
	Scheme string // xmlsocket, http or https
	Host   string // lower case; IPv6 without brackets
	Port   uint16
	Path   string // of http and https, escaped, beginning with "/"; no query
}

// SocketLocation is where a policy server of the host listens.
func SocketLocation(host string, port uint16) Location {
	return Location{Scheme: SchemeSocket, Host: canonicalHost(host), Port: port}
}

var errLocation = errors.New("a policy lies at xmlsocket://HOST:PORT or at an http or https URL")

// ParseLocation reads xmlsocket://HOST:PORT, or an http or https URL whose port
// may be left out. The error's text is fit to be shown.
func ParseLocation(s string) (Location, error) {
	fail := func(err error) (Location, error) {
		return Location{}, fmt.Errorf("%q: %w", escape.Text(s, 120), err)
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return fail(errLocation)
	}
	l := Location{Scheme: strings.ToLower(u.Scheme), Host: canonicalHost(u.Hostname())}
	port := u.Port()
	switch l.Scheme {
	case "http", "https":
		l.Path = u.EscapedPath()
		if l.Path == "" {
			l.Path = "/"
		}
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[l.Scheme]
		}
	case SchemeSocket:
		if u.Path != "" && u.Path != "/" {
			return fail(errLocation)
		}
	default:
		return fail(errLocation)
	}
	if l.Port, err = parsePort(port); err != nil {
		return fail(err)
	}
	if err := checkHost(l.Host); err != nil {
		return fail(err)
	}
	return l, nil
}

var (
	errPort = errors.New("a port is a number from 1 to 65535")
	errHost = errors.New("a host is an ASCII name or an IP address")
)

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errPort
	}
	return uint16(n), nil
}

func checkHost(host string) error {
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\"'<>%@?#[]`, c) }) {
		return errHost
	}
	return nil
}

// canonicalHost brings the spellings of a host to one.
func canonicalHost(host string) string {
	host = strings.ToLower(strings.Trim(host, "[]"))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.TrimSuffix(host, ".")
}

// String returns the URL. The port of http and https is left out where it is
// the usual one.
func (l Location) String() string {
	if l == (Location{}) {
		return ""
	}
	host := l.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if l.Scheme == "http" && l.Port == 80 || l.Scheme == "https" && l.Port == 443 {
		return l.Scheme + "://" + host + l.Path
	}
	return l.Scheme + "://" + net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port))) + l.Path
}

// IsSocket tells a policy server from a web server.
func (l Location) IsSocket() bool { return l.Scheme == SchemeSocket }

// master returns where the master policy for a URL lies.
func (l Location) master() Location {
	l.Path = MasterPath
	return l
}

// sameSite reports whether two URLs have one master: scheme, host and port.
func (l Location) sameSite(m Location) bool {
	return l.Scheme == m.Scheme && l.Host == m.Host && l.Port == m.Port
}

// covers reports whether a policy here speaks for the URL: the master for its
// whole site, another for its own directory and what is below (Adobe's guide).
// Of a path with an escaped slash or a backslash Adobe says nothing, and
// servers disagree about it: it is covered by the master alone.
func (l Location) covers(target Location) bool {
	if !l.sameSite(target) {
		return false
	}
	dir, ok := directory(l.Path)
	if dir == "/" && ok {
		return true
	}
	at, plain := directory(target.Path)
	return ok && plain && strings.HasPrefix(at, dir)
}

// directory returns the folder of an escaped path with its dots resolved, "/"
// at the end, and whether servers agree about which folder that is.
func directory(escaped string) (string, bool) {
	p, err := url.PathUnescape(escaped)
	if err != nil || strings.Count(p, "/") != strings.Count(escaped, "/") || strings.Contains(p, `\`) {
		return "/", false
	}
	// The last segment counts as a folder where it is one of the dots.
	last := p[strings.LastIndexByte(p, '/')+1:]
	if last == "." || last == ".." {
		p += "/"
	}
	dir := path.Clean("/" + p[:strings.LastIndexByte(p, '/')+1])
	if dir != "/" {
		dir += "/"
	}
	return dir, true
}

// Target is what the SWF wants to reach: a socket or a URL.
type Target struct{ at Location }

// SocketTarget is host:port. Host may be a name or an IP address.
func SocketTarget(host string, port uint16) Target { return Target{SocketLocation(host, port)} }

// ParseTarget reads HOST:PORT, or an http or https URL. The error's text is fit
// to be shown.
func ParseTarget(s string) (Target, error) {
	if strings.Contains(s, "://") {
		l, err := ParseLocation(s)
		if err == nil && l.IsSocket() {
			err = fmt.Errorf("%q: a target is HOST:PORT, or an http or https URL", escape.Text(s, 120))
		}
		return Target{l}, err
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Target{}, fmt.Errorf("%q: a target is HOST:PORT, or an http or https URL; IPv6 in brackets", escape.Text(s, 120))
	}
	l := SocketLocation(host, 0)
	if l.Port, err = parsePort(port); err == nil {
		err = checkHost(l.Host)
	}
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", escape.Text(s, 120), err)
	}
	return Target{l}, nil
}

// IsSocket tells HOST:PORT from a URL.
func (t Target) IsSocket() bool { return t.at.IsSocket() }

// Host returns the host, IPv6 without brackets.
func (t Target) Host() string { return t.at.Host }

// Port returns the port.
func (t Target) Port() uint16 { return t.at.Port }

// Location returns the target as a location: of a socket the one of a policy
// on the destination port itself.
func (t Target) Location() Location { return t.at }

// String returns HOST:PORT or the URL.
func (t Target) String() string {
	if t.IsSocket() {
		return net.JoinHostPort(t.at.Host, strconv.Itoa(int(t.at.Port)))
	}
	return t.at.String()
}
