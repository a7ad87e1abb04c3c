package frontdoor

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/port843/port843/policy"
)

// Origin is one entry of the list of pages that a gateway lets in. The zero
// value matches nothing.
type Origin struct {
	any    bool
	domain policy.Domain
	port   uint16
}

var errOrigin = errors.New("an origin is a scheme and a host, such as https://games.example.com, https://*.example.com or http://localhost:8000")

// ParseOrigin reads an origin. Case does not matter.
//
// Permitted:
//
//	https://games.example.com
//	https://*.example.com
//	http://localhost:8000
//	http://[::1]:8000
//	*
//
// Prohibited:
//
//	(empty)
//	games.example.com
//	https://games.example.com/play
//	https://*.com
//	ftp://example.com
//	null
//
// Without a port the scheme's own is meant. The "*" lets in every page of the
// world: any page that a visitor opens can then talk to the game from the
// visitor's own machine and address.
func ParseOrigin(s string) (Origin, error) {
	if s == "*" {
		return Origin{any: true}, nil
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(s), "://")
	if !ok || scheme != "http" && scheme != "https" || strings.ContainsAny(rest, "/?#@") {
		return Origin{}, fmt.Errorf("origin %q: %w", s, errOrigin)
	}
	o := Origin{port: 80}
	if scheme == "https" {
		o.port = 443
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		n, err := strconv.ParseUint(rest[i+1:], 10, 16)
		if err != nil || n == 0 {
			return Origin{}, fmt.Errorf("origin %q: %q is not a port", s, rest[i+1:])
		}
		o.port, rest = uint16(n), rest[:i]
	}
	d, err := policy.ParseDomain(scheme + "://" + rest)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q: %w", s, err)
	}
	o.domain = d
	return o, nil
}

// page is what an Origin header says.
type page struct {
	from policy.Requestor
	port uint16
}

// parsePage reads an Origin header. "null", which browsers send for files and
// sandboxed frames, is a requestor without a host: only "*" grants it.
func parsePage(header string) (page, error) {
	if header == "null" {
		return page{}, nil
	}
	from, err := policy.ParseRequestor(header)
	if err != nil {
		return page{}, err
	}
	u, err := url.Parse(header)
	if err != nil || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return page{}, errOrigin
	}
	p := page{from: from, port: 80}
	if from.Secure() {
		p.port = 443
	}
	if s := u.Port(); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return page{}, err
		}
		p.port = uint16(n)
	}
	return p, nil
}

func (o Origin) matches(p page) bool {
	return o.any || o.domain.Matches(p.from) && o.port == p.port
}
