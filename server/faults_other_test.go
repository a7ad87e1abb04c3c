//go:build !unix

package server_test

import (
	"net"
	"os"
	"syscall"
)

// acceptFaults are what Windows may answer to accept, wrapped as net does.
func acceptFaults() []error {
	var out []error
	for _, e := range []syscall.Errno{10024, 10053, 10054, 10055} {
		out = append(out, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", e)})
	}
	return out
}
