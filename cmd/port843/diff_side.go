package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/fetch"
	"github.com/port843/port843/policy"
)

// side is one policy, and where what it permits comes from.
type side struct {
	grants  policy.Grants
	meta    policy.MetaPolicy
	origins func(policy.Term) []*aggregate.Input
}

// sideSet is what a name stands for: the one policy of a file or a server, or
// the policies of a config.
type sideSet struct {
	name   string
	one    side
	tables *aggregate.Result // of a config; nil for a file or a server
	served uint16            // the port that the config is served from
	server netip.Addr        // of a server that is named by its address
	notes  []string          // what is wrong with it
}

// openSide reads a file, a config or a server.
func openSide(ctx context.Context, name string) (sideSet, error) {
	switch {
	case strings.HasPrefix(name, "xmlsocket://"):
		return openServer(ctx, name)
	case strings.HasSuffix(name, ".toml"):
		t, err := loadTables(name)
		if err != nil {
			return sideSet{}, asError(err)
		}
		if err := hasTable(t.Config); err != nil {
			return sideSet{}, err
		}
		var notes []string
		for _, r := range t.Refused() {
			notes = append(notes, "refused: "+r)
		}
		return sideSet{name: name, tables: t.Result, served: t.Config.ServedFrom(), notes: notes}, nil
	}
	data, err := bounded.ReadFile(name, policy.MaxSize)
	if err != nil {
		return sideSet{}, cli.Fail(err, "")
	}
	return parsedSide(name, data, policy.MasterPort), nil
}

// asError makes a refused config the error that it is for a comparison.
func asError(err error) error {
	var e *cli.Error
	if errors.As(err, &e) {
		return cli.Fail(e.Err, e.Hint)
	}
	return err
}

// parsedSide reads a policy as a careful client does.
func parsedSide(name string, data []byte, served uint16) sideSet {
	p, err := policy.Parse(data)
	set := sideSet{name: name, one: side{grants: p.Grants(served), meta: p.SocketMeta(), origins: ruleOrigins(name, p)}}
	for _, x := range policy.ProblemsOf(err) {
		set.notes = append(set.notes, escape.Text(name, 1024)+":"+x.Error())
	}
	return set
}

// ruleOrigins finds the rules of a policy that permit a part of a term.
func ruleOrigins(name string, p *policy.Policy) func(policy.Term) []*aggregate.Input {
	return func(t policy.Term) []*aggregate.Input {
		if t.Except {
			return nil
		}
		term := policy.NewGrants([]policy.Grant{{Domain: t.Domain, Ports: t.Ports}})
		var out []*aggregate.Input
		for i := range p.Rules {
			r := &p.Rules[i]
			g := policy.Grant{Domain: r.Domain, Secure: r.Secure == policy.SecureTrue, Ports: r.Ports}
			if !r.Dead && !r.NoPorts && !policy.NewGrants([]policy.Grant{g}).Intersect(term).IsEmpty() {
				out = append(out, &aggregate.Input{Grant: g, Source: aggregate.Source{File: name, Pos: r.Pos}})
			}
		}
		return out
	}
}

// at returns a config's policy of a local address.
func (s sideSet) at(a netip.Addr) side {
	t := s.tables.Lookup(a)
	p := t.Policy()
	return side{grants: p.Grants(s.served), meta: p.SocketMeta(), origins: t.Origins}
}

// pick returns the one policy that is meant: the only one, or of a config that
// of the address that was asked for, or else of the server it is compared with.
func (s sideSet) pick(asked, server netip.Addr) (side, error) {
	switch {
	case s.tables == nil:
		return s.one, nil
	case asked.IsValid():
		return s.at(asked), nil
	case server.IsValid():
		return s.at(server), nil
	case len(s.tables.Tables) == 1:
		return s.at(netip.Addr{}), nil
	}
	return side{}, ambiguous(s.name, s.tables)
}

// openServer asks a server for its policy, as a client does.
func openServer(ctx context.Context, name string) (sideSet, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(name, "xmlsocket://"))
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || host == "" {
		return sideSet{}, cli.Usage("write xmlsocket://host:port, such as xmlsocket://192.0.2.10:843", "%q names no server", name)
	}
	got, err := fetch.Get(ctx, "xmlsocket://"+net.JoinHostPort(host, port))
	if err != nil {
		return sideSet{}, cli.Fail(fmt.Errorf("%s: %w", escape.Text(name, 300), err), "")
	}
	set := parsedSide(name, got.Data, got.Port)
	set.server, _ = netip.ParseAddr(host)
	return set, nil
}
