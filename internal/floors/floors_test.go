// Package floors holds the layout: which package of this module may import
// which, and which libraries a package for other people's programs stays
// clear of.
package floors

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/port843/port843/"

// floor of each room: an import goes down, never up, and sideways only where
// sideways says so. The longest prefix counts.
var floor = map[string]int{
	"internal/bounded":     0,
	"internal/dial":        0,
	"internal/docs":        0,
	"internal/escape":      0,
	"internal/nearest":     0,
	"policy":               0,
	"internal/atomicfile":  0,
	"lint":                 1,
	"aggregate":            1,
	"server":               2,
	"conform":              2,
	"frontdoor":            2,
	"player":               2,
	"internal/fetch":       3,
	"audit":                2,
	"internal/config":      3,
	"internal/table":       3,
	"internal/compile":     3,
	"internal/auditreport": 3,
	"internal/listening":   3,
	"internal/report":      3,
	"internal/metrics":     3,
	"internal/lintrun":     3,
	"internal/xdp":         2,
	"internal/daemon":      4,
	"internal/web":         4,
	"internal/cli":         4,
	"internal/manual":      4,
	"cmd/port843":          5,
}

// sideways lists the imports on one floor that are meant, with the reason.
var sideways = map[string]string{
	"policy -> internal/escape":           "errors show what strangers wrote",
	"internal/table -> internal/config":   "it reads what the config names",
	"internal/compile -> internal/config": "it writes what the config says for others",
	"internal/lintrun -> internal/fetch":  "it lints what is fetched",
	"frontdoor -> server":                 "the same request framing and limits",
	"frontdoor -> player":                 "the gateway dials as a player does",
	"audit -> player":                     "the same careful client",
	"internal/daemon -> internal/web":     "the daemon serves the page and fills it",
}

// library packages are for other people's programs: no flags, no log.Fatal,
// no metrics library. Package -> what it may import beside the standard
// library and this module.
var library = map[string][]string{
	"policy":    {},
	"aggregate": {},
	"lint":      {"golang.org/x/net/"},
	"conform":   {},
	"player":    {"golang.org/x/sys/", "golang.org/x/net/"},
	"audit":     {"golang.org/x/sys/"},
	"server":    {"golang.org/x/sys/"},
	"frontdoor": {"github.com/gobwas/ws", "golang.org/x/sys/", "github.com/pires/go-proxyproto"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func list(t *testing.T) []pkg {
	t.Helper()
	// What the go tool reads for us the test cache does not see; what is read
	// here it does.
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 4 {
		t.Fatalf("go list found %d packages of this module: the test reads the wrong place", len(pkgs))
	}
	return pkgs
}

// room returns the longest key of floor that path lies in.
func room(path string) (string, bool) {
	path = strings.TrimPrefix(path, module)
	best := ""
	for r := range floor {
		if (path == r || strings.HasPrefix(path, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best, best != ""
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range list(t) {
		from, ok := room(p.ImportPath)
		if !ok {
			if !outside(p.ImportPath) {
				t.Errorf("%s has no floor: add its room to the table", p.ImportPath)
			}
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module) {
				continue
			}
			to, ok := room(imp)
			if !ok {
				t.Errorf("%s imports %s, which has no floor", p.ImportPath, imp)
				continue
			}
			if to == from || floor[to] < floor[from] {
				continue
			}
			if _, meant := sideways[from+" -> "+to]; meant && floor[to] == floor[from] {
				continue
			}
			t.Errorf("%s (floor %d) imports %s (floor %d): an import goes down", p.ImportPath, floor[from], imp, floor[to])
		}
	}
}

// outside tells the places that are no rooms of the program: tests of the
// layout, examples, the benchmark's contenders, what makes
// packages, and what is for other tools.
func outside(path string) bool {
	path = strings.TrimPrefix(path, module)
	for _, p := range []string{"internal/floors", "internal/need", "examples", "bench", "contrib", "packaging"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

func TestLibrariesStayClean(t *testing.T) {
	never := []string{"flag", "log", "github.com/prometheus/", "github.com/spf13/"}
	for _, p := range list(t) {
		name, _ := room(p.ImportPath)
		allowed, ok := library[name]
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			if slices.ContainsFunc(never, func(n string) bool { return imp == n || strings.HasSuffix(n, "/") && strings.HasPrefix(imp, n) }) {
				t.Errorf("%s imports %s: it is for other people's programs", p.ImportPath, imp)
			}
			first, _, _ := strings.Cut(imp, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(imp, module) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(imp, a) }) {
				t.Errorf("%s imports %s, which is not among %v", p.ImportPath, imp, allowed)
			}
		}
	}
}
