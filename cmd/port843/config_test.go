//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const departments = `
[serve]
listen = ["127.0.0.1:10843"]
user = "port843"
public_port = 843

[[owner]]
name = "physics"
ports = "9000-9099"
domains = ["*.physics.test"]
policies = ["physics/*.xml"]

[[owner]]
name = "games"
ports = "7000"
domains = ["*"]

[[service]]
name = "lobby"
owner = "games"
ports = "7000"
allow = ["*.games.test"]
`

// TestServeConfig breaks and mends one department's file while the policies of
// both departments are served.
func TestServeConfig(t *testing.T) {
	dir := publicDir(t)
	if err := os.Mkdir(filepath.Join(dir, "physics"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "physics", "lab.xml")
	rule := func(domain, ports string) string {
		return `<cross-domain-policy><allow-access-from domain="` + domain + `" to-ports="` + ports + `"/></cross-domain-policy>`
	}
	replace(t, file, rule("*.physics.test", "9000"))
	config := filepath.Join(dir, "port843.toml")
	replace(t, config, departments)
	s := startService(t, "--config", config, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	const both = "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n" +
		"<site-control permitted-cross-domain-policies=\"master-only\"/>\n" +
		"<allow-access-from domain=\"*.games.test\" to-ports=\"7000\"/>\n" +
		"<allow-access-from domain=\"*.physics.test\" to-ports=\"9000\"/>\n</cross-domain-policy>\n\x00"
	if got := ask(t, s.address(t, 0)); got != both {
		t.Fatalf("got %q, want %q", got, both)
	}

	replace(t, file, rule("*", "9000"))
	line := s.logged(t, "a part of the policies is refused")
	if why := line["why"].(string); !strings.Contains(why, file+":1:") {
		t.Errorf("the refusal does not name the place: %s", why)
	}
	if got := ask(t, s.address(t, 0)); got != both {
		t.Errorf("beside a department's mistake it serves %q", got)
	}
	if code, body := get(t, "http://"+s.admin(t)+"/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "lab.xml") {
		t.Errorf("/healthz: %d %s", code, body)
	}

	replace(t, file, rule("*.physics.test", "9000,9001"))
	mended := strings.Replace(both, `"9000"`, `"9000,9001"`, 1)
	eventually(t, "the mended file is served", func() bool { return ask(t, s.address(t, 0)) == mended })
	eventually(t, "all is well", func() bool { code, _ := get(t, "http://"+s.admin(t)+"/healthz"); return code == http.StatusOK })

	replace(t, config, departments+"\n[[owner]]\nname = \"physics\"\n")
	refused := s.logged(t, "reload refused")
	if got := refused["error"].(string); !strings.Contains(got, config+":") {
		t.Errorf("a bad config is refused without its place: %s", got)
	}
	if got := ask(t, s.address(t, 0)); got != mended {
		t.Errorf("beside a bad config it serves %q", got)
	}
}
