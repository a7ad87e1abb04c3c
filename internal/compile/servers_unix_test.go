//go:build unix

package compile

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// patience bounds every wait; nothing needs it to pass.
const patience = time.Minute

// realSite is a folder with a site's files, a page beside them, and ports to
// serve it on.
type realSite struct {
	t           *testing.T
	site        config.Site
	dir         string
	plain, safe string // ports of HTTP and HTTPS
}

func newRealSite(t *testing.T) *realSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "port843 sites ") // a name that has to be quoted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &realSite{t: t, site: siteOf(t, false, "*.example.com", "192.0.2.1", "[2001:db8::1]", "http://plain.example", "https://safe.example"), dir: dir}
	r.plain, r.safe = freePort(t), freePort(t)
	files, err := SiteFiles(&r.site, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		r.write(f.Name, f.Text)
	}
	r.write("crossdomain.xml", string(policy.Format(r.site.Policy())))
	r.write("htdocs/page.txt", "page")
	r.certificate()
	return r
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func (r *realSite) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *realSite) certificate() {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{r.site.Host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("c.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	r.write("k.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// cors returns the part of CORS for a server.
func (r *realSite) cors(server string) string {
	r.t.Helper()
	_, text, ok := strings.Cut(CORS([]config.Site{r.site}), "# ---- "+server)
	if !ok {
		r.t.Fatalf("nothing for %s", server)
	}
	text, _, _ = strings.Cut(text, "# ----")
	return "# " + text
}

// start runs a server in the foreground until the test is over.
func (r *realSite) start(program string, args ...string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_CONFIG_HOME="+r.dir, "XDG_DATA_HOME="+r.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); cmd.Wait() }()
	r.t.Cleanup(func() {
		cancel()
		<-done
		if r.t.Failed() {
			r.t.Logf("%s said:\n%s", program, out.String())
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+r.safe)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-done:
			r.t.Fatalf("%s ended", program)
		default:
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s does not listen", program)
		}
	}
}

// holds holds what the server answers against the site's policy.
func (r *realSite) holds() {
	r.t.Helper()
	for scheme, port := range map[string]string{"http": r.plain, "https": r.safe} {
		base := scheme + "://127.0.0.1:" + port
		r.servesPolicy(base)
		n := 0
		for _, host := range append(someHosts, "plain.example", "safe.example") {
			for _, from := range []string{"http", "https"} {
				for _, port := range []string{"", ":8080"} {
					n++
					r.judgesOrigin(base, scheme == "https", from+"://"+host, port)
				}
			}
		}
		if n < 50 {
			r.t.Errorf("only %d origins", n)
		}
		if res, _ := r.ask("GET", base+"/page.txt"); res.Header.Get("Access-Control-Allow-Origin") != "" || res.StatusCode != 200 {
			r.t.Errorf("without an Origin: %d %v", res.StatusCode, res.Header)
		}
		res, _ := r.ask("OPTIONS", base+"/page.txt", "Origin", "https://a.example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-token")
		if res.StatusCode/100 != 2 || res.Header.Get("Access-Control-Allow-Origin") != "https://a.example.com" || res.Header.Get("Access-Control-Allow-Headers") != "X-Token" {
			r.t.Errorf("a preflight: %d %v", res.StatusCode, res.Header)
		}
	}
}

func (r *realSite) servesPolicy(base string) {
	r.t.Helper()
	res, body := r.ask("GET", base+"/crossdomain.xml")
	h := res.Header
	if res.StatusCode != 200 || body != string(policy.Format(r.site.Policy())) {
		r.t.Errorf("%s: %d %s", base, res.StatusCode, body)
	}
	if h.Get("Content-Type") != "text/x-cross-domain-policy" || h.Get("X-Permitted-Cross-Domain-Policies") != "master-only" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("ETag") == "" {
		r.t.Errorf("%s: %v", base, h)
	}
	if res, body := r.ask("GET", base+"/crossdomain.xml", "If-None-Match", h.Get("ETag")); res.StatusCode != 304 || body != "" {
		r.t.Errorf("%s: with its ETag %d %q", base, res.StatusCode, body)
	}
}

func (r *realSite) judgesOrigin(base string, overHTTPS bool, origin, port string) {
	r.t.Helper()
	from, err := policy.ParseRequestor(origin)
	if err != nil {
		r.t.Fatal(err)
	}
	res, body := r.ask("GET", base+"/page.txt", "Origin", origin+port)
	want := ""
	if r.site.Policy().AllowsURL(from, overHTTPS).Allowed {
		want = origin + port
	}
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != want || res.StatusCode != 200 || body != "page" {
		r.t.Errorf("%s for %s: %d, let in %q, want %q", base, origin+port, res.StatusCode, got, want)
	}
	if !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Origin") {
		r.t.Errorf("%s: Vary %q", base, res.Header.Values("Vary"))
	}
}

func (r *realSite) ask(method, url string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host = r.site.Host
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: r.site.Host}, DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(body)
}

func TestNginxServesIt(t *testing.T) {
	nginx := need.Tool(t, "nginx")
	r := newRealSite(t)
	text := r.cors("nginx")
	i := strings.LastIndex(text, "add_header Access-Control-Allow-Origin") // the maps stand before it
	maps, rest := text[:i], text[i:]
	temp := ""
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path \"%s/temp\";\n", what, r.dir)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user nobody nogroup;\n"
	}
	conf := r.write("whole.conf", user+fmt.Sprintf(`daemon off;
master_process on;
worker_processes 1;
pid "%[1]s/pid";
error_log stderr;
events { }
http {
access_log off;
%[2]s%[3]s
server {
listen 127.0.0.1:%[4]s;
listen 127.0.0.1:%[5]s ssl;
ssl_certificate "%[1]s/c.pem";
ssl_certificate_key "%[1]s/k.pem";
root "%[1]s/htdocs";
include "%[1]s/nginx.conf";
%[6]s
}
}
`, r.dir, temp, maps, r.plain, r.safe, rest))
	if out, err := exec.Command(nginx, "-t", "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	r.start(nginx, "-c", conf)
	r.holds()
}

func TestApacheServesIt(t *testing.T) {
	apache := need.Tool(t, "apache2")
	const modules = "/usr/lib/apache2/modules/"
	need.File(t, modules+"mod_headers.so")
	r := newRealSite(t)
	load := ""
	for _, m := range []string{"mpm_event", "authz_core", "alias", "headers", "mime", "socache_shmcb", "ssl"} {
		load += fmt.Sprintf("LoadModule %s_module %smod_%s.so\n", m, modules, m)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "User nobody\nGroup nogroup\n"
	}
	host := func(port, more string) string {
		return fmt.Sprintf("<VirtualHost 127.0.0.1:%[2]s>\nServerName %[3]s\nDocumentRoot \"%[1]s/htdocs\"\n%[4]sInclude \"%[1]s/apache.conf\"\n%[5]s\n</VirtualHost>\n", r.dir, port, r.site.Host, more, r.cors("Apache"))
	}
	conf := r.write("whole.conf", load+user+fmt.Sprintf(`ServerRoot "%[1]s"
DefaultRuntimeDir "%[1]s"
PidFile "%[1]s/pid"
ErrorLog "%[1]s/error.log"
TypesConfig /dev/null
Listen 127.0.0.1:%[2]s
Listen 127.0.0.1:%[3]s
SSLSessionCache none
<Directory />
Require all denied
</Directory>
<Directory "%[1]s/htdocs">
Require all granted
</Directory>
`, r.dir, r.plain, r.safe)+host(r.plain, "")+host(r.safe, fmt.Sprintf("SSLEngine on\nSSLCertificateFile \"%[1]s/c.pem\"\nSSLCertificateKeyFile \"%[1]s/k.pem\"\n", r.dir)))
	if out, err := exec.Command(apache, "-t", "-f", conf).CombinedOutput(); err != nil {
		t.Fatalf("apache2 -t: %v\n%s", err, out)
	}
	r.start(apache, "-D", "FOREGROUND", "-f", conf)
	r.holds()
}

func TestCaddyServesIt(t *testing.T) {
	caddy := need.Tool(t, "caddy")
	r := newRealSite(t)
	host := func(scheme, port, more string) string {
		return fmt.Sprintf("%[5]s://%[3]s:%[2]s {\nbind 127.0.0.1\n%[4]simport \"%[1]s/Caddyfile\"\n%[6]s\nroot * \"%[1]s/htdocs\"\nfile_server\n}\n", r.dir, port, r.site.Host, more, scheme, r.cors("Caddy"))
	}
	conf := r.write("whole.conf", fmt.Sprintf("{\nadmin off\nauto_https off\nhttp_port %s\nhttps_port %s\n}\n", r.plain, r.safe)+
		host("http", r.plain, "")+host("https", r.safe, fmt.Sprintf("tls \"%[1]s/c.pem\" \"%[1]s/k.pem\"\n", r.dir)))
	cmd := exec.Command(caddy, "validate", "--adapter", "caddyfile", "--config", conf)
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_CONFIG_HOME="+r.dir, "XDG_DATA_HOME="+r.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("caddy validate: %v\n%s", err, out)
	}
	r.start(caddy, "run", "--adapter", "caddyfile", "--config", conf)
	r.holds()
}

func TestSiteFilesRefuseFolders(t *testing.T) {
	s := siteOf(t, false, "*")
	for _, dir := range []string{`/a"b`, "/a$b", "/a{b}", "/a\nb", `/a\b`, "/a`b", "/a&b"} {
		if files, err := SiteFiles(&s, dir); err == nil {
			t.Errorf("%q is taken: %v", dir, files)
		}
	}
}
