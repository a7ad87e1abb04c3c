package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/escape"
)

// ClientOptions say how to be let in by a service's [Access].
type ClientOptions struct {
	TokenFile string
	CA        string // who signed the service's certificate; empty: the system's authorities
	Cert, Key string // of the client
}

// Client asks a service's admin pages. It may be used by several goroutines.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// What a client waits for, and reads, at most.
const (
	clientPatience = 10 * time.Second
	maxAnswer      = 64 << 20
)

// NewClient returns a client of the service at an admin address: host and
// port, "https://" before them, or "unix:" and a path.
func NewClient(address string, o ClientOptions) (*Client, error) {
	transport := &http.Transport{DisableCompression: true}
	c := &Client{base: "http://" + address, http: &http.Client{Transport: transport, Timeout: clientPatience}}
	if path, ok := UnixPath(address); ok {
		c.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
	} else if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		c.base = strings.TrimSuffix(address, "/")
	}
	// What leads elsewhere is not the service.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if o.TokenFile != "" {
		var a Access
		if err := a.readToken(o.TokenFile); err != nil {
			return nil, err
		}
		c.token = string(a.token)
	}
	var err error
	transport.TLSClientConfig, err = clientTLS(o)
	return c, err
}

func clientTLS(o ClientOptions) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := bounded.ReadFile(o.CA, maxSecret)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", o.CA)
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("a client's certificate and its key go together")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// Get returns what the service answers at a path.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, ErrToken
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s%s answers %s: %s", c.base, path, resp.Status, escape.Text(strings.TrimSpace(string(body)), 200))
	}
	return body, nil
}

// ErrToken is returned where the service asks for a token, or for another one.
var ErrToken = errors.New("the service asks for its token")
