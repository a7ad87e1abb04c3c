package contrib

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/metrics"
	"github.com/port843/port843/internal/need"
)

// What watches port843 from outside is held to the metrics that there are, and
// to docs/alerts.md.
const (
	rules     = "prometheus/port843.rules.yml"
	ruleTests = "prometheus/port843_test.yml"
	dashboard = "grafana/port843.json"
	alerts    = "../docs/alerts.md"
)

// exposition is a scrape with every series of the server in it.
func exposition(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(metrics.New(func() metrics.Snapshot {
		return metrics.Snapshot{
			Version: "v1", Healthy: true, Ready: true,
			Listeners: []metrics.Listener{{Address: "[::]:843", Digest: "aa", Bytes: 123}},
			Fronts:    []metrics.Front{{Address: "[::]:9000", Stats: frontdoor.Stats{Backends: []frontdoor.BackendState{{Address: "127.0.0.1:19000", Up: true}}}}},
			Sources:   []metrics.Source{{Name: "policy.xml", Reloads: 1, Since: time.Unix(1, 0)}},
		}
	}))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(need.Tool(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestMetricNames(t *testing.T) {
	if out := promtool(t, exposition(t), "check", "metrics"); strings.TrimSpace(out) != "" {
		t.Errorf("promtool remarks on\n%s", out)
	}
}

func TestRules(t *testing.T) {
	if out := promtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", rules); !strings.Contains(out, "14 rules found") {
		t.Errorf("%s", out)
	}
	promtool(t, "", "test", "rules", ruleTests)
}

var alertName = regexp.MustCompile(`(?m)- alert: (\w+)$`)

// TestEveryAlert wants of each alert a section in the docs, a link to it, and
// tests in which it fires and in which it does not.
func TestEveryAlert(t *testing.T) {
	text, tests, docs := read(t, rules), read(t, ruleTests), read(t, alerts)
	names := alertName.FindAllStringSubmatch(text, -1)
	if len(names) != 14 {
		t.Fatalf("%d alerts", len(names))
	}
	for _, m := range names {
		name := m[1]
		if !strings.Contains(text, "/docs/alerts.md#"+strings.ToLower(name)+"\n") {
			t.Errorf("%s links to no section", name)
		}
		if !strings.Contains(docs, "\n## "+name+"\n\n**") {
			t.Errorf("docs/alerts.md has no section on %s", name)
		}
		if !strings.Contains(tests, "alertname: "+name+"\n        exp_alerts:\n") {
			t.Errorf("no test in which %s fires", name)
		}
		if !strings.Contains(tests, "alertname: "+name+"\n        exp_alerts: []\n") {
			t.Errorf("no test in which %s stays silent", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(docs, -1) {
		if !strings.Contains(text, "- alert: "+m[1]+"\n") {
			t.Errorf("docs/alerts.md tells of %s, which there is not", m[1])
		}
	}
}

// TestSeriesAreThere looks each series and label up in a scrape.
func TestSeriesAreThere(t *testing.T) {
	scrape := exposition(t)
	found := 0
	for _, name := range []string{rules, dashboard, alerts} {
		for _, series := range regexp.MustCompile(`\b(?:port843|process|go)_[a-z_]+\b`).FindAllString(read(t, name), -1) {
			if series == "port843_test" {
				continue
			}
			found++
			if !strings.Contains(scrape, "\n"+series+"{") && !strings.Contains(scrape, "\n"+series+" ") {
				t.Errorf("%s names %s, which is not in a scrape", name, series)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d series were looked up", found)
	}
	for _, kind := range regexp.MustCompile(`kind=~?\\?"([a-z_|]+)\\?"`).FindAllStringSubmatch(read(t, rules)+read(t, dashboard), -1) {
		for one := range strings.SplitSeq(kind[1], "|") {
			if !strings.Contains(scrape, `kind="`+one+`"`) {
				t.Errorf("there is no kind of connections %s", one)
			}
		}
	}
	for _, outcome := range regexp.MustCompile(`outcome=~?\\?"([a-z_.*|]+)\\?"`).FindAllStringSubmatch(read(t, rules)+read(t, dashboard), -1) {
		for one := range strings.SplitSeq(outcome[1], "|") {
			if one = strings.TrimSuffix(one, ".*"); !strings.Contains(scrape, `outcome="`+one) {
				t.Errorf("there is no outcome %s", one)
			}
		}
	}
}

// TestDashboard reads the dashboard, and has promtool parse each query of it.
func TestDashboard(t *testing.T) {
	var d struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct{ List []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 || d.Title == "" {
		t.Fatalf("%d panels", len(d.Panels))
	}
	taken := map[[2]int]string{}
	var queries []string
	for _, p := range d.Panels {
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok || at[0] >= 24 {
					t.Fatalf("%q lies over %q, or beside the grid", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		for _, q := range p.Targets {
			queries = append(queries, q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		queries = append(queries, a.Expr)
	}
	known := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		known[v.Name] = true
	}
	var file bytes.Buffer
	file.WriteString("groups:\n- name: dashboard\n  rules:\n")
	variable := regexp.MustCompile(`\$(\w+)`)
	for i, q := range queries {
		for _, m := range variable.FindAllStringSubmatch(q, -1) {
			if !known[m[1]] {
				t.Errorf("%s has the variable %s, which there is not", q, m[1])
			}
		}
		q = strings.ReplaceAll(q, "$__rate_interval", "5m")
		fmt.Fprintf(&file, "  - record: query:%d\n    expr: %q\n", i, variable.ReplaceAllString(q, ".*"))
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := promtool(t, "", "check", "rules", path); !strings.Contains(out, fmt.Sprintf("%d rules found", len(queries))) {
		t.Errorf("%s", out)
	}
}
