package frontdoor_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/port843/port843/frontdoor"
)

// folder makes a folder with files, "name": "content", and serves it.
func folder(t *testing.T, files map[string]string) (dir, addr string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := frontdoor.NewFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	_, addr = open(t, frontdoor.Options{HTTP: f, Backends: []string{backend(t, echo)}})
	return dir, addr
}

// fetch sends a GET request whose path is exactly as it stands, and does not
// follow a redirect.
func fetch(t *testing.T, addr, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	c := dial(t, addr)
	say(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+strings.Join(append(headers, ""), "\r\n")+"\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return res, string(body)
}

func TestFiles(t *testing.T) {
	_, addr := folder(t, map[string]string{
		"index.html": "<h1>page", "play/index.html": "play", "play/game.swf": "FWS game", "a b.txt": "spaced",
		"ruffle.wasm": "\x00asm", "ruffle.js": "js", "Picture.PNG": "png", "unknown.xyz": "<script>", "README": "read",
	})
	for path, want := range map[string][2]string{
		"/":                    {"text/html; charset=utf-8", "<h1>page"},
		"/?from=here":          {"text/html; charset=utf-8", "<h1>page"},
		"/play/":               {"text/html; charset=utf-8", "play"},
		"/play/game.swf":       {"application/x-shockwave-flash", "FWS game"},
		"/play/%67ame.swf":     {"application/x-shockwave-flash", "FWS game"},
		"/ruffle.wasm":         {"application/wasm", "\x00asm"},
		"/ruffle.js":           {"text/javascript; charset=utf-8", "js"},
		"/Picture.PNG":         {"image/png", "png"},
		"/a%20b.txt":           {"text/plain; charset=utf-8", "spaced"},
		"/unknown.xyz":         {"application/octet-stream", "<script>"},
		"/README":              {"application/octet-stream", "read"},
		"/play/index.html":     {"text/html; charset=utf-8", "play"},
		"/play/game.swf?v=1.2": {"application/x-shockwave-flash", "FWS game"},
	} {
		res, body := fetch(t, addr, path)
		h := res.Header
		if res.StatusCode != 200 || body != want[1] || h.Get("Content-Type") != want[0] {
			t.Errorf("%s: %d %q as %q", path, res.StatusCode, body, h.Get("Content-Type"))
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Permitted-Cross-Domain-Policies") != "none-this-response" || h.Get("ETag") == "" || h.Get("Last-Modified") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	res, _ := fetch(t, addr, "/play")
	if res.StatusCode != 301 || res.Header.Get("Location") != "./play/" {
		t.Errorf("a folder without its slash: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestFilesConditionsAndRanges(t *testing.T) {
	_, addr := folder(t, map[string]string{"game.swf": "0123456789"})
	first, _ := fetch(t, addr, "/game.swf")
	etag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
	for _, c := range []struct {
		header, want string
		code         int
	}{
		{"If-None-Match: " + etag, "", 304},
		{"If-Modified-Since: " + modified, "", 304},
		{`If-None-Match: "other"`, "0123456789", 200},
		{"Range: bytes=2-4", "234", 206},
		{"Range: bytes=-1", "9", 206},
		{"Range: bytes=10-", "invalid range: failed to overlap\n", 416},
		{"Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", "0123456789", 200}, // no more than the file
		{"Range: bytes=2-4\r\nIf-Range: \"other\"", "0123456789", 200},
	} {
		res, body := fetch(t, addr, "/game.swf", c.header)
		if res.StatusCode != c.code || body != c.want {
			t.Errorf("with %s: %d %q, want %d %q", c.header, res.StatusCode, body, c.code, c.want)
		}
	}
}

// TestFilesOutside holds that nothing of this list is served, whatever way it
// is spelled.
func TestFilesOutside(t *testing.T) {
	dir, addr := folder(t, map[string]string{
		"in/file.txt": "in", ".git/config": "secret", "in/.htpasswd": "secret", "crossdomain.xml": "secret", "bare/file.txt": "in", "pages/crossdomain.xml": "<x/>",
	})
	outside := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"absolute.txt": outside, "folder": filepath.Dir(outside), "in/up.txt": "../../" + filepath.Base(filepath.Dir(outside)) + "/secret.txt", "loop": "loop"}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{
		"/.git/config", "/.git/", "/.git", "/in/.htpasswd", "/in/%2ehtpasswd", "/../x", "/in/../in/file.txt", "/in/%2e%2e/in/file.txt", "/in/..%2fin/file.txt",
		"/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc%5cpasswd", "/in%5cfile.txt", "//etc/passwd", "/in//file.txt", "/in/./file.txt",
		"/in/file.txt/", "/in/file.txt%00", "/in/file.txt%00.html", "/in/file.txt::$DATA", "/C:/x", "/absolute.txt", "/folder/secret.txt", "/in/up.txt", "/loop",
		"/crossdomain.xml", "/in", "/in/", "/bare", "/bare/", "/none", "/" + strings.Repeat("a", 5000), "/" + strings.Repeat("a/", 2000) + "x",
	}
	for _, path := range paths {
		if res, body := fetch(t, addr, path); res.StatusCode != 404 || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %q", path, res.StatusCode, body)
		}
	}
	if len(paths) < 30 {
		t.Error("the list is too short")
	}
	if res, body := fetch(t, addr, "/in/file.txt"); res.StatusCode != 200 || body != "in" {
		t.Errorf("what is inside: %d %q", res.StatusCode, body)
	}
	// A file of that name elsewhere is a file, and says that it is no policy.
	if res, _ := fetch(t, addr, "/pages/crossdomain.xml"); res.StatusCode != 200 || res.Header.Get("X-Permitted-Cross-Domain-Policies") != "none-this-response" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("in/file.txt", filepath.Join(dir, "inside.txt")); err != nil {
			t.Fatal(err)
		}
		if res, body := fetch(t, addr, "/inside.txt"); res.StatusCode != 200 || body != "in" {
			t.Errorf("a link that stays inside: %d %q", res.StatusCode, body)
		}
	}
}

// TestFilesAreToRead asks the handler itself: a door hands it nothing but GET.
func TestFilesAreToRead(t *testing.T) {
	dir := t.TempDir()
	f, err := frontdoor.NewFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, &http.Request{Method: method, URL: &url.URL{Path: "/"}})
		if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: "/"}})
	if w.Code != 404 {
		t.Errorf("after Close: %d", w.Code)
	}
	if _, err := frontdoor.NewFiles(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there is taken")
	}
}

// TestFilesStream: a large file comes whole over a connection that is used
// again.
func TestFilesStream(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 1<<18)
	_, addr := folder(t, map[string]string{"large.swf": large, "small.txt": "small"})
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for i := range 3 {
		for path, want := range map[string]string{"/large.swf": large, "/small.txt": "small"} {
			res, err := client.Get("http://" + addr + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(body) != want {
				t.Fatal(fmt.Errorf("%d: %s: %d bytes, %w", i, path, len(body), err))
			}
		}
	}
}
