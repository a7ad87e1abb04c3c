//go:build unix

package survey

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps a second scan from the same state. The kernel undoes it when the
// process ends, however it ends.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
