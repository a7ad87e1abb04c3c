package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

// serve answers each connection on a loopback port with f, and returns the URL.
func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "xmlsocket://" + l.Addr().String()
}

// answer reads a policy request and writes text.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, len(policy.Request))
		if _, err := io.ReadFull(c, buf); err == nil && string(buf) == policy.Request {
			_, _ = io.WriteString(c, text)
		}
	}
}

func TestSocket(t *testing.T) {
	for _, c := range []struct{ sent, want, err string }{
		{"<cross-domain-policy/>\x00behind", "<cross-domain-policy/>", ""},
		{"<cross-domain-policy/>", "<cross-domain-policy/>", ""},
		{"", "", "closed without a byte"},
		{strings.Repeat("x", MaxSize+1), "", "more than 65536 bytes"},
	} {
		r, err := Get(t.Context(), serve(t, answer(c.sent)))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.20q: %v, want %s", c.sent, err, c.err)
			}
			continue
		}
		if err != nil || string(r.Data) != c.want || r.Port == 0 || r.URL != "" {
			t.Errorf("%.20q: %+v, %v", c.sent, r, err)
		}
	}
}

// TestCancel holds that a silent server does not hold the caller.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	u := serve(t, func(c net.Conn) {
		buf := make([]byte, len(policy.Request))
		_, _ = io.ReadFull(c, buf)
		cancel()
		_, _ = c.Read(buf)
	})
	if _, err := Get(ctx, u); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWrongURLs(t *testing.T) {
	for _, u := range []string{"ftp://127.0.0.1/", "xmlsocket://127.0.0.1:0", "xmlsocket://127.0.0.1:70000", "xmlsocket://:843", "xmlsocket://127.0.0.1:843/x", "xmlsocket://u@127.0.0.1:843", "http://127.0.0.1:x/", "xmlsocket://127.0.0.1:843?q"} {
		if _, err := Get(t.Context(), u); err == nil {
			t.Errorf("%s was fetched", u)
		}
	}
	for u, want := range map[string]bool{"http://a/": true, "https://a": true, "xmlsocket://a:1": true, "a.xml": false, "C:\\a.xml": false, "ftp://a/": false, "-": false} {
		if IsURL(u) != want {
			t.Errorf("IsURL(%s) is %v", u, !want)
		}
	}
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/crossdomain.xml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-cross-domain-policy")
		_, _ = io.WriteString(w, "<cross-domain-policy/>")
	})
	mux.Handle("/moved.xml", http.RedirectHandler("/crossdomain.xml", http.StatusFound))
	mux.Handle("/away.xml", http.RedirectHandler("http://127.0.0.2:1/crossdomain.xml", http.StatusFound))
	mux.Handle("/loop.xml", http.RedirectHandler("/loop.xml", http.StatusFound))
	mux.HandleFunc("/large.xml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, MaxSize+1)) })
	s := httptest.NewServer(mux)
	defer s.Close()

	r, err := Get(t.Context(), s.URL)
	if err != nil || string(r.Data) != "<cross-domain-policy/>" || r.ContentType != "text/x-cross-domain-policy" || r.URL != s.URL+"/crossdomain.xml" || r.Redirect != "" {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Get(t.Context(), s.URL+"/moved.xml")
	if err != nil || r.Redirect != s.URL+"/crossdomain.xml" || r.URL != r.Redirect {
		t.Errorf("%+v, %v", r, err)
	}
	for path, want := range map[string]string{"/away.xml": "another host", "/loop.xml": "redirects", "/large.xml": "no policy file", "/nothing.xml": "404"} {
		if _, err := Get(t.Context(), s.URL+path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
