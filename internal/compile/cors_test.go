package compile

import (
	"regexp"
	"strings"
	"testing"

	"github.com/port843/port843/internal/config"
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
		siteOf(t, false, "https://a.example", "http://*.b.example"), siteOf(t, true, "http://a.example"), siteOf(t, false, "*"), siteOf(t, false, "[2001:db8::1]", "games.example.com"),
	} {
		for _, overHTTPS := range []bool{false, true} {
			n += judges(t, &s, overHTTPS)
		}
	}
	if n < 200 {
		t.Errorf("only %d origins", n)
	}
}

// judges compares the pattern of a site with its policy, and returns how often.
func judges(t *testing.T, s *config.Site, overHTTPS bool) (n int) {
	t.Helper()
	pattern := regexp.MustCompile("(?i)^" + originPattern(s, overHTTPS) + "$")
	if originPattern(s, overHTTPS) == "" {
		pattern = regexp.MustCompile(`^\b$`) // nothing
	}
	p := s.Policy()
	for _, host := range someHosts {
		for _, scheme := range []string{"http", "https"} {
			origin := scheme + "://" + host
			from, err := policy.ParseRequestor(origin)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if got, want := pattern.MatchString(origin), p.AllowsURL(from, overHTTPS).Allowed; got != want {
				t.Errorf("%s under %s, over HTTPS %t: %t, the policy says %t", origin, pattern, overHTTPS, got, want)
			}
			if pattern.MatchString(origin+":8080") != pattern.MatchString(origin) || pattern.MatchString(origin+"/x") || pattern.MatchString("x"+origin) {
				t.Errorf("%s under %s is not anchored", origin, pattern)
			}
		}
	}
	return n
}

var someHosts = []string{
	"example.com", "a.example.com", "a.b.example.com", "badexample.com", "example.com.evil.test", "examplexcom", "192.0.2.1", "192.0.2.10", "192x0.2.1",
	"a.example", "x.a.example", "b.example", "x.b.example", "other.example", "[2001:db8::1]", "games.example.com",
}

func TestCORS(t *testing.T) {
	got := CORS([]config.Site{siteOf(t, false, "*.example.com")})
	for _, part := range []string{`Access-Control-Allow-Headers "X-Token"`, "return 204;", "What CORS cannot express"} {
		if !strings.Contains(got, part) {
			t.Errorf("it does not say %q:\n%s", part, got)
		}
	}
	if strings.Contains(strings.ReplaceAll(got, `("X-Foo*")`, ""), "X-Foo") || strings.Contains(got, "Allow-Origin *") {
		t.Errorf("it says too much:\n%s", got)
	}
}
