package daemon

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// tableSource is a config: the policies are built from its departments, or are
// the one file that it names, or permit nothing.
type tableSource struct {
	loader    *table.Loader
	policy    string // the file that the config names instead of departments
	listeners []config.Listener
	owners    []config.Owner
	front     Front          // what is said of every service with a backend
	config    *config.Config // that fronts was made of
	fronts    []Front
	answers   map[*aggregate.Table]*server.Answer
	served    server.Policies // as they were last made
}

// Table reads a config. Its source serves what the config says of every
// listener without a policy file of its own, and has a front for each service
// with a backend. front is what holds for each of them where the service says
// nothing else.
func Table(path string, front Front) (Source, *config.Config, error) {
	loader := table.New(path)
	t, err := loader.Load()
	if err != nil {
		return nil, nil, err
	}
	s := &tableSource{loader: loader, front: front, policy: t.Config.Serve.Policy, listeners: t.Config.Serve.Listeners, owners: t.Config.Owners}
	return s, t.Config, nil
}

func (s *tableSource) String() string { return s.loader.String() }

func (s *tableSource) Paths() []string {
	paths := s.loader.Paths()
	if s.policy != "" {
		paths = append(paths, s.policy)
	}
	return paths
}

// Folders returns those of the files, and those in which the owners' patterns
// may come to match a file.
func (s *tableSource) Folders() []string {
	out := foldersOf(s.Paths()...)
	for i := range s.owners {
		for _, glob := range s.owners[i].Policies {
			out = append(out, foldersOf(staticPart(glob))...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// staticPart returns the path of a pattern up to its first part with a
// wildcard, and a name in its place.
func staticPart(glob string) string {
	i := strings.IndexAny(glob, "*?[\\")
	if i < 0 {
		return glob
	}
	return filepath.Join(filepath.Dir(glob[:i]+"x"), "x")
}

func (s *tableSource) Load() (Loaded, error) {
	t, err := s.loader.Load()
	if err != nil {
		return Loaded{}, err
	}
	s.policy = t.Config.Serve.Policy
	if t.Config != s.config {
		fronts, err := frontsOf(t.Config, s.front)
		if err != nil {
			return Loaded{}, err
		}
		s.config, s.fronts = t.Config, fronts
	}
	loaded := Loaded{Warnings: t.Warnings(), Refused: t.Refused(), Fronts: s.fronts, Tables: t}
	if !sameListeners(t.Config.Serve.Listeners, s.listeners) {
		loaded.Warnings = append(loaded.Warnings, "the addresses to listen on have changed: they take effect at the next start or take-over")
	}
	if s.policy != "" {
		one, err := File(s.policy).Load()
		if err != nil {
			return Loaded{}, err
		}
		loaded.Policies = one.Policies
		loaded.Warnings = append(loaded.Warnings, one.Warnings...)
		return loaded, nil
	}
	s.build(t.Result.Tables, &loaded)
	return loaded, nil
}

// build makes an answer of each table. A table that nothing touched keeps its
// answer. One that has become too long for any reader keeps what was served for
// its address, and touches no other; at a first start it permits nothing.
// Where no owner has all addresses, the others are permitted nothing.
func (s *tableSource) build(tables []*aggregate.Table, loaded *Loaded) {
	answers := make(map[*aggregate.Table]*server.Answer, len(tables))
	byAddress := make(map[netip.Addr]*server.Answer, len(tables))
	for _, one := range tables {
		a, err := s.answers[one], error(nil)
		if a == nil {
			a, err = server.PolicyAnswer(one.Policy())
		}
		if err == nil {
			answers[one] = a
		} else {
			a = s.before(one.Address)
			loaded.Refused = append(loaded.Refused, fmt.Sprintf("the policy that was built for %s: %v", aggregate.AddressName(one.Address), err))
		}
		if one.Address.IsValid() {
			byAddress[one.Address] = a
		} else {
			loaded.Policies.Default = a
		}
	}
	if loaded.Policies.Default == nil {
		loaded.Policies.Default = server.DenyAll()
	}
	loaded.Policies.ByAddress = byAddress
	s.answers, s.served = answers, loaded.Policies
}

// before returns what was last served for an address.
func (s *tableSource) before(a netip.Addr) *server.Answer {
	if was := s.served.ByAddress[a]; was != nil {
		return was
	}
	if was := s.served.Default; was != nil && !a.IsValid() {
		return was
	}
	return server.DenyAll()
}

func sameListeners(a, b []config.Listener) bool {
	return slices.EqualFunc(a, b, func(x, y config.Listener) bool { return x.Address == y.Address && x.Policy == y.Policy })
}

// frontsOf returns a front for each service that has a backend.
func frontsOf(c *config.Config, base Front) ([]Front, error) {
	if len(c.Sites) > 0 {
		byHost := make(map[string]*policy.Policy, len(c.Sites))
		for i := range c.Sites {
			byHost[c.Sites[i].Host] = c.Sites[i].Policy()
		}
		var err error
		if base.Sites, err = frontdoor.NewSites(byHost); err != nil {
			return nil, err
		}
	}
	var out []Front
	for i := range c.Services {
		s := &c.Services[i]
		if len(s.Backends) == 0 {
			continue
		}
		f := base
		host := ""
		if s.Address.IsValid() {
			host = s.Address.String()
		}
		f.Address, f.Backends = net.JoinHostPort(host, s.Ports.String()), s.Backends
		f.ServerFirst = f.ServerFirst || s.ServerFirst
		f.Origins, f.ProxyFrom = slices.Concat(f.Origins, s.Origins), slices.Concat(f.ProxyFrom, s.ProxyFrom)
		f.AnyTarget, f.AnyTargetAlso = f.AnyTarget || s.AnyTarget, slices.Concat(f.AnyTargetAlso, s.AnyTargetAlso)
		f.SendProxy, f.Files = cmp.Or(s.SendProxy, f.SendProxy), cmp.Or(s.Files, f.Files)
		f.Limits.Idle, f.Limits.Total = cmp.Or(s.Idle, f.Limits.Idle), cmp.Or(s.Total, f.Limits.Total)
		f.Limits.MaxConnections, f.Limits.MaxPerAddress = s.MaxConnections, s.MaxPerAddress
		if len(s.Certificates) > 0 {
			f.Certificates = s.Certificates
		}
		out = append(out, f)
	}
	return out, nil
}
