package aggregate

import (
	"fmt"
	"net/netip"

	"github.com/port843/port843/policy"
)

// Source is a place in a file that an input came from. The zero value is no
// place: made by a program, not read.
type Source struct {
	File string // as it was named to whoever read it
	Pos  policy.Pos
}

// String returns file:line:column, as far as it is known.
func (s Source) String() string {
	switch {
	case !s.Pos.IsValid():
		return s.File
	case s.File == "":
		return s.Pos.String()
	}
	return fmt.Sprintf("%s:%s", s.File, s.Pos)
}

// At returns another place in the same file.
func (s Source) At(p policy.Pos) Source { return Source{s.File, p} }

// Owner is a department: what it may open, to whom, and on which addresses.
type Owner struct {
	Name      string // unique
	Addresses []netip.Addr
	Hosts     []string        // its virtual hosts; may be empty
	Ports     policy.PortSet  // what it may open
	Domains   []policy.Domain // whom it may let in; "*" must be among them to let in anyone
	Source    Source
}

// Service is something that listens, as the table of the machine names it.
type Service struct {
	Name    string     // unique
	Host    string     // the virtual host it belongs to; may be empty
	Address netip.Addr // the zero value: each of its owner's addresses
	Ports   policy.PortSet
	Allow   []policy.Domain
	Secure  bool // only requestors over HTTPS

	Source     Source // of the service; the places below are in the same file
	HostPos    policy.Pos
	AddressPos policy.Pos
	PortsPos   policy.Pos
	AllowPos   []policy.Pos // parallel to Allow; may be shorter
}
