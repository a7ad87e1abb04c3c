package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Requestor is who asks: the scheme and host of the URL that the SWF came from.
// Policies look at nothing else of it.
type Requestor struct {
	Scheme string // lower case, such as "http", "https", "file", "app"
	Host   string // lower case, without port; IPv6 without brackets; "" for file: and app:
}

var (
	errNoScheme  = errors.New(`a requestor is the URL of a SWF or page, such as http://www.example.com/game.swf`)
	errHostChars = errors.New("the host is not ASCII; write an international name in its xn-- form")
)

// ParseRequestor reads the URL that a SWF came from. A URL without a host
// (file:///game.swf, AIR's app:/game.swf) is one that only "*" matches.
func ParseRequestor(rawURL string) (Requestor, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Requestor{}, fmt.Errorf("requestor: %w", err)
	}
	if u.Scheme == "" || u.Opaque != "" {
		return Requestor{}, fmt.Errorf("requestor %q: %w", rawURL, errNoScheme)
	}
	host := strings.ToLower(u.Hostname())
	if host == "" && (u.Scheme == "http" || u.Scheme == "https") {
		return Requestor{}, fmt.Errorf("requestor %q: %w", rawURL, errNoScheme)
	}
	if strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return Requestor{}, fmt.Errorf("requestor %q: %w", rawURL, errHostChars)
	}
	if addr, ok := parseIPHost(host); ok {
		host = addr
	}
	return Requestor{Scheme: strings.ToLower(u.Scheme), Host: host}, nil
}

// String returns scheme and host as the beginning of a URL.
func (r Requestor) String() string {
	host := r.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return r.Scheme + "://" + host
}

// Secure reports whether the requestor came over HTTPS, as secure="true" asks.
func (r Requestor) Secure() bool { return r.Scheme == "https" }

func (r Requestor) scheme() Scheme {
	switch r.Scheme {
	case "http":
		return SchemeHTTP
	case "https":
		return SchemeHTTPS
	}
	return SchemeOther
}
