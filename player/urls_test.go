package player

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

const (
	anybody    = `<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>`
	nobody     = `<cross-domain-policy></cross-domain-policy>`
	headAll    = `<cross-domain-policy><site-control permitted-cross-domain-policies="all"/></cross-domain-policy>`
	byType     = `<cross-domain-policy><site-control permitted-cross-domain-policies="by-content-type"/></cross-domain-policy>`
	masterOnly = `<cross-domain-policy><site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*"/></cross-domain-policy>`
)

// page is one answer of a web site.
type page struct {
	body, contentType, meta, redirect string
	status                            int
}

func site(t *testing.T, pages map[string]page) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if p.redirect != "" {
			http.Redirect(w, r, p.redirect, http.StatusFound)
			return
		}
		if p.contentType == "" {
			p.contentType = "text/xml"
		}
		w.Header()["Content-Type"] = []string{p.contentType}
		if p.meta != "" {
			w.Header().Set("X-Permitted-Cross-Domain-Policies", p.meta)
		}
		if p.status != 0 {
			w.WriteHeader(p.status)
		}
		w.Write([]byte(p.body))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestURLs decides about real web sites.
func TestURLs(t *testing.T) {
	other := site(t, map[string]page{MasterPath: {body: anybody}})
	for _, x := range []struct {
		name   string
		pages  map[string]page
		client string   // "": flash
		load   []string // paths, or URLs
		target string   // "": /dir/data.txt
		want   Answer
		reason Reason
		step   string
		advice string // a code among them; "": none is looked for
	}{
		{name: "the master permits", pages: map[string]page{MasterPath: {body: anybody}}, want: Permitted, reason: ReasonRule},
		{name: "no master", want: Denied, reason: ReasonNoPolicy, step: "HTTP status 404", advice: "serve"},
		{name: "no rule", pages: map[string]page{MasterPath: {body: nobody}}, want: Denied, reason: ReasonMasterOnly, advice: "rule"},
		{name: "status 500", pages: map[string]page{MasterPath: {body: anybody, status: 500}}, want: Denied, reason: ReasonNoPolicy, step: "HTTP status 500"},
		{name: "application/xml", pages: map[string]page{MasterPath: {body: anybody, contentType: "application/xml; charset=utf-8"}}, want: Permitted, reason: ReasonRule},
		{name: "application/xhtml+xml", pages: map[string]page{MasterPath: {body: anybody, contentType: "application/xhtml+xml"}}, want: Permitted, reason: ReasonRule},
		{name: "octets", pages: map[string]page{MasterPath: {body: anybody, contentType: "application/octet-stream"}}, want: Denied, reason: ReasonNoPolicy,
			step: "text/*, application/xml", advice: "web"},
		{name: "all in a file that is no policy by its type", pages: map[string]page{MasterPath: {body: headAll, contentType: "image/png"}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"},
			want: Denied, reason: ReasonNoPolicy, step: "the meta-policy of the site is master-only"},
		{name: "none in a file that is no policy by its type", client: "flash9.0.124", pages: map[string]page{MasterPath: {body: strings.Replace(headAll, `"all"`, `"none"`, 1), contentType: "image/png"}, "/dir/p.xml": {body: anybody}},
			load: []string{"/dir/p.xml"}, want: Denied, reason: ReasonMetaNone},
		{name: "an HTML page", pages: map[string]page{MasterPath: {body: "<html>gone</html>", contentType: "text/html"}}, want: Denied, reason: ReasonNoPolicy, advice: "service"},
		{name: "too large", pages: map[string]page{MasterPath: {body: anybody + strings.Repeat(" ", MaxRead)}}, want: Denied, reason: ReasonNoPolicy, step: "more than 65536 bytes"},
		{name: "header none", pages: map[string]page{MasterPath: {body: headAll, meta: "none"}}, want: Denied, reason: ReasonMetaNone},
		{name: "header all beside master-only", pages: map[string]page{MasterPath: {body: masterOnly, meta: "all"}, "/dir/p.xml": {body: anybody}}, want: Permitted, reason: ReasonRule},
		{name: "header none-this-response", pages: map[string]page{MasterPath: {body: anybody, meta: "none-this-response"}}, want: Denied, reason: ReasonNoPolicy,
			step: "it is no policy file"},
		{name: "header unknown", pages: map[string]page{MasterPath: {body: anybody, meta: "everything"}}, want: Denied, reason: ReasonMetaNone},
		{name: "header master-only beside all", pages: map[string]page{MasterPath: {body: headAll, meta: "master-only"}, "/dir/p.xml": {body: anybody}},
			load: []string{"/dir/p.xml"}, want: Denied, reason: ReasonMasterOnly, step: "the meta-policy is master-only"},
		{name: "another file, default of Flash 10", pages: map[string]page{MasterPath: {body: nobody}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"},
			want: Denied, reason: ReasonMasterOnly, step: "no meta-policy is said: in Flash Player 10 and later that is master-only"},
		{name: "another file, default of Flash 9", client: "flash9.0.124", pages: map[string]page{MasterPath: {body: nobody}, "/dir/p.xml": {body: anybody}},
			load: []string{"/dir/p.xml"}, want: Permitted, reason: ReasonRule},
		{name: "another file without a master, Flash 9", client: "flash9.0.115", pages: map[string]page{"/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"},
			want: Permitted, reason: ReasonRule},
		{name: "another file, all", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, want: Permitted, reason: ReasonRule},
		{name: "another file says none for itself", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody, meta: "none"}}, load: []string{"/dir/p.xml"},
			want: Denied, reason: ReasonNoRule, step: "X-Permitted-Cross-Domain-Policies says none"},
		{name: "below its directory", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, target: "/dir/deep/x", want: Permitted, reason: ReasonRule},
		{name: "beside its directory", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, target: "/directory/x",
			want: Denied, reason: ReasonNoRule, step: "its own directory"},
		{name: "above its directory by dots", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, target: "/dir/../x",
			want: Denied, reason: ReasonNoRule, step: "its own directory"},
		{name: "above its directory by escaped dots", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, target: "/dir/%2e%2e/x",
			want: Denied, reason: ReasonNoRule, step: "its own directory"},
		{name: "an escaped slash", pages: map[string]page{MasterPath: {body: headAll}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, target: "/dir/..%2fx",
			want: Denied, reason: ReasonNoRule, step: "its own directory"},
		{name: "by-content-type, right", pages: map[string]page{MasterPath: {body: byType}, "/dir/p.xml": {body: anybody, contentType: contentTypeExact}}, load: []string{"/dir/p.xml"},
			want: Permitted, reason: ReasonRule},
		{name: "by-content-type, wrong", pages: map[string]page{MasterPath: {body: byType}, "/dir/p.xml": {body: anybody}}, load: []string{"/dir/p.xml"}, want: Denied, reason: ReasonNoPolicy,
			step: "by-content-type asks for Content-Type text/x-cross-domain-policy"},
		{name: "a policy of another site", pages: map[string]page{MasterPath: {body: headAll}}, load: []string{other.URL + MasterPath}, want: Denied, reason: ReasonNoRule,
			step: "its own scheme, host and port"},
		{name: "a socket policy", pages: map[string]page{MasterPath: {body: headAll}}, load: []string{"xmlsocket://site.test:843"}, want: Denied, reason: ReasonNoRule,
			step: "a socket policy authorises no URL"},
		{name: "redirect within the site", pages: map[string]page{MasterPath: {redirect: "/root.xml"}, "/root.xml": {body: anybody}}, want: Permitted, reason: ReasonRule},
		{name: "redirect out of scope", pages: map[string]page{MasterPath: {redirect: "/elsewhere/p.xml"}, "/elsewhere/p.xml": {body: anybody}}, want: Denied, reason: ReasonNoPolicy,
			step: "which does not cover the URL"},
		{name: "redirect to another site", pages: map[string]page{MasterPath: {redirect: other.URL + MasterPath}}, want: Denied, reason: ReasonNoPolicy,
			step: "redirected to another site", advice: "redirect"},
		{name: "redirect in a circle", pages: map[string]page{MasterPath: {redirect: MasterPath}}, want: Denied, reason: ReasonNoPolicy, step: "too often"},
		{name: "Acrobat reads the same", client: "acrobat", pages: map[string]page{MasterPath: {body: anybody}}, want: Permitted, reason: ReasonRule},
		{name: "Silverlight is not known", client: "silverlight", want: Undetermined, reason: ReasonUnknown},
		{name: "Ruffle never asks", client: "ruffle-web", want: Undetermined, reason: ReasonNeverAsks},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := site(t, x.pages)
			base := strings.Replace(s.URL, "127.0.0.1", "site.test", 1)
			if x.target == "" {
				x.target = "/dir/data.txt"
			}
			if x.client == "" {
				x.client = "flash"
			}
			target, err := ParseTarget(base + x.target)
			if err != nil {
				t.Fatal(err)
			}
			q := Question{From: fromExample, Target: target, Client: ProfileNamed(x.client)}
			for _, l := range x.load {
				if strings.HasPrefix(l, "/") {
					l = base + l
				}
				at, err := ParseLocation(l)
				if err != nil {
					t.Fatal(err)
				}
				q.Load = append(q.Load, at)
			}
			v := Decide(t.Context(), &Network{Resolver: addresses{"127.0.0.1"}}, q)
			expect(t, v, x.want, x.reason, x.step, x.advice)
		})
	}
}

// expect compares a verdict; step and advice are not looked for where empty.
func expect(t *testing.T, v *Verdict, want Answer, reason Reason, step, advice string) {
	t.Helper()
	var steps, codes []string
	for _, s := range v.Steps {
		steps = append(steps, s.Text)
	}
	for _, a := range Advise(v) {
		codes = append(codes, a.Code)
	}
	text := strings.Join(steps, "\n")
	if v.Answer != want || v.Reason != reason || !strings.Contains(text, step) || !strings.Contains(strings.Join(codes, " "), advice) {
		t.Errorf("%s (%s): %s, want %s (%s) with %q, advice %q of %v\n%s", v.Answer, v.Reason, v.Because, want, reason, step, advice, codes, text)
	}
}

// TestURLsTLS loads over https: the certificate counts, and secure is true
// where it is not said.
func TestURLsTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Write([]byte(anybody))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it has words for the client that does not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	target, err := ParseTarget(strings.Replace(s.URL, "127.0.0.1", "example.com", 1) + "/x")
	if err != nil {
		t.Fatal(err)
	}
	trusting := &Network{Resolver: addresses{"127.0.0.1"}, TLS: s.Client().Transport.(*http.Transport).TLSClientConfig}
	q := Question{From: fromExample, Target: target}
	expect(t, Decide(t.Context(), trusting, q), Denied, ReasonMasterOnly, "it is for SWFs over https", "secure")
	q.From.Scheme = "https"
	expect(t, Decide(t.Context(), trusting, q), Permitted, ReasonRule, "", "")
	expect(t, Decide(t.Context(), &Network{Resolver: addresses{"127.0.0.1"}}, q), Denied, ReasonNoPolicy, "the certificate is not valid", "certificate")
}

func TestOwnSite(t *testing.T) {
	target, _ := ParseTarget("http://www.example.com:8080/x")
	own, _ := ParseLocation("http://www.example.com:8080/game.swf")
	otherPort, _ := ParseLocation("http://www.example.com/game.swf")
	none := &Table{}
	expect(t, Decide(t.Context(), none, Question{From: fromExample, Target: target, Origin: own}), Permitted, ReasonExempt, "", "")
	expect(t, Decide(t.Context(), none, Question{From: fromExample, Target: target, Origin: otherPort}), Denied, ReasonNoPolicy, "", "")
	expect(t, Decide(t.Context(), none, Question{From: fromExample, Target: target, Origin: own, ByPolicy: true}), Denied, ReasonNoPolicy, "", "")
	expect(t, Decide(t.Context(), none, Question{From: policy.Requestor{Scheme: "file"}, Target: target}), Denied, ReasonNoPolicy, "", "")
}
