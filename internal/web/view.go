package web

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// View is what the service knows of itself at one moment. What it points to is
// read only.
type View struct {
	Version   string
	Started   time.Time
	User      string
	Ready     bool     // every listener serves
	Reasons   []string // what is not well, a line each; empty: all is well
	Limits    server.Limits
	Listeners []Listener
	Fronts    []Front
	Sources   []Source
	FastPaths []FastPath
}

// FastPath is the fast path on one interface, with its packets so far.
type FastPath struct {
	Interface, Mode                 string
	Doors                           int // addresses and ports that it answers for
	Left                            int // those that it leaves to the sockets
	SYNs, Answered, Passed, Refused uint64
}

// Front is a service's own port with the front door before it.
type Front struct {
	Address  string
	Port     uint16    // as clients see it
	Limit    int       // how many connections may be open
	Services []Service // that it stands before, as the config says; may be empty
	Stats    frontdoor.Stats
	Refused  []RefusedOrigin // the newest first
}

// Service is a service of the config, as the page names it.
type Service struct {
	Name  string `json:"name"`
	Owner string `json:"owner"`
	At    string `json:"at"` // file and line
}

// RefusedOrigin is a page that was refused a WebSocket.
type RefusedOrigin struct {
	Origin string    `json:"origin"` // as the browser sent it, cut short and fit to be shown; empty: it sent none
	Why    string    `json:"why"`
	Times  uint64    `json:"times"`
	Last   time.Time `json:"last"`
}

// Listener is one listening socket.
type Listener struct {
	Address    string
	Source     string // the Name of one of the Sources
	ServedFrom uint16 // the port that clients see the policy come from
	Stats      server.Stats
	Policies   server.Policies
}

// Source is where the policies of some listeners come from.
type Source struct {
	Name       string
	Files      []string // that it was read from
	Since      time.Time
	LastReload time.Time
	Reloads    uint64
	Refusals   uint64
	Error      string   // why the newest reload was refused
	Refused    []string // parts of it that are not in service
	Warnings   []string
	InService  InService
	History    []Reload // the newest first
}

// InService is what a source has in service: the policies, and the tables that
// they were built from; nil where they are files.
type InService struct {
	Policies server.Policies
	Tables   *table.Tables
}

// addressed is one policy of several, and for which local addresses it is.
type addressed struct {
	addr   netip.Addr // the zero value: every address without a policy of its own
	answer *server.Answer
}

// policiesOf returns the policies by address, the default first.
func policiesOf(p server.Policies) []addressed {
	var out []addressed
	for a, answer := range p.ByAddress {
		out = append(out, addressed{a, answer})
	}
	slices.SortFunc(out, func(a, b addressed) int { return a.addr.Compare(b.addr) })
	if p.Default != nil {
		out = slices.Insert(out, 0, addressed{answer: p.Default})
	}
	return out
}

// source returns the source of that name, or nil.
func (v *View) source(name string) *Source {
	for i := range v.Sources {
		if v.Sources[i].Name == name {
			return &v.Sources[i]
		}
	}
	return nil
}

// servedFrom returns the port that clients see a source's policy come from:
// the lowest of its listeners, which grants the most; without one, 843.
func (v *View) servedFrom(source string) uint16 {
	var port uint16
	for _, l := range v.Listeners {
		if l.Source == source && (port == 0 || l.ServedFrom < port) {
			port = l.ServedFrom
		}
	}
	if port == 0 {
		return policy.MasterPort
	}
	return port
}

// PortOf returns the port of a listening address, or policy.MasterPort where
// it has none.
func PortOf(address string) uint16 {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return policy.MasterPort
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return policy.MasterPort
	}
	return uint16(port)
}
