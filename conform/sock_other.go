//go:build !linux

package conform

import "syscall"

// unacked cannot be told here.
func unacked(syscall.RawConn) (int, bool) { return 0, false }
