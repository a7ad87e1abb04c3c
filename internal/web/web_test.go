package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

func answerOf(t *testing.T, rules ...string) *server.Answer {
	t.Helper()
	a, err := server.NewAnswer([]byte("<cross-domain-policy>\n" + strings.Join(rules, "\n") + "\n</cross-domain-policy>\n"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func viewOf(a *server.Answer) View {
	p := server.Policies{Default: a}
	return View{
		Version: "1", Ready: true, Limits: server.Limits{MaxConnections: 100, MaxPerAddress: 10, Deadline: time.Second},
		Listeners: []Listener{{Address: "127.0.0.1:843", Source: "p.xml", ServedFrom: policy.MasterPort, Policies: p}},
		Sources:   []Source{{Name: "p.xml", Files: []string{"p.xml"}, InService: InService{Policies: p}}},
	}
}

func TestHistoryKeepsAnHour(t *testing.T) {
	var h history
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	at := start
	for i := range 3 * samples {
		at = start.Add(time.Duration(i) * sampleEvery)
		h.add(sample{at: at, ended: []uint64{uint64(i) * 50}, open: int64(i % 7)})
	}
	got := h.last(at)
	if len(got) != samples || at.Sub(got[0].at) != span || !got[len(got)-1].at.Equal(at) {
		t.Fatalf("%d samples from %v to %v, want %d over an hour until %v", len(got), got[0].at, got[len(got)-1].at, samples, at)
	}
	for _, p := range rates(got, func(s sample) uint64 { return s.ended[0] }) {
		if p.value != 5 {
			t.Fatalf("50 in 10 s are %v per second", p.value)
		}
	}
	if got := h.last(at.Add(2 * span)); len(got) != 0 {
		t.Errorf("two hours later %d samples are of the last hour", len(got))
	}
}

func TestRatesLeaveOutWhatIsNone(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	got := rates([]sample{
		{at: at, ended: []uint64{100}}, {at: at.Add(time.Millisecond), ended: []uint64{101}},
		{at: at.Add(10 * time.Second), ended: []uint64{3}}, {at: at.Add(20 * time.Second), ended: []uint64{13}},
	}, func(s sample) uint64 { return s.ended[0] })
	if len(got) != 1 || got[0].value != 1 {
		t.Errorf("%v", got)
	}
}

func TestChartIsDrawnToScale(t *testing.T) {
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newChart("x", "per second", []point{{now.Add(-time.Hour), 0}, {now.Add(-30 * time.Minute), 10}, {now, 5}}, now)
	if c.Line != "0.0,100.0 360.0,0.0 720.0,50.0" || c.Area != "0.0,100 "+c.Line+" 720.0,100" || c.Now != "5" || c.Max != "10" {
		t.Errorf("%+v", c)
	}
	if c := newChart("x", "", []point{{now.Add(-2 * time.Minute), 1}, {now, 1}}, now); c.Since != "5 min ago" || c.Line != "432.0,0.0 720.0,0.0" {
		t.Errorf("of a young process: %+v", c)
	}
	if c := newChart("x", "", nil, now); c.Line != "" || c.Now != "0" {
		t.Errorf("of nothing: %+v", c)
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.001: "<0.01", 0.5: "0.5", 2: "2", 10: "10", 12.34: "12.3", 639.4: "639", 1234567: "1,234,567"} {
		if got := Figure(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

func TestCompareSaysWhatChangedInMeaning(t *testing.T) {
	of := func(rules ...string) InService {
		return InService{Policies: server.Policies{Default: answerOf(t, rules...)}}
	}
	a := of(`<allow-access-from domain="a.test" to-ports="80,9000"/>`)
	for _, c := range []struct {
		to               InService
		servedFrom       uint16
		changes          int
		granted, revoked string
	}{
		{a, 843, 0, "", ""},
		{of(`<allow-access-from domain="a.test" to-ports="9000,80"/>`), 843, 1, "", ""},
		{of(`<allow-access-from domain="a.test" to-ports="9000"/>`), 843, 1, "", "a.test may reach 80"},
		{of(`<allow-access-from domain="a.test" to-ports="9000"/>`), 10843, 1, "", ""},
		{of(`<allow-access-from domain="*.a.test" to-ports="80,9000"/>`), 843, 1, "*.a.test may reach 80,9000|a.test but not 80,9000", ""},
	} {
		got, more := Compare(a, c.to, c.servedFrom)
		if len(got) != c.changes || more != 0 {
			t.Errorf("%d changes, want %d", len(got), c.changes)
			continue
		}
		if c.changes == 0 {
			continue
		}
		if g, r := texts(got[0].Granted), texts(got[0].Revoked); g != c.granted || r != c.revoked {
			t.Errorf("granted %q, revoked %q; want %q and %q", g, r, c.granted, c.revoked)
		}
	}
}

func texts(terms []Term) string {
	var out []string
	for _, t := range terms {
		out = append(out, t.Text)
	}
	return strings.Join(out, "|")
}

func TestCompareIsBounded(t *testing.T) {
	var rules []string
	for i := range 3 * maxTerms {
		rules = append(rules, fmt.Sprintf(`<allow-access-from domain="h%d.test" to-ports="80"/>`, i))
	}
	got, _ := Compare(InService{Policies: server.Policies{Default: answerOf(t)}}, InService{Policies: server.Policies{Default: answerOf(t, rules...)}}, 843)
	if len(got) != 1 || len(got[0].Granted) != maxTerms || got[0].More != 2*maxTerms {
		t.Errorf("%d terms and %d more", len(got[0].Granted), got[0].More)
	}
}

func page(t *testing.T, v View, target string) string {
	t.Helper()
	mux := http.NewServeMux()
	New(Options{View: func() View { return v }}).Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestEverythingIsEscaped(t *testing.T) {
	const evil = `<script>alert(1)</script>"'`
	v := viewOf(answerOf(t, `<allow-access-from domain="a.test" to-ports="80"/>`))
	v.Version, v.User, v.Reasons = evil, evil, []string{evil}
	v.Listeners[0].Address, v.Listeners[0].Source = evil, evil
	v.Fronts = []Front{{
		Address: evil, Services: []Service{{evil, evil, evil}}, Refused: []RefusedOrigin{{Origin: evil, Why: evil}},
		Stats: frontdoor.Stats{Backends: []frontdoor.BackendState{{Address: evil, Error: evil}}},
	}}
	v.FastPaths = []FastPath{{Interface: evil, Mode: evil}}
	v.Sources[0] = Source{Name: evil, Files: []string{evil}, Error: evil, Refused: []string{evil}, Warnings: []string{evil}, InService: v.Sources[0].InService,
		History: []Reload{{Why: evil, Error: evil}, {Refused: []string{evil}, Changes: []Change{{Address: evil, Before: evil, After: evil, Granted: []Term{{evil, []string{evil}}}}}}}}
	html := page(t, v, "/?from=http://"+"%3Cscript%3E"+"&to=%3Cscript%3E%22:80&at=%3Cscript%3E")
	if n := strings.Count(html, "<script"); n != 1 {
		t.Errorf("%d scripts, want our own alone", n)
	}
	if !strings.Contains(html, "&lt;script&gt;alert(1)") {
		t.Error("the text is not shown at all")
	}
}

func TestFrontsAreDrawn(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	backend := func(up bool) frontdoor.BackendState { return frontdoor.BackendState{Address: "127.0.0.1:1", Up: up} }
	v := viewOf(answerOf(t))
	v.Fronts = []Front{
		{Address: "127.0.0.1:1000", Port: 1000, Stats: frontdoor.Stats{Backends: []frontdoor.BackendState{backend(true), backend(true)}}},
		{Address: "127.0.0.1:2000", Port: 443, Stats: frontdoor.Stats{Backends: []frontdoor.BackendState{backend(true), backend(false)}}},
		{Address: "127.0.0.1:3000", Port: 3000, Stats: frontdoor.Stats{Backends: []frontdoor.BackendState{backend(false)}}},
		{Address: "127.0.0.1:4000", Port: 4000},
	}
	var past []sample
	for i := range 3 {
		n := uint64(i)
		v.Fronts[1].Stats.Up, v.Fronts[1].Stats.Down, v.Fronts[1].Stats.Origins = 5000*n*n, 12_340_000*n, 20*n
		past = append(past, sampleOf(&v, at.Add(time.Duration(i)*sampleEvery)))
	}
	got := frontOf(&v, past, past[2].at)
	var order []string
	for _, f := range got.Fronts {
		order = append(order, f.Address[10:]+" "+f.State)
	}
	if s := strings.Join(order, ", "); s != "3000 down, 2000 shaky, 1000 up, 4000 " {
		t.Errorf("the order is %s", s)
	}
	f := got.Fronts[1]
	if f.Port != "443" || f.Backends[0].Up || !f.Backends[1].Up {
		t.Errorf("%+v", f)
	}
	for i, want := range []string{"0 0", "0 0", "0 0", "1.5 kB 1.5 kB", "1.2 MB 1.2 MB", "2 2"} {
		if c := f.Charts[i].Chart; c.Now+" "+c.Max != want {
			t.Errorf("%s: now and at most %s %s, want %s", f.Charts[i].Name, c.Now, c.Max, want)
		}
	}
	for range 2 * maxFronts {
		v.Fronts = append(v.Fronts, Front{Address: fmt.Sprint(len(v.Fronts))})
	}
	if got := frontOf(&v, []sample{sampleOf(&v, at)}, at); len(got.Fronts) != maxFronts || got.More != maxFronts+4 {
		t.Errorf("%d fronts and %d more", len(got.Fronts), got.More)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1 << 40: "1.1 TB", 1<<64 - 1: "18.4 EB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestFastPathIsShown(t *testing.T) {
	v := viewOf(answerOf(t))
	if html := page(t, v, "/"); strings.Contains(html, "fast path") {
		t.Error("there is none, and it is shown")
	}
	v.FastPaths = []FastPath{{Interface: "eth7", Mode: "native", Doors: 2, Left: 1, SYNs: 12345, Answered: 4321, Passed: 5, Refused: 6}}
	html := page(t, v, "/")
	for _, want := range []string{"The fast path", "eth7", "native", "12,345", "4,321", "1 left to the sockets"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not shown", want)
		}
	}
}

func TestHealthComesFirst(t *testing.T) {
	v := viewOf(answerOf(t))
	if html := page(t, v, "/"); !strings.Contains(html, "All is well") {
		t.Error("it is not said that all is well")
	}
	v.Reasons = []string{"the reason"}
	html := page(t, v, "/")
	if strings.Contains(html, "All is well") || strings.Index(html, "the reason") > strings.Index(html, "<h2") {
		t.Error("what is not well does not come first")
	}
}

func TestTryJudgesThePolicyOfTheAddress(t *testing.T) {
	own := answerOf(t, `<site-control permitted-cross-domain-policies="master-only"/>`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`)
	v := viewOf(answerOf(t, `<site-control permitted-cross-domain-policies="master-only"/>`, `<allow-access-from domain="other.example.com" to-ports="9000"/>`))
	v.Listeners[0].Policies.ByAddress = map[netip.Addr]*server.Answer{netip.MustParseAddr("192.0.2.7"): own}
	for _, c := range []struct{ from, to, at, flash string }{
		{"http://www.example.com/a.swf", "192.0.2.7:9000", "", "permitted"},
		{"http://www.example.com/a.swf", "192.0.2.8:9000", "", "denied"},
		{"http://www.example.com/a.swf", "192.0.2.7:9001", "", "denied"},
		{"http://other.example.com/a.swf", "game.example.net:9000", "", "permitted"},
		{"http://www.example.com/a.swf", "game.example.net:9000", "127.0.0.1:843/192.0.2.7", "permitted"},
		{"http://www.example.com/a.swf", "http://192.0.2.7/x", "", "permitted"},
	} {
		got := tryOf(context.Background(), &v, map[string][]string{"from": {c.from}, "to": {c.to}, "at": {c.at}})
		if got.Error != "" || len(got.Verdicts) < 10 || got.Verdicts[0].Name != "flash" || got.Verdicts[0].Answer != c.flash {
			t.Errorf("%+v: %q, %+v", c, got.Error, got.Verdicts)
		}
	}
	for _, q := range [][2]string{{"", "a:80"}, {"http://a/", ""}, {"http://a/", "a"}, {"nonsense", "a:80"}, {"http://" + strings.Repeat("a", maxQuestion), "a:80"}} {
		if got := tryOf(context.Background(), &v, map[string][]string{"from": {q[0]}, "to": {q[1]}}); got.Error == "" || len(got.Verdicts) > 0 {
			t.Errorf("%.40q: no error", q)
		}
	}
}

func TestEventsTellOnlyWhatChanged(t *testing.T) {
	v := viewOf(answerOf(t))
	p := New(Options{View: func() View { return v }})
	last := map[string]string{}
	names := func() string {
		t.Helper()
		news, err := p.news(context.Background(), last)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for s := bufio.NewScanner(bytes.NewReader(news)); s.Scan(); {
			name, isEvent := strings.CutPrefix(s.Text(), "event: ")
			if isEvent {
				out = append(out, name)
			} else if s.Text() != "" && !strings.HasPrefix(s.Text(), "data: ") {
				t.Fatalf("a line of no event: %q", s.Text())
			}
		}
		return strings.Join(out, " ")
	}
	if got := names(); got != "health now front who changed at" {
		t.Errorf("at first: %s", got)
	}
	v.Reasons = []string{"two\nlines\r\nand more"}
	if got := strings.Replace(names(), "now ", "", 1); got != "health at" {
		t.Errorf("then: %s", got)
	}
}

func TestReloadButtonIsOffByDefault(t *testing.T) {
	v := viewOf(answerOf(t))
	reloads := 0
	for _, on := range []bool{false, true} {
		o := Options{View: func() View { return v }}
		if on {
			o.Reload = func() error { reloads++; return nil }
		}
		mux := http.NewServeMux()
		New(o).Register(mux)
		post := func(headers ...string) int {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, request("POST", "http://127.0.0.1/reload", headers...))
			return w.Code
		}
		if code := post("Sec-Fetch-Site", "cross-site"); code < 400 || reloads != 0 {
			t.Errorf("another site's page reloads: %d", code)
		}
		if code := post("Sec-Fetch-Site", "same-origin"); on != (code == http.StatusSeeOther) || on != (reloads == 1) {
			t.Errorf("on=%v: %d, %d reloads", on, code, reloads)
		}
	}
}

func TestOpenPagesAreBounded(t *testing.T) {
	v := viewOf(answerOf(t))
	p := New(Options{View: func() View { return v }})
	mux := http.NewServeMux()
	p.Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	open := func() int {
		r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp.StatusCode
	}
	for i := range maxStreams {
		if code := open(); code != http.StatusOK {
			t.Fatalf("page %d: %d", i, code)
		}
	}
	if code := open(); code != http.StatusServiceUnavailable {
		t.Errorf("one page more: %d", code)
	}
	leave()
	for deadline := time.Now().Add(time.Minute); p.streams.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the streams of pages that are gone go on")
		}
	}
}
