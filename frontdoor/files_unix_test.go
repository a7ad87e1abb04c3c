//go:build unix

package frontdoor_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestFilesThatAreNone: a named pipe would hold its reader for ever.
func TestFilesThatAreNone(t *testing.T) {
	dir, addr := folder(t, map[string]string{"file.txt": "x"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.txt"), 0o666); err != nil {
		t.Fatal(err)
	}
	if res, _ := fetch(t, addr, "/pipe.txt"); res.StatusCode != 404 {
		t.Errorf("a named pipe: %d", res.StatusCode)
	}
}
