// Package fetch gets one policy file, from xmlsocket://host:port or from an
// http or https URL, for a linter: what came, and how it was served.
//
// [Get] never takes more than [MaxSize] bytes nor longer than its context and
// [Timeout]. It follows no redirect to another host, and tells of every one.
// It sends nothing but the policy request or a plain GET.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// Bounds of a fetch.
const (
	MaxSize      = 64 << 10        // bytes; fifty times policy.AdvisedSize
	Timeout      = 5 * time.Second // for the whole; Flash Player itself waits 3 s
	MaxRedirects = 3               // within one host
)

// Result is what came.
type Result struct {
	Data        []byte // without the NUL that ends an answer over a socket
	Port        uint16 // of an xmlsocket URL; 0 for others
	URL         string // where the file came from in the end; "" for xmlsocket
	ContentType string // as sent; "" for xmlsocket, and where there was none
	Redirect    string // the URL that was redirected to last; "" without a redirect
}

// errTooLarge ends a fetch that would not end.
var errTooLarge = fmt.Errorf("more than %d bytes came: this is no policy file", MaxSize)

// RedirectError says that a web server redirects to another host. It was not
// followed: whoever runs that host writes the policy of this one.
type RedirectError struct{ To string } // the URL, as it came

func (e *RedirectError) Error() string {
	return "it redirects to another host, " + escape.Text(e.To, 200) + ", which is not followed"
}

// IsURL reports whether Get could fetch s: whether it begins with a scheme
// that it knows.
func IsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "xmlsocket" || u.Scheme == "http" || u.Scheme == "https")
}

// Get fetches the policy file at rawURL. The error says what went wrong in
// words that are fit to be shown; it is a [RedirectError] where the file would
// have come from another host.
func Get(ctx context.Context, rawURL string) (*Result, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	switch u.Scheme {
	case "xmlsocket":
		return getSocket(ctx, u)
	case "http", "https":
		return getHTTP(ctx, u)
	}
	return nil, fmt.Errorf("a policy is fetched over xmlsocket, http or https, not over %q", u.Scheme)
}

// getSocket asks as a player does: each address of the host, until one answers.
func getSocket(ctx context.Context, u *url.URL) (*Result, error) {
	port := uint64(policy.MasterPort)
	if p := u.Port(); p != "" {
		var err error
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return nil, fmt.Errorf("%s is no port: ports are 1 to 65535", p)
		}
	}
	if u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("it is xmlsocket://host:port, and nothing more")
	}
	network := &player.Network{Patience: Timeout}
	addrs, err := network.Lookup(ctx, u.Hostname())
	if err != nil {
		return nil, err
	}
	var last *player.Observation
	for _, addr := range addrs {
		o := network.Fetch(ctx, player.Query{
			Location: player.SocketLocation(u.Hostname(), uint16(port)),
			Addr:     addr,
			Request:  policy.Request,
			TLS:      true,
			Limits:   player.Limits{Connect: Timeout, Answer: Timeout},
		})
		if len(o.Data) > 0 && len(o.Data) < player.MaxRead && (o.NUL || o.Closed) {
			return &Result{Data: o.Data, Port: uint16(port)}, nil
		}
		if last = o; ctx.Err() != nil {
			break
		}
	}
	if last == nil || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, cmp.Or(ctx.Err(), errors.New("the name has no address"))
	}
	return nil, errors.New(last.String())
}

// readError says that the time is up where that is why the read failed.
func readError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", Timeout)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// getHTTP gets the URL, and follows redirects within its host.
func getHTTP(ctx context.Context, u *url.URL) (*Result, error) {
	if u.Path == "" {
		u.Path = "/crossdomain.xml"
	}
	r := &Result{URL: u.String()}
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: MaxSize, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			r.Redirect = req.URL.String()
			if len(via) > MaxRedirects {
				return fmt.Errorf("more than %d redirects", MaxRedirects)
			}
			if req.URL.Hostname() != u.Hostname() {
				return &RedirectError{r.Redirect}
			}
			return nil
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, readError(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the web server answers %s", escape.Text(resp.Status, 80))
	}
	r.ContentType = resp.Header.Get("Content-Type")
	r.URL = resp.Request.URL.String()
	r.Data, err = io.ReadAll(io.LimitReader(resp.Body, MaxSize+1))
	if err != nil {
		return nil, readError(ctx, err)
	}
	if len(r.Data) > MaxSize {
		return nil, errTooLarge
	}
	return r, nil
}
