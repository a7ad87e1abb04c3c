package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/port843/port843/server"
)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "assets/*.html"))

// Options of [New].
type Options struct {
	// View returns what the service knows of itself now. It is called from
	// several goroutines, a few times a second, and must not block.
	View func() View
	// Reload reads every source anew; nil: the page has no button for it.
	Reload func() error
	// Login says that the page is behind [Access] with a token, so that it
	// offers to log out.
	Login bool
}

// How often an open page is looked after, and how many may be open: each costs
// a goroutine and its comparison.
const (
	refreshEvery = 2 * time.Second
	maxStreams   = 32
	writeLimit   = 10 * time.Second // for one event to a slow reader
)

// Page is the page. Make it with [New]; its methods may be called from several
// goroutines.
type Page struct {
	o       Options
	past    history
	streams atomic.Int64

	mu    sync.Mutex // guards the rest
	who   Who
	whoOf []service // what who was made of
}

// service identifies what a source has in service: the same values, the same
// policies.
type service struct {
	name    string
	since   time.Time
	refused int
	answer  *server.Answer
}

// New returns the page of a service.
func New(o Options) *Page { return &Page{o: o} }

// Run keeps the history of the last hour until ctx ends.
func (p *Page) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		v := p.o.View()
		p.past.add(sampleOf(&v, time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// PerSecond returns how many exchanges ended how, a second, between the last
// two samples; nil before there are two.
func (p *Page) PerSecond() map[string]float64 {
	past := p.past.last(time.Now())
	if len(past) < 2 {
		return nil
	}
	out := map[string]float64{}
	for _, o := range server.Outcomes() {
		for _, r := range rates(past[len(past)-2:], func(s sample) uint64 { return s.ended[o] }) {
			out[o.String()] = r.value
		}
	}
	return out
}

// Who returns who may reach what, by the policies in service. It is read only.
func (p *Page) Who() Who {
	v := p.o.View()
	return p.whoNow(&v)
}

// Register adds the page at "/" and what belongs to it.
func (p *Page) Register(mux *http.ServeMux) {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic("web: " + err.Error()) // the folder is embedded above
	}
	mux.HandleFunc("GET /{$}", p.whole)
	mux.HandleFunc("GET /events", p.events)
	for _, name := range []string{"style.css", "page.js", "icon.svg"} {
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, name)
		})
	}
	if p.o.Reload != nil {
		mux.Handle("POST /reload", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.reload)))
	}
}

// model is what the templates show.
type model struct {
	Health  health
	Now     nowPart
	Front   frontPart
	Who     Who
	Changed []changedSource
	Try     tryPart

	At     moment
	Reload bool // there is a button
	Login  bool
}

func (p *Page) model(ctx context.Context, query url.Values) model {
	now := time.Now()
	v := p.o.View()
	past := append(p.past.last(now), sampleOf(&v, now))
	m := model{
		Now: nowOf(&v, past, now), Front: frontOf(&v, past, now),
		Health: healthOf(&v, now), Who: p.whoNow(&v), Changed: changedOf(&v),
		Reload: p.o.Reload != nil, Login: p.o.Login,
	}
	m.At = moment{ISO: now.UTC().Format(time.RFC3339), Text: now.UTC().Format("15:04:05") + " UTC"}
	if query != nil {
		m.Try = tryOf(ctx, &v, query)
	}
	return m
}

// whoNow returns the part about who may reach what, made anew only when
// something else is in service: of a large table it is work.
func (p *Page) whoNow(v *View) Who {
	var key []service
	for _, s := range v.Sources {
		key = append(key, service{s.Name, s.LastReload, len(s.Refused), s.InService.Policies.Default})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.whoOf == nil || !equal(p.whoOf, key) {
		p.who, p.whoOf = whoOf(v), key
	}
	return p.who
}

func equal(a, b []service) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// whole answers with the whole page.
func (p *Page) whole(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "page.html", p.model(r.Context(), r.URL.Query())); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client is gone: nobody to tell
}

func (p *Page) reload(w http.ResponseWriter, r *http.Request) {
	_ = p.o.Reload() // the page tells of a refusal, first thing
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// liveParts are the parts that an open page gets anew when they change, by the
// id of their element and the name of their template.
var liveParts = []string{"health", "now", "front", "who", "changed"}

// events sends the parts that changed, until the client leaves.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	last := map[string]string{}
	for {
		events, err := p.news(r.Context(), last)
		if err != nil {
			return
		}
		// A server without deadlines, as in a test, has no slow readers.
		_ = control.SetWriteDeadline(time.Now().Add(writeLimit))
		if _, err := w.Write(events); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// news returns the events for the parts that differ from last, and updates it.
// Each ends with one that says of which moment the page is.
func (p *Page) news(ctx context.Context, last map[string]string) ([]byte, error) {
	var out bytes.Buffer
	m := p.model(ctx, nil)
	for _, part := range liveParts {
		var b strings.Builder
		if err := pages.ExecuteTemplate(&b, part, m); err != nil {
			return nil, err
		}
		if text := b.String(); text != last[part] {
			last[part] = text
			event(&out, part, text)
		}
	}
	event(&out, "at", m.At.Text)
	return out.Bytes(), nil
}

// event writes one event. Within its data only "\n" may end a line.
func event(out *bytes.Buffer, name, data string) {
	fmt.Fprintf(out, "event: %s\n", name)
	for _, line := range strings.Split(strings.ReplaceAll(data, "\r", " "), "\n") {
		fmt.Fprintf(out, "data: %s\n", line)
	}
	out.WriteByte('\n')
}

// changedSource is the part about the last reloads of one source.
type changedSource struct {
	Name    string
	Reloads []changedReload
}

type changedReload struct {
	Reload
	Moment moment
}

func changedOf(v *View) []changedSource {
	var out []changedSource
	for _, s := range v.Sources {
		c := changedSource{Name: shown(s.Name)}
		for _, r := range s.History {
			r.Error = shown(r.Error)
			// The moment itself, not how long ago: the part then stays as it
			// is until there is another reload.
			c.Reloads = append(c.Reloads, changedReload{r, moment{r.At.UTC().Format(time.RFC3339), r.At.UTC().Format("2006-01-02 15:04:05") + " UTC"}})
		}
		out = append(out, c)
	}
	return out
}
