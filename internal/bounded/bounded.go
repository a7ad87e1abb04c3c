// Package bounded reads files that strangers may have written.
package bounded

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is the reason in the error for a folder, a device or a named
// pipe.
var ErrNotRegular = errors.New("not a regular file")

// ReadFile reads a regular file of at most limit bytes. Of a larger one it
// reads one byte more, so that whoever parses it says that it is too large.
//
// It never waits: a named pipe, which could hold a reader for ever, is opened
// without blocking, and looked at only once it is open, so that nothing can be
// put in its place meanwhile.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	return io.ReadAll(io.LimitReader(f, limit+1))
}
