package frontdoor_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

func TestSites(t *testing.T) {
	p, err := policy.Parse([]byte(`<cross-domain-policy><allow-access-from domain="*.example.com"/><allow-http-request-headers-from domain="*.example.com" headers="X-A"/></cross-domain-policy>`))
	if err != nil {
		t.Fatal(err)
	}
	sites, err := frontdoor.NewSites(map[string]*policy.Policy{"www.example.com": p})
	if err != nil {
		t.Fatal(err)
	}
	_, addr := open(t, frontdoor.Options{HTTP: sites, Backends: []string{backend(t, echo)}})
	get := func(host, path, etag string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res, string(body)
	}
	res, body := get("WWW.example.com:9000", "/crossdomain.xml", "")
	if res.StatusCode != 200 || !strings.Contains(body, `<allow-access-from domain="*.example.com"/>`) || !strings.Contains(body, `headers="X-A"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if got := res.Header.Get("Content-Type"); got != "text/x-cross-domain-policy" {
		t.Errorf("Content-Type %q", got)
	}
	if got := res.Header.Get("X-Permitted-Cross-Domain-Policies"); got != "master-only" {
		t.Errorf("X-Permitted-Cross-Domain-Policies %q", got)
	}
	etag := res.Header.Get("ETag")
	for _, known := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if res, body := get("www.example.com", "/crossdomain.xml", known); res.StatusCode != 304 || body != "" {
			t.Errorf("with the ETag %s: %d %q", known, res.StatusCode, body)
		}
	}
	if res, _ := get("www.example.com", "/crossdomain.xml", `"other"`); res.StatusCode != 200 {
		t.Errorf("with another ETag: %d", res.StatusCode)
	}
	for _, c := range [][2]string{{"other.example.com", "/crossdomain.xml"}, {"www.example.com", "/sub/crossdomain.xml"}, {"www.example.com", "/"}} {
		if res, _ := get(c[0], c[1], ""); res.StatusCode != 404 {
			t.Errorf("%v: %d", c, res.StatusCode)
		}
	}
	if _, err := frontdoor.NewSites(map[string]*policy.Policy{"a": nil}); err == nil {
		t.Error("a site without a policy is taken")
	}
}
