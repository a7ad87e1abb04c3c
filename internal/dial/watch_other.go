//go:build !linux

package dial

import (
	"context"
	"net/netip"
	"syscall"
)

// watcher does nothing where the system has no error queue to read.
type watcher struct{}

func newWatcher(netip.Addr) *watcher { return &watcher{} }

func (*watcher) control(context.Context, string, string, syscall.RawConn) error { return nil }
func (*watcher) icmp() *ICMP                                                    { return nil }
func (*watcher) close()                                                         {}
