package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

func TestCleanAddress(t *testing.T) {
	for in, want := range map[string]string{
		"843": ":843", ":843": ":843", "127.0.0.1": "127.0.0.1:843", "::1": "[::1]:843", "[::1]": "[::1]:843",
		"[::]:10843": "[::]:10843", "host.example": "host.example:843", "host.example:1": "host.example:1",
	} {
		if got, err := CleanAddress(in); err != nil || got != want {
			t.Errorf("CleanAddress(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "99999", "a:b", "1.2.3.4:", "a b", "1:2:3", "http://x"} {
		if got, err := CleanAddress(in); err == nil {
			t.Errorf("CleanAddress(%q) = %q, want an error", in, got)
		}
	}
}

func TestAllowPolicy(t *testing.T) {
	p, warnings, err := AllowPolicy([]string{"*.example.com:8080,9000-9002", "https://[::1]:80", "x.test:1-99"}, 10843)
	if err != nil || len(p.Rules) != 3 || p.Meta != policy.MetaUnset {
		t.Fatalf("%+v, %v", p, err)
	}
	if got := p.Rules[1].Domain.String(); got != "https://[::1]" {
		t.Errorf("the second domain is %s", got)
	}
	if all := strings.Join(warnings, "\n"); len(warnings) != 3 || !strings.Contains(all, "--allow https://[::1]:80: Flash Player takes ports below 1024") || !strings.Contains(all, "stay a range") {
		t.Errorf("warnings: %s", all)
	}
	if p, warnings, err := AllowPolicy([]string{"x.test:80"}, 843); err != nil || p.Meta != policy.MetaMasterOnly || len(warnings) != 0 {
		t.Errorf("from port 843: %+v, %v, %v", p, warnings, err)
	}
	_, _, err = AllowPolicy([]string{"*.example.com", "*.com:80", "a.test:", "[::1]", "https://a.test"}, 843)
	if err == nil || len(strings.Split(err.Error(), "\n")) != 5 {
		t.Errorf("five mistakes: %v", err)
	}
}

func TestFoldersFollowLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"real", "links"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "real", "p.xml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "links", "p.xml")
	if err := os.Symlink(filepath.Join("..", "real", "p.xml"), link); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "links"), filepath.Join(dir, "real")}
	if got := File(link).Folders(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTableFolders has owners whose folders are empty or outside the config's:
// a file that comes later must be readable.
func TestTableFolders(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "port843.toml")
	text := "[[owner]]\nname = \"a\"\nports = \"9000\"\ndomains = [\"*\"]\npolicies = [\"none/yet/*.xml\", \"" + filepath.ToSlash(dir) + "/x*/p.xml\"]\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	source, c, err := Table(config, Front{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Owners) != 1 {
		t.Fatalf("%+v", c)
	}
	want := []string{dir, filepath.Join(dir, "none", "yet")}
	if got := source.Folders(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	loaded, err := source.Load()
	if err != nil || loaded.Policies.Default == nil {
		t.Fatalf("%+v, %v", loaded, err)
	}
}
