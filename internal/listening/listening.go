// Package listening says who listens on a port of this machine, and what the
// firewall makes of it.
//
// [Find] is what lsof, netstat and ss say together, without their traps: a
// listener whose process cannot be seen is told as one with a hidden owner,
// not left out; a port is compared as a number; other network namespaces are
// looked into, as far as the rights reach; a socket that systemd holds for a
// service is told with its unit; a multipath TCP socket, which Go programs open
// by default, is told with its process.
//
// [Firewall] reads the rules of nftables and iptables, and changes nothing.
//
// Both are for Linux; elsewhere Find asks the system through a library, and the
// firewall is not read. Nothing here keeps state.
package listening

import (
	"net/netip"
)

// Listener is one socket that listens.
type Listener struct {
	Addr      netip.Addr `json:"addr"` // unspecified: every address
	Port      uint16     `json:"port"`
	PID       int        `json:"pid,omitempty"`
	Process   string     `json:"process,omitempty"`   // fit to be shown
	User      string     `json:"user"`                // whom the process runs as, or else who opened the socket
	Unit      string     `json:"unit,omitempty"`      // of systemd
	Container string     `json:"container,omitempty"` // the beginning of its id, or its name
	Namespace string     `json:"namespace,omitempty"` // of the network; "" for this one
	Hidden    bool       `json:"hidden,omitempty"`    // the process is not ours to see: run as root
	Activated bool       `json:"activated,omitempty"` // systemd holds it, and starts the unit on demand
	inode     uint64
}

// Everywhere reports whether the socket takes connections on more than
// loopback addresses.
func (l *Listener) Everywhere() bool { return !l.Addr.IsLoopback() }

// Found is what Find found.
type Found struct {
	Listeners []Listener `json:"listeners"`
	Notes     []string   `json:"notes,omitempty"` // what could not be seen, and why
}

// Word is what a firewall does with a new connection from another machine.
type Word string

const (
	Accepts Word = "accept"
	Rejects Word = "reject"  // an answer at once
	Drops   Word = "drop"    // no answer
	Depends Word = "depends" // on where it comes from, or on more than is understood here
	Unread  Word = "unknown" // the rules could not be read
)

// Rules is what the firewall says about a port.
type Rules struct {
	Word  Word     `json:"word"`
	Lines []string `json:"rules,omitempty"` // those that decide or may decide; fit to be shown
	Note  string   `json:"note,omitempty"`
}
