package player

import (
	"time"

	"github.com/port843/port843/policy"
)

// Asking says whether a client asks for policies at all.
type Asking uint8

const (
	AsksPolicies Asking = iota // policies decide
	AsksNever                  // it never asks: something else decides, which Profile.Instead names
	AsksUnknown                // what it does is not known, or it has no such connections
)

// Fallback says when a client asks the destination port itself.
type Fallback uint8

const (
	FallbackNone   Fallback = iota // never: the master is all there is
	FallbackNoRule                 // where the master does not grant and its meta-policy is all
	FallbackAlways                 // wherever the meta-policy is all, before it decides
)

// Ranges says how a client reads "low-high" in to-ports.
type Ranges uint8

const (
	RangesWhole      Ranges = iota // both ends and what is between
	RangesFirst                    // the first port alone
	RangesWithoutEnd               // the last port is left out
)

// Reads says how a client takes an answer off the wire.
type Reads uint8

const (
	ReadsToEnd   Reads = iota // until the NUL or the close
	ReadsOnce                 // one read of ReadSize bytes
	ReadsToShort              // reads of ReadSize bytes, until one brings less
)

// Limits are a client's patience with one policy server. Both are counted
// from the start of the connect; 0 is none.
type Limits struct {
	Connect time.Duration
	Answer  time.Duration // until the answer is complete
}

// Profile is a client as data. A Profile is read only once it is in use; to
// change one, change a copy (a test shortens Master, say).
type Profile struct {
	Name  string // as written on the command line
	Title string

	Sockets Asking
	URLs    Asking
	Instead string // what decides where a client asks no policies

	MasterPort uint16
	Request    string // the bytes sent, with their NUL where there is one
	Access     bool   // reads access-policy instead of cross-domain-policy
	Fallback   Fallback
	Loads      bool // honours Security.loadPolicyFile

	Master      Limits // with the master policy's port
	Destination Limits // with the destination port
	Loaded      Limits // with a location of loadPolicyFile, and over HTTP

	NeedsNUL bool // an answer without NUL is none
	Reads    Reads
	ReadSize int

	Exempt           string // requestors of this scheme need no policy
	OwnHostHighPorts bool   // nor does the own host from port 1024 up
	OldHTTP          bool   // /crossdomain.xml on port 80 opens the ports from 1024 up
	IPv4Only         bool
	NoIPv6Literals   bool
	PortLo, PortHi   uint16 // the only ports that it connects to; 0: all

	PrivilegedRule    bool // a policy from port 1024 or above grants none below
	Ranges            Ranges
	AnyDomainOnly     bool // rules for other domains than "*" are left out
	TopLevelWildcards bool // "*.com" matches everything below com
	MetaVoids         bool // site-control in a policy from any port but the master's voids the file

	URLMeta policy.MetaPolicy // the meta-policy of URLs where none is said

	Denied      string // what the program sees where it is denied
	Unreachable string // what it sees where it is permitted and cannot connect

	Notes []Note // what is said with every verdict by this profile
}

// The figures of the clients. Sources: Adobe's guide ("Connecting to sockets":
// 3 s; the rest has no limit of its own), the ActionScript reference
// (Socket.timeout, 20 s), Lightspark's, Unity's and Moonlight's source, and the
// field for the 21 s that a system's SYN retries take.
const (
	flashMaster    = 3 * time.Second
	socketTimeout  = 20 * time.Second
	synRetries     = 21 * time.Second
	silverlightAll = 10 * time.Second
)

const (
	flashDenied      = "SecurityErrorEvent, Error #2048"
	flashUnreachable = "IOErrorEvent, Error #2031"
)

// flash is what every Flash Player since 9.0.124 does; the others differ from
// it as [Profiles] says.
func flash() Profile {
	return Profile{
		Name: "flash", Title: "Flash Player 10 and later",
		MasterPort: policy.MasterPort, Request: policy.Request,
		Fallback: FallbackNoRule, Loads: true,
		Master:      Limits{flashMaster, flashMaster},
		Destination: Limits{socketTimeout, socketTimeout},
		Loaded:      Limits{Connect: synRetries},
		NeedsNUL:    true, PrivilegedRule: true,
		URLMeta: policy.MetaMasterOnly, // since Flash Player 10 (guide)
		Denied:  flashDenied, Unreachable: flashUnreachable,
	}
}

// Flash returns the default profile, Flash Player 10 and later.
func Flash() *Profile {
	p := flash()
	return &p
}

// Profiles returns every profile that is known, the default first. The slice
// and what it points to are the caller's.
func Profiles() []*Profile {
	return []*Profile{
		Flash(), flash9115(), flash9124(), air(), airApplication(),
		lightspark(), silverlight(), unity(), ruffleWeb(), ruffleDesktop(), acrobat(),
	}
}

// ProfileNamed returns the profile of that name, or nil.
func ProfileNamed(name string) *Profile {
	for _, p := range Profiles() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// flash9115 needs a policy only for other hosts and for ports below 1024 (AS3
// reference, Socket), and still takes the old default location over HTTP
// (reference, loadPolicyFile: it opens the ports from 1024 up, and to-ports in
// it is not looked at).
func flash9115() *Profile {
	p := flash()
	p.Name, p.Title = "flash9.0.115", "Flash Player 9.0.115"
	p.OwnHostHighPorts, p.OldHTTP = true, true
	p.URLMeta = policy.MetaAll
	return &p
}

// flash9124 is strict about sockets; only the default meta-policy of URLs is
// still that of Flash Player 9 (guide).
func flash9124() *Profile {
	p := flash()
	p.Name, p.Title = "flash9.0.124", "Flash Player 9.0.124 and later 9"
	p.URLMeta = policy.MetaAll
	return &p
}

func air() *Profile {
	p := flash()
	p.Name, p.Title = "air", "AIR, outside the application sandbox"
	return &p
}

// airApplication may connect anywhere (AS3 reference, Socket: content in the
// application sandbox needs no policy). Content from elsewhere is not in it.
func airApplication() *Profile {
	p := flash()
	p.Name, p.Title = "air-application", "AIR, in the application sandbox"
	p.Exempt = "app"
	return &p
}

// lightspark is Lightspark 0.9 (its source).
func lightspark() *Profile {
	p := flash()
	p.Name, p.Title = "lightspark", "Lightspark 0.9"
	p.Fallback = FallbackAlways
	p.Master, p.Destination, p.Loaded = Limits{Connect: flashMaster}, Limits{Connect: flashMaster}, Limits{Connect: flashMaster}
	p.NeedsNUL = false
	p.Reads, p.ReadSize = ReadsToShort, 4096
	p.NoIPv6Literals = true
	p.PrivilegedRule = false
	p.Ranges = RangesFirst
	p.TopLevelWildcards, p.MetaVoids = true, true
	return &p
}

// silverlight is Silverlight 4 as Moonlight has it (its source) and Microsoft
// documents it: port 943, the ports 4502 to 4534, no fallback, no own host.
func silverlight() *Profile {
	return &Profile{
		Name: "silverlight", Title: "Silverlight", URLs: AsksUnknown,
		Instead:    "which policies Silverlight asks for a URL is not known here: only its sockets are",
		MasterPort: AccessPort, Request: policy.Request[:len(policy.Request)-1], Access: true,
		Master: Limits{silverlightAll, silverlightAll},
		PortLo: AccessPortLo, PortHi: AccessPortHi,
		Denied: "SocketError.AccessDenied", Unreachable: "SocketError.ConnectionRefused",
	}
}

// unity is Unity Web Player's Security.PrefetchSocketPolicy (its source).
func unity() *Profile {
	return &Profile{
		Name: "unity", Title: "Unity Web Player", URLs: AsksUnknown,
		Instead:    "which policies Unity Web Player asks for a URL is not known here: only its sockets are",
		MasterPort: policy.MasterPort, Request: policy.Request,
		Master: Limits{Connect: flashMaster}, Reads: ReadsOnce, ReadSize: 5000,
		IPv4Only: true, PrivilegedRule: true, Ranges: RangesWithoutEnd, AnyDomainOnly: true,
		Denied: "SecurityException", Unreachable: "SocketException",
		Notes: []Note{
			{NoteSilent, "how Unity Web Player reads a meta-policy is not known: it is taken as Flash Player takes it"},
			{NoteSilent, "how long Unity Web Player waits for an answer is not known: once it is connected, it is taken to wait for ever"},
		},
	}
}

func ruffleWeb() *Profile {
	return &Profile{
		Name: "ruffle-web", Title: "Ruffle in a browser", Sockets: AsksNever, URLs: AsksNever,
		Instead: "Ruffle never asks for a policy: in a browser the page's socketProxy and its WebSocket gateway decide about sockets, and the browser's CORS rules about URLs",
	}
}

func ruffleDesktop() *Profile {
	return &Profile{
		Name: "ruffle-desktop", Title: "Ruffle on a desktop", Sockets: AsksNever, URLs: AsksNever,
		Instead: "Ruffle never asks for a policy: on a desktop its user is asked",
	}
}

// acrobat reads URL policies as Flash Player 10 does (specification); it opens
// no sockets by them.
func acrobat() *Profile {
	p := flash()
	p.Name, p.Title = "acrobat", "Acrobat and Reader"
	p.Sockets = AsksUnknown
	p.Instead = "Acrobat and Reader open no sockets by a policy: ask about an http or https URL"
	p.Denied, p.Unreachable = "the document may not load it", "the document cannot load it"
	return &p
}

// limits returns the patience with a place of that role.
func (p *Profile) limits(role Role) Limits {
	switch role {
	case RoleMaster:
		return p.Master
	case RoleDestination:
		return p.Destination
	}
	return p.Loaded
}

// WithTimeout returns a copy that waits at most d wherever it waits. It no
// longer decides as the client does about servers that take longer.
func (p *Profile) WithTimeout(d time.Duration) *Profile {
	c := *p
	for _, l := range []*Limits{&c.Master, &c.Destination, &c.Loaded} {
		*l = Limits{Connect: shorter(l.Connect, d), Answer: shorter(l.Answer, d)}
	}
	return &c
}

// shorter returns the shorter of two limits, of which the first may be none.
func shorter(limit, d time.Duration) time.Duration {
	if limit == 0 {
		return d
	}
	return min(limit, d)
}
