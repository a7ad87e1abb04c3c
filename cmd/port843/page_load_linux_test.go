package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// loadConfig is the config of these tests with real ports, and two services
// behind the front door.
var loadConfig = strings.NewReplacer(
	"public_port = 843", "listen = [\"127.0.0.1:843\", \"[::1]:843\"]\nadmin  = \"127.0.0.1:8430\"\nuser   = \"nobody\"",
	`addresses = ["127.0.0.1"]`, `addresses = ["192.0.2.10"]`,
	"ports = \"9000\"\n", "ports = \"9000\"\nbackend = [\"127.0.0.1:19000\"]\n",
	"ports = \"7000\"\n", "ports = \"7000\"\nbackend = [\"127.0.0.1:17000\", \"127.0.0.1:17001\"]\n",
).Replace(pageConfig)

// traffic is what clients do while the page is looked at.
type traffic struct {
	stop   chan struct{}
	wait   sync.WaitGroup
	done   atomic.Int64 // errands that went well
	failed atomic.Pointer[error]
}

// every runs an errand again and again, with a pause that swings around d.
func (tr *traffic) every(d time.Duration, errand func(i int) error) {
	tr.wait.Go(func() {
		for i := 0; ; i++ {
			if err := errand(i); err != nil {
				tr.failed.CompareAndSwap(nil, &err)
			} else {
				tr.done.Add(1)
			}
			swing := 1.5 + math.Sin(float64(time.Now().UnixMilli())/6700) + 0.3*math.Sin(float64(time.Now().UnixMilli())/1900)
			select {
			case <-tr.stop:
				return
			case <-time.After(time.Duration(float64(d) / swing)):
			}
		}
	})
}

// end ends it; every errand must have gone well.
func (tr *traffic) end(t *testing.T) {
	t.Helper()
	close(tr.stop)
	tr.wait.Wait()
	if err := tr.failed.Load(); err != nil {
		t.Errorf("of the traffic, this failed: %v", *err)
	}
	t.Logf("%d errands of clients", tr.done.Load())
}

// chatRaw speaks to a front as the game's own client does.
func chatRaw(address string, lines int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	line := []byte(strings.Repeat("a line of the game's own protocol\n", 20))
	got := make([]byte, len(line))
	for range lines {
		if _, err := c.Write(line); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, line) {
			return fmt.Errorf("raw: heard %.40q, %w", got, err)
		}
		time.Sleep(20 * time.Millisecond) // a player thinks
	}
	return nil
}

// chatPage speaks to a front as Ruffle in a page does.
func chatPage(address, origin string, lines int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+address, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	line := []byte(strings.Repeat("a move in the game\n", 60))
	for range lines {
		if err := ws.Write(ctx, websocket.MessageBinary, line); err != nil {
			return err
		}
		for got := 0; got < len(line); {
			_, b, err := ws.Read(ctx)
			if err != nil {
				return err
			}
			got += len(b)
		}
		time.Sleep(30 * time.Millisecond) // a player thinks
	}
	return ws.Close(websocket.StatusNormalClosure, "")
}

// refusedPage is one that the front must not let in.
func refusedPage(address, origin string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	ws, res, err := websocket.Dial(ctx, "ws://"+address, &websocket.DialOptions{HTTPHeader: h})
	if err == nil {
		ws.CloseNow()
		return errors.New("the page of " + origin + " was let in")
	}
	if res == nil || res.StatusCode != http.StatusForbidden {
		return fmt.Errorf("%s: %v, %w", origin, res, err)
	}
	return nil
}

// startTraffic begins everything that the page has a place for.
func startTraffic() *traffic {
	tr := &traffic{stop: make(chan struct{})}
	asks := func(address, request string) func(int) error {
		return func(int) error {
			got, err := askOnce(address, request)
			if err == nil && request == policy.Request && !strings.HasSuffix(got, "</cross-domain-policy>\n\x00") {
				err = fmt.Errorf("the answer is not whole: %q", got)
			}
			return err
		}
	}
	for range 3 {
		tr.every(30*time.Millisecond, asks("127.0.0.1:843", policy.Request))
	}
	tr.every(90*time.Millisecond, asks("[::1]:843", policy.Request))
	for request, pause := range map[string]time.Duration{"GET / HTTP/1.1\r\n\r\n": 300, "\x16\x03\x01\x00\x05hello": 900, "SSH-2.0-scan\r\n": 1500} {
		tr.every(pause*time.Millisecond, asks("127.0.0.1:843", request))
	}
	for _, part := range []string{"", "<policy-file"} { // a scan; a client that leaves
		tr.every(1100*time.Millisecond, func(int) error {
			c, err := net.Dial("tcp", "127.0.0.1:843")
			if err != nil {
				return err
			}
			_, err = io.WriteString(c, part)
			return errors.Join(err, c.Close())
		})
	}
	for range 4 { // clients that connect and say nothing, until they are sent away
		tr.every(1300*time.Millisecond, asks("127.0.0.1:843", ""))
	}
	tr.every(700*time.Millisecond, asks("127.0.0.1:7000", policy.Request))
	for range 3 {
		tr.every(400*time.Millisecond, func(i int) error { return chatRaw("127.0.0.1:7000", 20+i%20) })
		tr.every(500*time.Millisecond, func(i int) error {
			return chatPage("127.0.0.1:7000", fmt.Sprintf("https://play%d.example.com", i%3), 10+i%30)
		})
	}
	tr.every(600*time.Millisecond, func(i int) error { return chatRaw("127.0.0.1:9000", 5+i%5) })
	strangers := []string{"https://evil.example", "https://evil.example", "null", "", "https://games.example.com.evil.test", "https://xn--bcher-kva.example"}
	tr.every(800*time.Millisecond, func(i int) error { return refusedPage("127.0.0.1:9000", strangers[i%len(strangers)]) })
	return tr
}

// echoAt is a game at an address of its own, until it is closed.
func echoAt(t *testing.T, address string) net.Listener {
	t.Helper()
	return need.Listen(t, address, func(c net.Conn) { io.Copy(c, c) })
}

// shown is a browser that looks at the page of a service.
type shown struct {
	*browser
	axe  string
	base string
}

// look opens the page, holds it against axe's rules, and takes pictures of
// parts of it where PORT843_PICTURES names a folder for them: of each from its
// top on, as high as the screen, a wall's at half its size.
func (v *shown) look(name string, width, height int, scheme, query string, parts ...string) {
	v.t.Helper()
	v.open(v.base+query, width, height, scheme)
	v.is("the page is live", `document.getElementById("state").textContent === "live,"`)
	var wide string
	v.eval(`document.documentElement.scrollWidth > document.documentElement.clientWidth ? [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".scroll")).map(e => e.outerHTML.slice(0, 80)).join("; ") || "?" : ""`, &wide)
	if wide != "" {
		v.t.Errorf("%s: the page is wider than the screen: %s", name, wide)
	}
	v.checkAccess(name, v.axe)
	v.see(name, width, parts...)
}

// see takes the pictures.
func (v *shown) see(name string, width int, parts ...string) {
	v.t.Helper()
	out := os.Getenv("PORT843_PICTURES")
	if out == "" {
		return
	}
	for _, part := range parts {
		file := name + ".png"
		if len(parts) > 1 {
			file = name + "-" + strings.TrimPrefix(part, "#") + ".png"
		}
		if err := os.WriteFile(filepath.Join(out, file), few(v.t, v.picture(part, min(1, 1400/float64(width)))), 0o644); err != nil {
			v.t.Fatal(err)
		}
	}
}

// few writes a picture anew with its 256 most frequent colours, which makes it
// a third as long; every other colour becomes the nearest of them.
func few(t *testing.T, data []byte) []byte {
	t.Helper()
	in, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	b := in.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(in.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var all []color.RGBA
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	out := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			i, known := index[c]
			if !known {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var text bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&text, out); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// TestPageUnderLoad looks at every part of the page in Chromium while clients
// of all kinds come and go: well, and then with a backend gone, a department's
// mistake and a config that cannot be read; on a desk, a phone and a wall, in
// light and in dark, each held against axe's rules. It runs on a network of its
// own, with port 843 itself.
//
// With PORT843_PICTURES it makes the pictures of docs/, and lets the traffic
// run for some minutes first, so that the charts have something to show:
//
//	PORT843_PICTURES=$PWD/docs go test -run TestPageUnderLoad -timeout 20m \
//		-ldflags "-X github.com/port843/port843/cmd/port843.buildVersion=v0.1.0" ./cmd/port843
func TestPageUnderLoad(t *testing.T) {
	axe, err := os.ReadFile(need.File(t, "../../.tools/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	need.Tool(t, "chromium")
	if !need.Namespace(t, "127.0.0.1 localhost\n") {
		return
	}
	if err := syscall.Mount("tmpfs", "/srv", "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	dir := "/srv/port843"
	for _, name := range []string{"physics", "games"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config, scores, tables := filepath.Join(dir, "port843.toml"), filepath.Join(dir, "games/scores.xml"), filepath.Join(dir, "physics/tables.xml")
	replace(t, scores, rules(`<allow-access-from domain="scores.example.com" to-ports="7010"/>`, `<allow-access-from domain="old.example.com" to-ports="7013"/>`))
	replace(t, tables, rules(`<allow-access-from domain="tables.physics.example.edu" to-ports="9020"/>`))
	replace(t, config, loadConfig)
	lobby := echoAt(t, "127.0.0.1:17000")
	echoAt(t, "127.0.0.1:17001")
	chat := echoAt(t, "127.0.0.1:19000")
	s := startService(t, "--config", config, "--admin-reload")
	s.logged(t, "admin pages")

	tr := startTraffic()
	v := &shown{browser: openBrowser(t), axe: string(axe), base: "http://127.0.0.1:8430/"}
	v.wellUnderLoad(scores)
	replace(t, tables, rules(`<allow-access-from domain="tables.physics.example.edu" to-ports="9020,22"/>`))
	lobby.Close()
	v.illUnderLoad()
	_, scrape := get(t, v.base+"metrics")
	lint := exec.Command(need.Tool(t, "promtool"), "check", "metrics")
	lint.Stdin = strings.NewReader(scrape)
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool says of the metrics under load: %v\n%s", err, out)
	}
	tr.end(t)

	chat.Close()
	if err := chatRaw("127.0.0.1:9000", 1); err == nil {
		t.Error("a game that is gone answers")
	}
	replace(t, config, loadConfig+"\n[[service]]\nname = \"<script>alert(1)</script>\"\n")
	s.logged(t, "reload refused")
	v.look("page-phone-ill", 390, 844, "dark", "", "body")
	v.look("page-changed", 1400, 700, "dark", "", "#changed")
	v.is("the refused config comes first, its text as text", `document.querySelector("#health .ill")?.textContent.includes("<script>alert(1)") && document.scripts.length === 1`)
	v.is("a front without a backend comes before the others", `document.querySelector("article.front").matches(".down") && document.querySelector("article.front h3").textContent.startsWith("chat")`)
	if errs := v.errors(); len(errs) > 0 {
		t.Errorf("the page complains: %s", strings.Join(errs, "\n"))
	}
}

// wellUnderLoad looks at the page while all is well, and a good edit arrives.
func (v *shown) wellUnderLoad(scores string) {
	v.t.Helper()
	v.open(v.base, 1400, 900, "light")
	v.is("the counters have moved for a while", `document.querySelectorAll("#now polyline").length >= 5`)
	if os.Getenv("PORT843_PICTURES") != "" {
		time.Sleep(4 * time.Minute) // for the charts, not for a condition
	}
	replace(v.t, scores, rules(`<allow-access-from domain="scores.example.com" to-ports="7010,7011"/>`, `<allow-access-from domain="*.club.example.org" to-ports="7012"/>`))
	v.is("a change is shown", `[...document.querySelectorAll("#changed .plus")].some(e => e.textContent.includes("*.club.example.org may reach 7012") && e.textContent.includes("scores.xml:3"))`)
	v.is("with its reason beside the source", `document.querySelector("#sources").textContent.includes("the file changed")`)
	v.look("page-well", 1400, 900, "light", "", "body")
	v.is("all is well", `document.querySelector("#health .well")`)
	for _, outcome := range []string{"answered", "foreign http", "foreign tls", "foreign other", "empty", "incomplete"} {
		v.is("exchanges ended so: "+outcome, fmt.Sprintf(`[...document.querySelectorAll("#now h4")].some(e => e.textContent === %q)`, outcome))
	}
	v.is("the front door names services and owners", `[...document.querySelectorAll("article.front h3")].some(e => e.textContent.includes("lobby") && e.textContent.includes("games · port843.toml:"))`)
	for _, title := range []string{"WebSockets", "Raw connections", "To the service", "From the service"} {
		v.is("there is a curve: "+title, fmt.Sprintf(`[...document.querySelectorAll("#front .card")].some(e => e.querySelector("h4").textContent === %q && e.querySelector("polyline") && !e.querySelector(".figure").textContent.startsWith("0 "))`, title))
	}
	v.is("the pages that were refused are named", `["https://evil.example", "null", "(none)"].every(o => [...document.querySelectorAll("#front tbody th")].some(e => e.textContent === o))`)
	v.look("page-listeners", 1400, 360, "light", "", "#listeners-title")
	v.look("page-lint", 1400, 420, "light", "", "#lint-title")
	v.look("page-phone", 390, 844, "light", "", "body")
}

// illUnderLoad looks at it when a backend is gone and a department has made a
// mistake.
func (v *shown) illUnderLoad() {
	v.t.Helper()
	v.open(v.base, 1400, 900, "dark")
	v.is("the mistake comes first", `document.querySelector("#health .ill")?.textContent.includes("tables.xml:2")`)
	v.is("and so does the backend", `document.querySelector("#health .ill")?.textContent.includes("127.0.0.1:17000 of")`)
	v.is("its front comes first of the fronts", `document.querySelector("article.front").matches(".shaky") && document.querySelector("article.front .tag").textContent === "down"`)
	v.look("page-now", 1400, 1000, "dark", "", "body")
	v.look("page-front", 1400, 1080, "light", "", "#front")
	v.look("page-who", 1400, 860, "light", "", "#who")
	v.is("the department's mistake is named with its rule", `document.querySelector("#who .ill")?.textContent.includes("port-not-owners")`)
	v.look("page-wall", 2560, 1440, "dark", "", "body")
	v.look("page-wall-light", 2560, 1440, "light", "")
	q := url.Values{"from": {"http://lab.physics.example.edu/a.swf"}, "to": {"192.0.2.7:9010"}}
	v.look("page-try", 390, 844, "light", "?"+q.Encode(), "#try")
	v.is("the link leads to the same answer", `new URL(document.querySelector("section[aria-labelledby=try] a").href).search === location.search`)
	v.open(v.base+"?"+q.Encode(), 1400, 620, "dark")
	v.eval(`document.querySelector(".verdicts details").open = true`, nil)
	v.is("the trace and what to change are there", `document.querySelector(".verdicts details").innerText.includes("Step by step") && document.querySelector(".verdicts details").innerText.includes("What to change")`)
	v.see("page-try-desk", 1400, "#try")
}
