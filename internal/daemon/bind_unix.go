//go:build unix

package daemon

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool         { return errors.Is(err, syscall.EADDRINUSE) }
func isNoSuchAddress(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }
