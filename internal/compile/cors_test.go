package compile

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

func siteOf(t *testing.T, secure bool, allow ...string) config.Site {
	t.Helper()
	s := config.Site{Host: "www.example.com", Headers: []string{"X-Token", "X-Foo*"}, Secure: secure}
	for _, a := range allow {
		d, err := policy.ParseDomain(a)
		if err != nil {
			t.Fatal(err)
		}
		s.Allow = append(s.Allow, d)
	}
	return s
}

// TestOriginPatternDecidesAsThePolicy holds the pattern against the policy that
// it is made of.
func TestOriginPatternDecidesAsThePolicy(t *testing.T) {
	n := 0
	for _, s := range []config.Site{
		siteOf(t, false, "*.example.com", "192.0.2.1"), siteOf(t, true, "*.example.com", "other.example"),
		siteOf(t, false, "https://a.example", "http://*.b.example"), siteOf(t, false, "*"), siteOf(t, false, "[2001:db8::1]", "games.example.com"),
	} {
		pattern := regexp.MustCompile("(?i)" + originPattern(&s))
		p := s.Policy()
		for _, host := range []string{
			"example.com", "a.example.com", "a.b.example.com", "badexample.com", "example.com.evil.test", "examplexcom", "192.0.2.1", "192.0.2.10", "192x0.2.1",
			"a.example", "x.a.example", "b.example", "x.b.example", "other.example", "[2001:db8::1]", "games.example.com",
		} {
			for _, scheme := range []string{"http", "https"} {
				origin := scheme + "://" + host
				from, err := policy.ParseRequestor(origin)
				if err != nil {
					t.Fatal(err)
				}
				n++
				if got, want := pattern.MatchString(origin), p.AllowsURL(from, false).Allowed; got != want {
					t.Errorf("%s under %s: %t, the policy says %t", origin, pattern, got, want)
				}
				if pattern.MatchString(origin+":8080") != pattern.MatchString(origin) || pattern.MatchString(origin+"/x") || pattern.MatchString("x"+origin) {
					t.Errorf("%s under %s is not anchored", origin, pattern)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d origins", n)
	}
}

func TestCORS(t *testing.T) {
	got := CORS([]config.Site{siteOf(t, false, "*.example.com")})
	for _, part := range []string{`Access-Control-Allow-Headers "X-Token"`, "default_type text/x-cross-domain-policy", "ForceType text/x-cross-domain-policy", "What CORS cannot express"} {
		if !strings.Contains(got, part) {
			t.Errorf("it does not say %q:\n%s", part, got)
		}
	}
	if strings.Contains(strings.ReplaceAll(got, `("X-Foo*")`, ""), "X-Foo") || strings.Contains(got, "Allow-Origin *") {
		t.Errorf("it says too much:\n%s", got)
	}
}

// TestNginxTakesIt hands nginx's part to nginx to be checked.
func TestNginxTakesIt(t *testing.T) {
	nginx := need.Tool(t, "nginx")
	_, text, _ := strings.Cut(CORS([]config.Site{siteOf(t, false, "*.example.com", "192.0.2.1")}), "# ---- nginx")
	text, _, _ = strings.Cut(text, "# ---- Apache")
	_, text, _ = strings.Cut(text, "\n")
	maps, rest, ok := strings.Cut(text, "}\n")
	if !ok {
		t.Fatal(text)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	body := "pid " + dir + "/pid;\nerror_log stderr;\nevents { }\nhttp {\naccess_log off;\nclient_body_temp_path " + dir + "/b; proxy_temp_path " + dir + "/p; fastcgi_temp_path " + dir + "/f; uwsgi_temp_path " + dir + "/u; scgi_temp_path " + dir + "/s;\n" + maps + "}\nserver { listen 127.0.0.1:1;\n" + rest + "}\n}\n"
	if err := os.WriteFile(conf, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(nginx, "-t", "-c", conf).CombinedOutput(); err != nil && !strings.Contains(string(out), "bind()") {
		t.Errorf("%v: %s\n%s", err, out, body)
	}
}
