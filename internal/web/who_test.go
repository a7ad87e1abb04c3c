package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// tabled is a view of a service whose policies come from a table of one owner
// with these services, each on the next port from 9000 on.
func tabled(t *testing.T, owner, file string, services ...string) View {
	t.Helper()
	everyone, err := policy.ParseDomain("*")
	if err != nil {
		t.Fatal(err)
	}
	all, err := policy.ParsePorts("*")
	if err != nil {
		t.Fatal(err)
	}
	o := aggregate.Owner{Name: owner, Ports: all, Domains: []policy.Domain{everyone}}
	c := &config.Config{Owners: []config.Owner{{Owner: o}}}
	version := aggregate.Version{Owner: o}
	for i, name := range services {
		port, err := policy.ParsePorts(fmt.Sprint(9000 + i))
		if err != nil {
			t.Fatal(err)
		}
		place := aggregate.Source{File: file, Pos: policy.Pos{Line: int32(10 + i), Col: 1}}
		s := aggregate.Service{Name: name, Ports: port, Allow: []policy.Domain{everyone}, Source: place}
		version.Services = append(version.Services, s)
		c.Services = append(c.Services, config.Service{Service: s, Owner: owner, Front: config.Front{Backends: []string{"127.0.0.1:1"}}})
	}
	result := aggregate.Build(aggregate.Options{}, []aggregate.Version{version})
	answer, err := server.NewAnswer(policy.Format(result.Tables[0].Policy()))
	if err != nil {
		t.Fatal(err)
	}
	v := viewOf(answer)
	v.Sources[0].InService.Tables = &table.Tables{Config: c, Result: result}
	return v
}

// TestAServiceCalledScript names everything of a table with markup in it.
func TestAServiceCalledScript(t *testing.T) {
	const evil = `<script>alert(1)</script>"'`
	v := tabled(t, evil, "/srv/"+evil, evil, "b"+evil)
	v.Fronts = []Front{{Address: "127.0.0.1:9000", Port: 9000, Services: ServicesBehind(v.Sources[0].InService, "[::]:9000", 9000)}}
	html := page(t, v, "/")
	if n := strings.Count(html, "<script"); n != 1 {
		t.Errorf("%d scripts, want our own alone", n)
	}
	// As the head of a column, in a cell's origin, and before its front.
	if n := strings.Count(html, "&lt;script&gt;alert(1)"); n < 6 {
		t.Errorf("the names are shown %d times:\n%s", n, html)
	}
	if i := strings.Index(html, `>&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39; <div class="small">port 9000</div>`); i < 0 {
		t.Error("the service is not the head of a column")
	}
}

func TestServicesBehindAPort(t *testing.T) {
	v := tabled(t, "games", "/etc/port843/port843.toml", "lobby", "match")
	got := ServicesBehind(v.Sources[0].InService, "[::]:9000", 9000)
	if len(got) != 1 || got[0] != (Service{Name: "lobby", Owner: "games", At: "port843.toml:10"}) {
		t.Errorf("%+v", got)
	}
	services := v.Sources[0].InService.Tables.Config.Services
	services[0].Address = netip.MustParseAddr("192.0.2.10")
	for address, n := range map[string]int{"192.0.2.10:9000": 1, "192.0.2.11:9000": 0, "[::]:9000": 0} {
		if got := ServicesBehind(v.Sources[0].InService, address, 9000); len(got) != n {
			t.Errorf("at %s: %+v", address, got)
		}
	}
	services[0].Address, services[0].Backends = netip.Addr{}, nil
	if got := ServicesBehind(v.Sources[0].InService, "[::]:9000", 9000); got != nil {
		t.Errorf("of a service that is not forwarded to: %+v", got)
	}
	if got := ServicesBehind(InService{}, "[::]:9000", 9000); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestWhoForPrograms reads what /status?who tells.
func TestWhoForPrograms(t *testing.T) {
	v := tabled(t, "games", "/etc/port843/port843.toml", "lobby")
	p := New(Options{View: func() View { return v }})
	text, err := json.Marshal(p.Who())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"tables":[{"source":"p.xml","address":"all addresses","services":[{"name":"lobby","ports":"9000","at":"port843.toml:10"}],` +
		`"rows":[{"domain":"*","cells":[{"reach":"yes","from":["games · port843.toml:10"]}]}]`
	if !strings.HasPrefix(string(text), want) || !strings.Contains(string(text), `"lint":[{"place":"p.xml","findings":[{"severity":"warning","code":"any-domain"`) {
		t.Errorf("%s", text)
	}
}

// TestWhoIsMadeOnce makes it anew only when something else is in service.
func TestWhoIsMadeOnce(t *testing.T) {
	v := viewOf(answerOf(t, `<allow-access-from domain="a.test" to-ports="80"/>`))
	p := New(Options{View: func() View { return v }})
	mux := http.NewServeMux()
	p.Register(mux)
	first := p.Who()
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if again := p.Who(); &again.Files[0] != &first.Files[0] {
		t.Error("it was made again")
	}
	v = viewOf(answerOf(t, `<allow-access-from domain="b.test" to-ports="80"/>`))
	if now := p.Who(); now.Files[0].Rules[0].Domain != "b.test" {
		t.Errorf("it was not made again: %+v", now.Files)
	}
}
