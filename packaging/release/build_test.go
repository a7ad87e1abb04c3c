package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/internal/config"
)

// TestQuietConfigPermitsNothing reads the packaged config, as it stands and
// with its settings taken out of their comments.
func TestQuietConfigPermitsNothing(t *testing.T) {
	text := string(quiet(config.Reference()))
	path := filepath.Join(t.TempDir(), "port843.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Owners) != 0 || c.Serve.Policy != "" || len(c.Serve.Listeners) != 0 || c.Serve.Admin != "" {
		t.Errorf("it says something: %+v", c)
	}
	live := 0
	for line := range strings.Lines(text) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "#") && s != "[serve]" {
			t.Errorf("a setting is live: %s", s)
		}
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#\n" {
			live++
		}
	}
	if live < 20 {
		t.Errorf("only %d settings to take the comment from:\n%s", live, text)
	}
}

func TestPackageVersion(t *testing.T) {
	for v, want := range map[string]string{
		"v1.2.3":                     "1.2.3",
		"v1.2.3-rc1":                 "1.2.3~rc1",
		"v1.2.3-4-gabc1234":          "1.2.3+4.gabc1234",
		"v1.2.3-rc1-4-gabc1234":      "1.2.3~rc1+4.gabc1234",
		"v1.2.3-4-gabc1234-dirty":    "1.2.3+4.gabc1234+dirty",
		"abc1234":                    "0~git.abc1234",
		"abc1234-dirty":              "0~git.abc1234.dirty",
		"$(rm -rf ~)":                "0~git...rm..rf...",
		"v1.2.3-nightly-of-somebody": "0~git.v1.2.3.nightly.of.somebody",
	} {
		if got := packageVersion(v); got != want {
			t.Errorf("packageVersion(%q) = %q, want %q", v, got, want)
		}
	}
}

func TestParsePlatforms(t *testing.T) {
	if all, err := parsePlatforms(""); err != nil || len(all) != 8 {
		t.Errorf("%v, %v", all, err)
	}
	if some, err := parsePlatforms("windows/arm64,linux/amd64"); err != nil || len(some) != 2 || some[0].binary() != "port843.exe" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := parsePlatforms("plan9/mips"); err == nil {
		t.Error("plan9/mips is accepted")
	}
}
