package xdp

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// What an answer may be on the fast path, in bytes with its NUL, and how many
// doors and listeners there may be. The same numbers stand in fastpath.h.
const (
	MinAnswer    = 32   // a shorter one, which grants nothing anyway, is left to the kernel
	MaxAnswer    = 1460 // a segment of Ethernet
	MaxDoors     = 1024
	MaxListeners = 64
)

// Options of [Open].
type Options struct {
	Interface string
	// Generic puts the program behind the driver, into the kernel's own receive
	// path: for drivers that have no place for it. It is slower than native, and
	// still cheaper than a socket.
	Generic bool
}

// ParseInterface reads an interface as it is written in flags and files: its
// name, and ":generic" behind it where that is meant.
func ParseInterface(s string) (Options, error) {
	name, mode, some := strings.Cut(s, ":")
	// The kernel's own rule for names of interfaces, less the names that mean
	// something else here.
	if name == "" || len(name) > 15 || strings.ContainsAny(name, "/ \t\r\n") || name == "." || name == ".." || some && mode != "generic" {
		return Options{}, errors.New("not an interface: write its name, such as eth0, or eth0:generic")
	}
	return Options{Interface: name, Generic: some}, nil
}

// Mode is where the program runs, for logs: "native" or "generic".
func (o Options) Mode() string {
	if o.Generic {
		return "generic"
	}
	return "native"
}

func (o Options) String() string {
	if o.Generic {
		return o.Interface + ":generic"
	}
	return o.Interface
}

// The errors of [Open], each with a line that says what to do about it; see
// [Hint].
var (
	ErrSystem     = errors.New("the fast path needs Linux on a little-endian machine")
	ErrKernel     = errors.New("this kernel has no XDP, or not the helpers for SYN cookies that Linux has had since 6.0")
	ErrPermission = errors.New("the fast path needs a privilege")
	ErrCookies    = errors.New("net.ipv4.tcp_syncookies is not 2")
	ErrInterface  = errors.New("there is no such interface")
	ErrTaken      = errors.New("the interface has an XDP program already, which is left alone")
	ErrNative     = errors.New("the interface's driver takes no XDP program of this kind")
	ErrABI        = errors.New("the predecessor's fast path is of another version")
)

// Hint returns what to do about an error of this package; "" where there is
// nothing to say.
func Hint(err error) string {
	switch {
	case errors.Is(err, ErrSystem), errors.Is(err, ErrKernel):
		return "serve without --fastpath: the sockets answer the same"
	case errors.Is(err, ErrPermission):
		return "start it as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW; they are given up once the program is there"
	case errors.Is(err, ErrCookies):
		return "sysctl -w net.ipv4.tcp_syncookies=2, and a line for it in /etc/sysctl.d: the kernel must take our cookies for its own"
	case errors.Is(err, ErrInterface):
		return `"ip link" lists the interfaces of this network namespace`
	case errors.Is(err, ErrTaken):
		return `"ip link show" names the program; one interface carries one`
	case errors.Is(err, ErrNative):
		return "add :generic to the name to run it behind the driver, which is slower; or leave it to the sockets"
	}
	return ""
}

// Door is an address and port that is answered for.
type Door struct {
	Local netip.AddrPort
	// Tags are the VLAN tags that its packets must have; see [Local].
	Tags uint32
	// Listener says for whom its packets are counted, below MaxListeners.
	Listener int
	// Answer is the document with its NUL; the slice is copied. One that is
	// shorter or longer than the fast path takes leaves the door to the kernel.
	Answer []byte
}

// AnyTags as the tags of a door lets every packet in, tagged or not.
const AnyTags = 0xffffffff

// Counters are the packets of one listener, by what became of them. They only
// grow.
type Counters struct {
	SYNs      uint64 `json:"syns"`      // answered with a cookie
	Opened    uint64 `json:"opened"`    // handshakes completed
	Answered  uint64 `json:"answered"`  // answers sent, repeated ones too
	Finished  uint64 `json:"finished"`  // clients' ends acknowledged
	Passed    uint64 `json:"passed"`    // handed to the kernel
	NoRoom    uint64 `json:"no_room"`   // of those: the answer did not fit
	Dropped   uint64 `json:"dropped"`   // acknowledgements that need no answer, and what overtook its beginning
	Refused   uint64 `json:"refused"`   // without a valid cookie: dropped
	Forgotten uint64 `json:"forgotten"` // silent clients there was no place to remember
}

// Add adds another's packets.
func (c *Counters) Add(o Counters) {
	c.SYNs += o.SYNs
	c.Opened += o.Opened
	c.Answered += o.Answered
	c.Finished += o.Finished
	c.Passed += o.Passed
	c.NoRoom += o.NoRoom
	c.Dropped += o.Dropped
	c.Refused += o.Refused
	c.Forgotten += o.Forgotten
}

// Since returns the packets since before.
func (c Counters) Since(before Counters) Counters {
	return Counters{
		c.SYNs - before.SYNs, c.Opened - before.Opened, c.Answered - before.Answered, c.Finished - before.Finished, c.Passed - before.Passed,
		c.NoRoom - before.NoRoom, c.Dropped - before.Dropped, c.Refused - before.Refused, c.Forgotten - before.Forgotten,
	}
}

// Each calls f with every counter and its name, as it stands in metrics.
func (c *Counters) Each(f func(name string, n uint64)) {
	f("syn", c.SYNs)
	f("opened", c.Opened)
	f("answered", c.Answered)
	f("finished", c.Finished)
	f("passed", c.Passed)
	f("no_room", c.NoRoom)
	f("dropped", c.Dropped)
	f("refused", c.Refused)
	f("forgotten", c.Forgotten)
}

// Stranger is the last packet that was refused.
type Stranger struct {
	Client netip.Addr // where it said it came from; not valid where there was none
	Count  uint64     // how many were refused so far
}

// Local is an address of this machine as the packets of one interface can reach
// it.
type Local struct {
	Addr netip.Addr
	// Tags are the VLAN ids that such a packet bears: 0 for none, the outer one
	// in the lower 16 bits and the inner one above it, or AnyTags.
	Tags uint32
}

// RefreshEvery is how often [Refresh] is to be called for each listening socket,
// and the addresses to be looked at: the kernel takes cookies for two minutes
// after it has sent one itself, so that even two failures in a row are borne.
const RefreshEvery = 30 * time.Second
