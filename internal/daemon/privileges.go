package daemon

import (
	"errors"
	"fmt"
	"os"
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
