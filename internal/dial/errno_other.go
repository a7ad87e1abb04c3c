//go:build !windows

package dial

import "syscall"

// What the system calls each outcome.
var (
	refusedErrors     = []error{syscall.ECONNREFUSED}
	unreachableErrors = []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN}
	resetErrors       = []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED}
	timeoutErrors     = []error{syscall.ETIMEDOUT}
)
