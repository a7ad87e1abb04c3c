//go:build unix

package server_test

import (
	"net"
	"os"
	"syscall"
)

// acceptFaults are what a kernel may answer to accept, wrapped as net does.
func acceptFaults() []error {
	var out []error
	for _, e := range []syscall.Errno{
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EPROTO, syscall.ENETUNREACH, syscall.EPERM,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINVAL,
	} {
		out = append(out, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", e)})
	}
	return out
}
