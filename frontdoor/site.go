package frontdoor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/port843/port843/policy"
)

// Sites serves the /crossdomain.xml of each host, by the host that the request
// is for; everything else is 404. It is immutable.
type Sites struct{ files map[string]siteFile }

// sitePath is where the policy of a host is (Adobe's guide).
const sitePath = "/crossdomain.xml"

type siteFile struct {
	body []byte
	etag string
	meta string
}

// NewSites returns a handler for the policies of these hosts, names in lower
// case. They are URL policies: to-ports has no meaning in them, and a
// meta-policy that is not set counts as master-only. A policy that is void is
// refused.
func NewSites(byHost map[string]*policy.Policy) (*Sites, error) {
	s := &Sites{files: map[string]siteFile{}}
	var errs []error
	for host, p := range byHost {
		if p == nil || p.Void {
			errs = append(errs, fmt.Errorf("frontdoor: the policy of %s is void", host))
			continue
		}
		body := policy.Format(p)
		sum := sha256.Sum256(body)
		s.files[host] = siteFile{body, `"` + hex.EncodeToString(sum[:16]) + `"`, p.URLMeta().String()}
	}
	return s, errors.Join(errs...)
}

func (s *Sites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	f, ok := s.files[strings.ToLower(strings.Trim(host, "[]"))]
	if !ok || r.URL.Path != sitePath {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this is a file to read", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/x-cross-domain-policy")
	h.Set("X-Permitted-Cross-Domain-Policies", f.meta)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "max-age=300") // a grant that is taken back must not live on for a day
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
