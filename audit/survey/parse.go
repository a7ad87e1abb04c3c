package survey

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/port843/port843/internal/escape"
)

// read reads one target text: its addresses, the name it was given by, and its
// port, or 0.
func (p *Plan) read(ctx context.Context, text string) (spans []span, name string, port uint16, err error) {
	shown := escape.Text(text, 100)
	host := strings.TrimPrefix(strings.TrimSpace(text), "xmlsocket://")
	if strings.Contains(host, "://") {
		return nil, "", 0, fmt.Errorf("%s: only xmlsocket:// URLs name a target", shown)
	}
	if host, port, err = splitPort(host); err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", shown, err)
	}
	if host == "" {
		return nil, "", 0, fmt.Errorf("%q names no target", shown)
	}
	if s, ok, err := readRange(host); err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", shown, err)
	} else if ok {
		return []span{s}, "", port, nil
	}
	if !hostName.MatchString(host) {
		return nil, "", 0, fmt.Errorf("%s: neither a name nor an address", shown)
	}
	addrs, err := p.resolve(ctx, host)
	if err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", shown, err)
	}
	for _, a := range addrs {
		spans = append(spans, span{a.Unmap(), a.Unmap()})
	}
	return spans, strings.ToLower(host), port, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

// splitPort takes a port off the end. An IPv6 address has one in brackets only.
func splitPort(s string) (host string, port uint16, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, tail, ok := strings.Cut(rest, "]")
		if !ok {
			return "", 0, fmt.Errorf("the bracket is not closed")
		}
		if tail == "" {
			return host, 0, nil
		}
		port, err = ParsePort(strings.TrimPrefix(tail, ":"))
		return host, port, err
	}
	if strings.Count(s, ":") != 1 {
		return s, 0, nil
	}
	host, text, _ := strings.Cut(s, ":")
	port, err = ParsePort(text)
	return host, port, err
}

// ParsePort reads a port number, 1 to 65535.
func ParsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port", escape.Text(text, 20))
	}
	return uint16(n), nil
}

// readRange reads an address, a prefix, or a range. ok is false where the text
// is none of them.
func readRange(s string) (r span, ok bool, err error) {
	if strings.Contains(s, "/") {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return span{}, false, fmt.Errorf("no prefix: %w", err)
		}
		return prefixSpan(prefix), true, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return span{}, false, fmt.Errorf("an address with a zone cannot be asked")
		}
		return span{addr.Unmap(), addr.Unmap()}, true, nil
	}
	low, high, found := strings.Cut(s, "-")
	lo, errLow := netip.ParseAddr(low)
	if !found || errLow != nil {
		return span{}, false, nil
	}
	hi, err := netip.ParseAddr(high)
	if err != nil {
		// The last byte only, as nmap takes it.
		last, errLast := strconv.ParseUint(high, 10, 8)
		if errLast != nil || !lo.Is4() {
			return span{}, false, fmt.Errorf("no range of addresses")
		}
		b := lo.As4()
		b[3] = byte(last)
		hi = netip.AddrFrom4(b)
	}
	if lo.BitLen() != hi.BitLen() || hi.Compare(lo) < 0 {
		return span{}, false, fmt.Errorf("the range is reversed, or of two families")
	}
	return span{lo, hi}, true, nil
}
