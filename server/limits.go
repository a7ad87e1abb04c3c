package server

import (
	"net/netip"
	"time"
)

// Limits of a [Server]. The zero value of each field stands for its default.
type Limits struct {
	// Deadline is for the whole exchange, from accept to close. The default
	// is DefaultDeadline.
	Deadline time.Duration
	// MaxConnections is how many connections may be open at a time. The
	// default is the process's limit of descriptors less ReservedDescriptors.
	MaxConnections int
	// MaxPerAddress is how many of them may be of one client: an IPv4
	// address, or the /64 of an IPv6 address, since a host can take any
	// address in its /64. The default is DefaultMaxPerAddress.
	MaxPerAddress int
}

const (
	// DefaultDeadline is above the 3 s after which Flash Player gives up, so
	// that no client that still waits is cut off.
	DefaultDeadline = 5 * time.Second

	// DefaultMaxPerAddress fits a large network behind one address: an
	// exchange takes one round trip, so a thousand at a time are some ten
	// thousand clients a second.
	DefaultMaxPerAddress = 1024

	// ReservedDescriptors are kept from connections: for standard streams,
	// listeners, the admin page and its clients, logs, and policy files while
	// they are read.
	ReservedDescriptors = 64

	// fallbackDescriptors stands for the limit where the system has none, or
	// none that can be asked.
	fallbackDescriptors = 16384
)

func (l Limits) withDefaults() Limits {
	if l.Deadline <= 0 {
		l.Deadline = DefaultDeadline
	}
	if l.MaxConnections <= 0 {
		l.MaxConnections = max(descriptorLimit()-ReservedDescriptors, 16)
	}
	if l.MaxPerAddress <= 0 {
		l.MaxPerAddress = DefaultMaxPerAddress
	}
	return l
}

// clientKey returns what counts as one client for MaxPerAddress.
func clientKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
