//go:build !linux

package player

import "syscall"

// icmpWatch has no queue to read outside Linux: a rejected connect shows by
// its error number alone.
type icmpWatch struct{}

func (*icmpWatch) control(_, _ string, _ syscall.RawConn) error { return nil }

func (*icmpWatch) close() {}

func (*icmpWatch) message() *ICMP { return nil }
