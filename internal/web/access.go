package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/internal/bounded"
)

// AccessOptions say who gets in beside this machine.
type AccessOptions struct {
	// TokenFile holds a token of at least MinToken characters on its one line.
	// Whoever has it gets in: as "Authorization: Bearer", or by logging in.
	TokenFile string
	// Cert and Key are for HTTPS. With ClientCA, only who has a certificate
	// from there gets a connection at all.
	Cert, Key, ClientCA string
	// Hosts are further names that the page is asked for by.
	Hosts []string
}

// MinToken is the least length of a token: 20 characters of base64 are 120
// bits, which nobody guesses over a network.
const MinToken = 20

// maxSecret bounds each file that is read for access; a bundle of many
// certificate authorities has some 200 KB.
const maxSecret = 1 << 20

// loginFor is how long a login holds: a working day.
const loginFor = 12 * time.Hour

const loginCookie = "port843-login"

// unixPrefix marks an address that is a path.
const unixPrefix = "unix:"

// UnixPath returns the path of an admin address such as "unix:/run/x.sock".
func UnixPath(address string) (path string, ok bool) { return strings.CutPrefix(address, unixPrefix) }

// Access says who may see the admin pages. Make it with [NewAccess]; it is
// read only.
type Access struct {
	token []byte   // nil: none is asked for
	hosts []string // lower case
	tls   *tls.Config
	files []string
}

// NewAccess reads the files that o names and checks that the address, host and
// port or "unix:" and a path, is not open to strangers. The error is fit to be
// shown.
func NewAccess(address string, o AccessOptions) (*Access, error) {
	a := &Access{hosts: []string{"localhost"}}
	for _, h := range o.Hosts {
		a.hosts = append(a.hosts, strings.ToLower(h))
	}
	if err := a.readToken(o.TokenFile); err != nil {
		return nil, err
	}
	if err := a.readTLS(o); err != nil {
		return nil, err
	}
	if path, ok := UnixPath(address); ok {
		if path == "" {
			return nil, fmt.Errorf("--admin %s names no path", address)
		}
		return a, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--admin %q is not an address with a port: %w", address, err)
	}
	if host != "" {
		a.hosts = append(a.hosts, strings.ToLower(host))
	}
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.IsLoopback()
	if !local && a.token == nil && o.ClientCA == "" {
		return nil, fmt.Errorf("--admin %s: others than this machine could read the page and the metrics, and profile the process", address)
	}
	return a, nil
}

func (a *Access) readToken(path string) error {
	if path == "" {
		return nil
	}
	data, err := bounded.ReadFile(path, maxSecret)
	if err != nil {
		return fmt.Errorf("--admin-token-file: %w", err)
	}
	token := bytes.TrimSpace(data)
	if len(token) < MinToken || bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("--admin-token-file %s: a token is one line of at least %d characters of ASCII without spaces", path, MinToken)
	}
	a.token, a.files = token, append(a.files, path)
	return nil
}

func (a *Access) readTLS(o AccessOptions) error {
	if (o.Cert == "") != (o.Key == "") {
		return errors.New("--admin-cert and --admin-key go together")
	}
	if o.Cert == "" {
		if o.ClientCA != "" {
			return errors.New("--admin-client-ca needs --admin-cert and --admin-key: there are no client certificates without HTTPS")
		}
		return nil
	}
	pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return fmt.Errorf("--admin-cert: %w", err)
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	a.files = append(a.files, o.Cert, o.Key)
	if o.ClientCA == "" {
		return nil
	}
	pem, err := bounded.ReadFile(o.ClientCA, maxSecret)
	if err != nil {
		return fmt.Errorf("--admin-client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("--admin-client-ca %s: no certificate in it", o.ClientCA)
	}
	a.tls.ClientCAs, a.tls.ClientAuth = pool, tls.RequireAndVerifyClientCert
	a.files = append(a.files, o.ClientCA)
	return nil
}

// TLS returns the configuration for HTTPS, or nil for HTTP.
func (a *Access) TLS() *tls.Config { return a.tls }

// Files returns the files that were read, which a successor reads again.
func (a *Access) Files() []string { return a.files }

// Login reports whether a token is asked for.
func (a *Access) Login() bool { return a.token != nil }

// Guard lets only those through to next who may see the admin pages, and sets
// the headers that keep a browser from being turned against them.
//
// A page of somebody else's must not read them, not even if its name was made
// to lead here (DNS rebinding): the host that is asked for must be an address,
// localhost or a name that was given. Nor may it make the browser send a
// request for it, such as for a profile that costs 30 seconds of work.
func (a *Access) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		// Not "no-referrer": a browser then hides the Origin of our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", contentPolicy)
		switch {
		case !a.knows(r.Host):
			http.Error(w, "this is not the host that was asked for", http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "another site's page may not ask this", http.StatusForbidden)
		case a.token == nil || r.URL.Path == "/readyz":
			next.ServeHTTP(w, r)
		default:
			a.authenticate(w, r, next)
		}
	})
}

// contentPolicy permits what the page has, and nothing else: all of it are
// files of this very origin.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// knows reports whether a Host header names this service.
func (a *Access) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.Contains(a.hosts, host)
}

// foreign reports whether another site's page had the browser send the
// request. To follow a link from there is well: that is how a colleague gets
// here.
func foreign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Host != r.Host
	}
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// authenticate asks for the token.
func (a *Access) authenticate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch {
	case r.URL.Path == "/login" && r.Method == http.MethodPost:
		a.login(w, r)
		return
	case strings.HasPrefix(r.URL.Path, "/assets/"):
		next.ServeHTTP(w, r) // the login page has them too; nothing in them is secret
		return
	case !a.admitted(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="port843"`)
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			a.ask(w, r.URL.RequestURI(), false)
			return
		}
		http.Error(w, "a token is needed", http.StatusUnauthorized)
		return
	case r.URL.Path == "/logout" && r.Method == http.MethodPost:
		http.SetCookie(w, a.cookie("", -1))
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	next.ServeHTTP(w, r)
}

// admitted reports whether a request carries the token or a login.
func (a *Access) admitted(r *http.Request) bool {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return a.isToken(given)
	}
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return false
	}
	until, _, _ := strings.Cut(c.Value, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || time.Now().Unix() > seconds {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(c.Value), []byte(a.pass(seconds))) == 1
}

// isToken compares in constant time, whatever the lengths.
func (a *Access) isToken(given string) bool {
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256(a.token)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// pass is the value of a login's cookie: until when it holds, and a proof that
// can only be made with the token. A successor takes it too.
func (a *Access) pass(until int64) string {
	text := strconv.FormatInt(until, 10)
	mac := hmac.New(sha256.New, a.token)
	mac.Write([]byte("port843 admin login until " + text))
	return text + "." + hex.EncodeToString(mac.Sum(nil))
}

// cookie is sent along when a link from elsewhere is followed, and never with
// what another site's page sends by itself.
func (a *Access) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: loginCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: a.tls != nil}
}

// maxLogin bounds the form of a login.
const maxLogin = 8 << 10

func (a *Access) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	back := r.PostFormValue("back")
	// Only a path of our own: "//host" and "/\host" are other hosts to a browser.
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n\t") {
		back = "/"
	}
	if !a.isToken(r.PostFormValue("token")) {
		a.ask(w, back, true)
		return
	}
	http.SetCookie(w, a.cookie(a.pass(time.Now().Add(loginFor).Unix()), int(loginFor.Seconds())))
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// ask shows the login page, which leads back afterwards.
func (a *Access) ask(w http.ResponseWriter, back string, failed bool) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_ = pages.ExecuteTemplate(w, "login.html", struct { // the client is gone: nobody to tell
		Back   string
		Failed bool
	}{back, failed})
}

// ListenUnix listens on the path of a socket, for this user and its group. A
// socket that a crashed process left behind is taken away; one that somebody
// answers on is not.
func ListenUnix(path string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("another process listens on %s", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// A successor goes on with the same socket.
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
