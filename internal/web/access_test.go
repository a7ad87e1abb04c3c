package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const testToken = "abcdefghijklmnopqrstuvwxyz"

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAddressesOpenToStrangersAreRefused(t *testing.T) {
	token := AccessOptions{TokenFile: tokenFile(t, testToken)}
	for _, c := range []struct {
		address string
		o       AccessOptions
		want    string // a part of the error; empty: accepted
	}{
		{"127.0.0.1:8430", AccessOptions{}, ""},
		{"[::1]:8430", AccessOptions{}, ""},
		{"localhost:8430", AccessOptions{}, ""},
		{"unix:/run/port843/admin.sock", AccessOptions{}, ""},
		{"unix:", AccessOptions{}, "names no path"},
		{"0.0.0.0:8430", AccessOptions{}, "others than this machine"},
		{":8430", AccessOptions{}, "others than this machine"},
		{"192.0.2.1:8430", AccessOptions{}, "others than this machine"},
		{"games.example.com:8430", AccessOptions{}, "others than this machine"},
		{"0.0.0.0:8430", token, ""},
		{"8430", token, "not an address with a port"},
		{"0.0.0.0:8430", AccessOptions{TokenFile: tokenFile(t, "short")}, "at least 20"},
		{"0.0.0.0:8430", AccessOptions{TokenFile: tokenFile(t, strings.Repeat("a b", 10))}, "without spaces"},
		{"0.0.0.0:8430", AccessOptions{TokenFile: "/nonexistent"}, "--admin-token-file"},
		{"127.0.0.1:8430", AccessOptions{Cert: "x"}, "go together"},
		{"0.0.0.0:8430", AccessOptions{ClientCA: "x"}, "needs --admin-cert"},
	} {
		_, err := NewAccess(c.address, c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %+v: %v, want %q", c.address, c.o, err, c.want)
		}
	}
}

// guarded answers a request through the guard of an access.
func guarded(t *testing.T, address string, o AccessOptions, r *http.Request) *http.Response {
	t.Helper()
	a, err := NewAccess(address, o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, r)
	return w.Result()
}

func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestForeignPagesAreRefused(t *testing.T) {
	const in = http.StatusTeapot
	for _, c := range []struct {
		r    *http.Request
		want int
	}{
		{request("GET", "http://127.0.0.1:8430/"), in},
		{request("GET", "http://localhost:8430/"), in},
		{request("GET", "http://LOCALHOST/"), in},
		{request("GET", "http://[::1]:8430/"), in},
		{request("GET", "http://games.example.com:8430/"), in},
		{request("GET", "http://evil.example:8430/"), http.StatusMisdirectedRequest},
		{request("GET", "http://localhost.evil.example/"), http.StatusMisdirectedRequest},
		{request("GET", "http://127.0.0.1:8430/", "Origin", "http://127.0.0.1:8430"), in},
		{request("GET", "http://127.0.0.1:8430/", "Origin", "http://evil.example"), http.StatusForbidden},
		{request("GET", "http://127.0.0.1:8430/", "Origin", "http://127.0.0.1:80"), http.StatusForbidden},
		{request("GET", "http://127.0.0.1:8430/", "Origin", "null"), http.StatusForbidden},
		{request("GET", "http://127.0.0.1:8430/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), http.StatusForbidden},
		{request("GET", "http://127.0.0.1:8430/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"), in},
	} {
		got := guarded(t, "127.0.0.1:8430", AccessOptions{Hosts: []string{"Games.example.com"}}, c.r)
		if got.StatusCode != c.want {
			t.Errorf("%s %v: %d, want %d", c.r.Host, c.r.Header, got.StatusCode, c.want)
		}
		if p := got.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("the policy %q", p)
		}
	}
}

func TestTokenIsAskedFor(t *testing.T) {
	o := AccessOptions{TokenFile: tokenFile(t, testToken)}
	const in = http.StatusTeapot
	a, err := NewAccess("0.0.0.0:8430", o)
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Add(time.Hour).Unix()
	pass := a.pass(hour)
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"nothing", request("GET", "http://192.0.2.1/metrics"), http.StatusUnauthorized},
		{"a browser", request("GET", "http://192.0.2.1/", "Accept", "text/html"), http.StatusUnauthorized},
		{"the token", request("GET", "http://192.0.2.1/metrics", "Authorization", "Bearer "+testToken), in},
		{"another token", request("GET", "http://192.0.2.1/metrics", "Authorization", "Bearer "+testToken+"x"), http.StatusUnauthorized},
		{"no token", request("GET", "http://192.0.2.1/metrics", "Authorization", "Bearer "), http.StatusUnauthorized},
		{"a login", request("GET", "http://192.0.2.1/", "Cookie", loginCookie+"="+pass), in},
		{"a forged login", request("GET", "http://192.0.2.1/", "Cookie", loginCookie+"="+strings.Replace(pass, pass[:1], "9", 1)), http.StatusUnauthorized},
		{"an old login", request("GET", "http://192.0.2.1/", "Cookie", loginCookie+"="+a.pass(time.Now().Add(-time.Minute).Unix())), http.StatusUnauthorized},
		{"whether it is ready", request("GET", "http://192.0.2.1/readyz"), in},
		{"what is not well", request("GET", "http://192.0.2.1/healthz"), http.StatusUnauthorized},
		{"the style", request("GET", "http://192.0.2.1/assets/style.css"), in},
	} {
		if got := guarded(t, "0.0.0.0:8430", o, c.r); got.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, got.StatusCode, c.want)
		}
	}
}

func TestLogin(t *testing.T) {
	o := AccessOptions{TokenFile: tokenFile(t, testToken)}
	post := func(token, back string) *http.Response {
		r := httptest.NewRequest("POST", "http://192.0.2.1/login", strings.NewReader(url.Values{"token": {token}, "back": {back}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return guarded(t, "0.0.0.0:8430", o, r)
	}
	if got := post("wrong", "/"); got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) > 0 {
		t.Errorf("a wrong token: %d, %v", got.StatusCode, got.Cookies())
	}
	for back, want := range map[string]string{
		"/?from=a&to=b": "/?from=a&to=b", "//evil.example/": "/", `/\evil.example`: "/", "http://evil.example/": "/", "": "/", "/\t/evil.example": "/",
	} {
		got := post(testToken, back)
		if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != want {
			t.Errorf("back to %q: %d to %q", back, got.StatusCode, got.Header.Get("Location"))
			continue
		}
		c := got.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || strings.Contains(c.Value, testToken) {
			t.Errorf("the cookie %v", c)
		}
		if in := guarded(t, "0.0.0.0:8430", o, request("GET", "http://192.0.2.1/", "Cookie", c.Name+"="+c.Value)); in.StatusCode != http.StatusTeapot {
			t.Errorf("logged in: %d", in.StatusCode)
		}
	}
}
