package player

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/port843/port843/internal/escape"
)

// metaHeader carries a meta-policy beside site-control (specification).
const metaHeader = "X-Permitted-Cross-Domain-Policies"

// fetchURL gets a policy file over HTTP from the very address of the query. It
// follows redirects within the same site only: a policy behind a redirect to
// another domain is ignored by the player (Adobe, "External data not accessible
// outside a Flash movie's domain").
func (n *Network) fetchURL(ctx context.Context, q Query) *Observation {
	limit := max(q.Limits.Answer, n.patience())
	if q.Limits.Connect > 0 {
		limit = max(limit, q.Limits.Connect)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o := &Observation{Addr: netip.AddrPortFrom(q.Addr, q.Location.Port), Final: q.Location}
	start := time.Now()
	client := &http.Client{Transport: n.transport(q, o, start), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for {
		next, done := o.get(ctx, client, start)
		if done {
			break
		}
		o.Redirects = append(o.Redirects, next)
		if !next.sameSite(q.Location) || len(o.Redirects) > MaxRedirects {
			o.Outcome = OutcomeRedirect
			break
		}
		o.Final = next
	}
	o.Done = time.Since(start)
	return o
}

// transport dials one address only, whatever the URL's host, and notes how the
// connect went.
func (n *Network) transport(q Query, o *Observation, start time.Time) *http.Transport {
	t := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader, DisableCompression: true}
	if n.TLS != nil {
		t.TLSClientConfig = n.TLS.Clone()
	}
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, conn := n.connect(ctx, q)
		if conn == nil {
			o.Outcome, o.ICMP, o.Err = c.Outcome, c.ICMP, c.Err
			return nil, errConnect
		}
		if o.Connected == 0 {
			o.Connected = time.Since(start)
		}
		return conn, nil
	}
	return t
}

// errConnect says that the observation has the outcome already.
var errConnect = errors.New("not connected")

// get asks once. It reports where it is sent to, or that the outcome is there.
func (o *Observation) get(ctx context.Context, client *http.Client, start time.Time) (next Location, done bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Final.String(), nil)
	if err != nil {
		o.Outcome, o.Err = OutcomeFailed, escape.Text(err.Error(), 200)
		return Location{}, true
	}
	req.Header.Set("User-Agent", "port843")
	resp, err := client.Do(req)
	if err != nil {
		o.failURL(ctx, err)
		return Location{}, true
	}
	defer resp.Body.Close()
	o.FirstByte = time.Since(start)
	o.Status, o.ContentType = resp.StatusCode, resp.Header.Get("Content-Type")
	values := resp.Header.Values(metaHeader)
	o.MetaHeader, o.HasMeta = strings.Join(values, ","), len(values) > 0
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		u, err := req.URL.Parse(to)
		if err == nil {
			next, err = ParseLocation(u.String())
		}
		if err != nil || next.IsSocket() {
			o.Outcome, o.Err = OutcomeRedirect, "the redirect leads to no http or https URL"
			return Location{}, true
		}
		return next, false
	}
	if resp.StatusCode != http.StatusOK {
		o.Outcome = OutcomeAbsent
		return Location{}, true
	}
	o.readBody(ctx, resp.Body, start)
	return Location{}, true
}

func (o *Observation) readBody(ctx context.Context, body io.Reader, start time.Time) {
	data, err := io.ReadAll(io.LimitReader(body, MaxRead+1))
	o.LastByte = time.Since(start)
	o.Data = data[:min(len(data), MaxRead)]
	switch {
	case len(data) > MaxRead:
		o.Outcome = OutcomeOversize
	case err != nil && ctx.Err() != nil && len(data) == 0:
		o.Outcome = OutcomeSilent
	case err != nil && ctx.Err() != nil:
		o.Outcome = OutcomeUnfinished
	case err != nil:
		o.Outcome, o.Err = OutcomeReset, escape.Text(plainError(err), 200)
	case rootOf(data) == none:
		o.Outcome = OutcomeForeign
	default:
		// The length of a body ends it; there is no NUL over HTTP.
		o.Outcome = OutcomePolicy
	}
}

// failURL classifies an error of the HTTP client.
func (o *Observation) failURL(ctx context.Context, err error) {
	if errors.Is(err, errConnect) {
		return
	}
	o.Err = escape.Text(plainError(err), 200)
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		o.Outcome = OutcomeCancelled
	case errors.As(err, &cert), errors.As(err, &unknown):
		o.Outcome = OutcomeCertificate
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		o.Outcome = OutcomeSilent
	case errors.As(err, &record):
		o.Outcome = OutcomeForeign
	case errors.Is(err, io.EOF):
		o.Outcome = OutcomeClosed
	case strings.Contains(err.Error(), "malformed HTTP"):
		o.Outcome = OutcomeForeign
	default:
		o.Outcome = OutcomeReset
	}
}
