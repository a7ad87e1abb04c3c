package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/config"
)

// maxPEM bounds a certificate with its chain, or a key: chains of the size that
// any client takes have some 10 KB.
const maxPEM = 1 << 20

// certificates are pairs of files that are read again when they change.
type certificates struct {
	pairs   []config.KeyPair
	tls     *tls.Config
	inForce atomic.Pointer[[]tls.Certificate]

	mu   sync.Mutex
	seen string // the files' signature at the last look
	err  error  // of the last look; what was good stays in force
}

// newCertificates reads the files for the first time.
func newCertificates(pairs []config.KeyPair) (*certificates, error) {
	c := &certificates{pairs: pairs}
	c.tls = &tls.Config{
		GetCertificate: c.choose,
		NextProtos:     []string{"http/1.1"}, // WebSockets, and not HTTP/2
	}
	_, err := c.load()
	return c, err
}

func (c *certificates) paths() []string {
	var out []string
	for _, p := range c.pairs {
		out = append(out, p.Certificate, p.Key)
	}
	return out
}

// load reads the files anew where they changed, or could not be read before.
// After an error what was in force stays.
func (c *certificates) load() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := signature(c.paths())
	if seen == c.seen && c.err == nil {
		return false, nil
	}
	var list []tls.Certificate
	for _, p := range c.pairs {
		one, err := readPair(p)
		if err != nil {
			c.seen, c.err = seen, err
			return false, err
		}
		list = append(list, one)
	}
	c.seen, c.err = seen, nil
	c.inForce.Store(&list)
	return true, nil
}

func readPair(p config.KeyPair) (tls.Certificate, error) {
	var none tls.Certificate
	cert, err := bounded.ReadFile(p.Certificate, maxPEM)
	if err != nil {
		return none, err
	}
	key, err := bounded.ReadFile(p.Key, maxPEM)
	if err != nil {
		return none, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		return none, fmt.Errorf("%s and %s: %w", p.Certificate, p.Key, err)
	}
	return pair, nil
}

// choose returns the first certificate that suits the client, by the name it
// asks for and what it can do; else the first.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := *c.inForce.Load()
	for i := range list {
		if hello.SupportsCertificate(&list[i]) == nil {
			return &list[i], nil
		}
	}
	return &list[0], nil
}

// reasons returns what is to be looked at.
func (c *certificates) reasons(address string, now time.Time) []string {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	var out []string
	if err != nil {
		out = append(out, fmt.Sprintf("the certificate of %s cannot be read again, the last good one stays in service: %v", address, err))
	}
	list := *c.inForce.Load()
	for i := range list {
		if end := list[i].Leaf.NotAfter; now.After(end) {
			out = append(out, fmt.Sprintf("%s, the certificate of %s, ended on %s", c.pairs[i].Certificate, address, end.UTC().Format(time.DateOnly)))
		}
	}
	return out
}

// certificateWatch has the files of every front looked at, as a keeper has
// those of its source.
type certificateWatch struct {
	d    *daemon
	seen string
}

func (w *certificateWatch) changed(last *string) bool {
	var paths []string
	for _, f := range w.d.frontList() {
		paths = append(paths, f.certificatePaths()...)
	}
	now := signature(paths)
	steady := now == *last
	*last = now
	if !steady || now == w.seen {
		return false
	}
	w.seen = now
	return true
}

func (w *certificateWatch) reload(why string) error {
	w.d.reloadCertificates(why)
	return nil
}

// reloadCertificates reads those that changed anew; where one cannot be read,
// the last one stays.
func (d *daemon) reloadCertificates(why string) {
	for _, f := range d.frontList() {
		c := f.certificates()
		if c == nil {
			continue
		}
		switch changed, err := c.load(); {
		case err != nil:
			d.log.Error("the certificate cannot be read: the last good one stays in service", "address", f.address, "why", why, "error", err)
		case changed:
			d.log.Info("the certificate was read again", "address", f.address, "why", why, "until", (*c.inForce.Load())[0].Leaf.NotAfter.UTC().Format(time.DateOnly))
		}
	}
}
