//go:build !windows

package player

import "syscall"

// The error numbers of a failed connect, by what they say.
var (
	errnoRefused     = []error{syscall.ECONNREFUSED}
	errnoDropped     = []error{syscall.ETIMEDOUT}
	errnoReset       = []error{syscall.ECONNRESET}
	errnoUnreachable = []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL}
)
