//go:build !unix

package daemon

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool         { return errors.Is(err, syscall.Errno(10048)) }
func isNoSuchAddress(err error) bool { return errors.Is(err, syscall.Errno(10049)) }

// reusePort: Windows would let any process take the port over.
func reusePort(_, _ string, _ syscall.RawConn) error { return errors.ErrUnsupported }
