package config

import (
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/policy"
)

// DefaultPath is where the packages put the file, and what the verbs read
// where no other is named.
const DefaultPath = "/etc/port843/port843.toml"

// MaxSize is the largest config file that is read, in bytes: a hundred
// thousand services of 250 bytes are 25 MB.
const MaxSize = 64 << 20

// Bounds of [serve].
const (
	MinDeadline    = 100 * time.Millisecond // below, a player across an ocean is cut off
	MaxDeadline    = time.Minute            // Flash Player itself gives up after 3 s
	MaxConnections = 1 << 20                // as many as the server has numbers for
)

// Config is a valid config file.
type Config struct {
	File     string // as it was named
	Dir      string // what relative paths are relative to
	Serve    Serve
	Owners   []Owner
	Services []Service
	Sites    []Site
}

// Serve is what the server does. A limit that is zero is the server's default.
type Serve struct {
	Listeners      []Listener
	Admin          string // address and port, or "unix:" and a path; empty: none
	AdminTokenFile string // paths of what Admin asks for and shows; empty: none
	AdminCert      string
	AdminKey       string
	AdminClientCA  string
	User           string // whom to become; empty: nobody else
	Policy         string // the path of a policy file that is served in place of the table; empty: the table
	Log            string // "text" or "json"; empty: text
	Deadline       time.Duration
	MaxConnections int
	MaxPerAddress  int
	FastPath       []string          // interfaces with a fast path, as xdp.ParseInterface reads them, or "auto"; empty: none
	Meta           policy.MetaPolicy // MetaMasterOnly or MetaAll, of the policies that are built
	PublicPort     uint16            // the port that clients see, where something redirects it; 0: the listener's own
}

// Listener is one address to serve on.
type Listener struct {
	Address string     // fit for net.Listen("tcp", …)
	IP      netip.Addr // the zero value: every address, as in ":843"
	Port    uint16
	Policy  string // the path of a policy file of its own; empty: what Serve says
	Source  aggregate.Source
}

// Any reports whether the listener takes connections to every address of its
// family, or of both.
func (l Listener) Any() bool { return !l.IP.IsValid() || l.IP.IsUnspecified() }

// Owner is a department with its globs for policy files.
type Owner struct {
	aggregate.Owner
	Policies []string // globs, absolute or relative to the working directory as File is
}

// Service is a service with what the front door wants of it.
type Service struct {
	aggregate.Service
	Owner string
	Front
}

// Fragments returns the files that the owner's globs match, sorted, each once.
func (o *Owner) Fragments() []string {
	seen := map[string]bool{}
	var out []string
	for _, glob := range o.Policies {
		names, _ := filepath.Glob(glob) // the glob was tried when the config was read
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ServedFrom returns the port that clients see the policy come from, which
// says whether it may grant ports below 1024 (Adobe's guide): PublicPort where
// it is set; else the lowest of the listeners that serve the table; without
// one, 843.
func (c *Config) ServedFrom() uint16 {
	if c.Serve.PublicPort != 0 {
		return c.Serve.PublicPort
	}
	lowest := uint16(0)
	for _, l := range c.Serve.Listeners {
		if l.Policy == "" && (lowest == 0 || l.Port < lowest) {
			lowest = l.Port
		}
	}
	if lowest == 0 {
		return policy.MasterPort
	}
	return lowest
}

// HasTable reports whether policies are to be built, not read from one file.
func (c *Config) HasTable() bool { return len(c.Owners) > 0 }

// resolve makes a path of the file relative to the file.
func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
