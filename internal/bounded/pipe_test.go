//go:build unix

package bounded

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// A department's named pipe without a writer: an ordinary open would wait.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a named pipe: %v", err)
	}
}
