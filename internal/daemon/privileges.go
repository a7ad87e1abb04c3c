package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ErrRoot is returned where the service would go on as root without having
// been told to.
var ErrRoot = errors.New("it would go on as root")

// privileges says what the process was left with, for the log.
type privileges struct {
	user     string // whom it runs as
	notes    []string
	landlock string // what Landlock does, or why it does nothing
}

// folders returns the folders that the paths, and what they lead to as
// symbolic links, lie in: what has to stay readable for a reload.
func folders(paths []string) []string {
	var out []string
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			out = append(out, filepath.Dir(abs))
		}
		if real, err := filepath.EvalSymlinks(p); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				out = append(out, filepath.Dir(real))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkReadable warns of files that this process can no longer read, now that
// it is somebody else: it would find out at the first reload.
func (d *daemon) checkReadable(user string) {
	for _, path := range d.paths() {
		f, err := os.Open(path)
		if err == nil {
			f.Close()
			continue
		}
		if !errors.Is(err, os.ErrNotExist) {
			d.log.Warn("a reload will fail: the file cannot be read any more", "file", path, "user", user, "error", err,
				"hint", fmt.Sprintf("let %s read it and the folders above it, or name another --user", user))
		}
	}
}
