package frontdoor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// Files serves the files below one folder, such as a page with its SWF and
// Ruffle beside it, over HTTP: for a game whose page has no web server of its
// own. Make one with [NewFiles]; it may be used from any goroutine.
//
// A folder is served as the index.html in it, and else not at all: nothing is
// ever listed. Names that begin with a dot are not there, and neither is
// anything that a symbolic link outside of the folder leads to, a device or a
// pipe. The type follows from the name alone, never from the content or the
// system's tables; a name that says nothing is a download. Conditional requests
// and ranges are answered.
//
// No file of the folder counts as a policy file: what SWFs of others may load is
// said by [Sites], within its owner's bounds. So /crossdomain.xml is not there,
// and everything else says none-this-response.
type Files struct{ root *os.Root }

// NewFiles opens the folder. It stays the same one when another takes its
// name; Close gives it back.
func NewFiles(dir string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("frontdoor: %w", err)
	}
	return &Files{root}, nil
}

// Close gives the folder back. Answers that are under way go on; later ones are
// 404.
func (f *Files) Close() error { return f.root.Close() }

// fileTypes are by extension. Those that a SWF is made of stand beside those
// of a page; text is UTF-8.
var fileTypes = map[string]string{
	".swf": "application/x-shockwave-flash", ".wasm": "application/wasm", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".webmanifest": "application/manifest+json", ".xml": "application/xml", ".svg": "image/svg+xml",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".ico": "image/x-icon",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".webm": "video/webm", ".flv": "video/x-flv",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
}

const (
	indexFile = "index.html"
	// maxPath bounds the names that are looked up: PATH_MAX of POSIX systems.
	maxPath = 4096
	// A client has fileGrace and as long as a line of fileRate bytes a second
	// takes to read a file, which is a slow mobile one. Who is slower is cut
	// off, and may go on with a range.
	fileGrace = 30 * time.Second
	fileRate  = 16 << 10
)

// errNoFile is anything that is not served, whatever the reason: a stranger
// learns nothing of what there is.
var errNoFile = errors.New("frontdoor: no such file")

func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "these are files to read", http.StatusMethodNotAllowed)
		return
	}
	file, info, err := f.open(r.URL.Path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Permitted-Cross-Domain-Policies", "none-this-response")
	h.Set("Cache-Control", "no-cache") // kept, and asked for again by its ETag: an update is seen at once
	if info.IsDir() {
		// Relative, so that no host can be put into it.
		h.Set("Location", "./"+path.Base(r.URL.EscapedPath())+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	kind := fileTypes[strings.ToLower(path.Ext(info.Name()))]
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	control := http.NewResponseController(w)
	// A writer without deadlines is a test's, or somebody else's to bound.
	_ = control.SetWriteDeadline(time.Now().Add(fileGrace + time.Duration(info.Size()/fileRate)*time.Second))
	http.ServeContent(w, r, "", info.ModTime(), file)
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
}

// open finds what a path names: a regular file, or a folder that is to be asked
// for with a slash behind it.
func (f *Files) open(at string) (*os.File, fs.FileInfo, error) {
	name, ok := fileName(at)
	if !ok {
		return nil, nil, errNoFile
	}
	// Without blocking: a named pipe would hold the reader for ever.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !(info.IsDir() && f.hasIndex(name)) {
		err = errNoFile
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// hasIndex keeps a folder that is not served from being told of by a redirect.
func (f *Files) hasIndex(name string) bool {
	info, err := f.root.Stat(name + "/" + indexFile)
	return err == nil && info.Mode().IsRegular()
}

// fileName turns the path of a request into a name below the folder.
//
// Permitted:
//
//	/
//	/play/
//	/play/game.swf
//	/Game%20one.swf
//
// Prohibited:
//
//	(empty)
//	game.swf
//	/.git/config
//	/play/../game.swf
//	/play//game.swf
//	/play/./game.swf
//	/play\game.swf
//	/crossdomain.xml
//	/game.swf%00.html
//	/game.swf::$DATA
func fileName(at string) (string, bool) {
	rest, ok := strings.CutPrefix(at, "/")
	if !ok || len(at) > maxPath || at == sitePath || strings.ContainsAny(at, "\\:\x00") {
		return "", false
	}
	if rest == "" || strings.HasSuffix(rest, "/") {
		rest += indexFile
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part[0] == '.' {
			return "", false
		}
	}
	return rest, true
}

// Is reports whether the folder of that name is still the one that was opened.
func (f *Files) Is(dir string) bool {
	there, err := os.Stat(dir)
	if err != nil {
		return false
	}
	here, err := f.root.Stat(".")
	return err == nil && os.SameFile(here, there)
}
