// Package atomicfile replaces a file as a whole.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts data in the place of the file at path, at once: who reads it
// meanwhile sees the old text or the new one, never a part, and a failure
// leaves the old one. The file's mode stays, or is 0644 where there was no
// file; a symbolic link stays one, and the file that it leads to is replaced.
func Write(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := os.FileMode(0o644)
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return &os.PathError{Op: "replace", Path: path, Err: errors.New("not a regular file")}
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".port843-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // of no effect once it is renamed
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
