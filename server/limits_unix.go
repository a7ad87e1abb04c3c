//go:build unix

package server

import "syscall"

// descriptorLimit returns how many descriptors the process may have. Go raises
// the soft limit to the hard one at start.
func descriptorLimit() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur == 0 || r.Cur > 1<<30 {
		return fallbackDescriptors
	}
	return int(r.Cur)
}
