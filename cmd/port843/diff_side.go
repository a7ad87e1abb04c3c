package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
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

// Bounds of what a server may send and how long it may take.
const (
	fetchSize = 64 << 10 // ten times what the known clients read
	fetchTime = 5 * time.Second
)

// openServer asks a server for its policy, as a client does.
func openServer(ctx context.Context, name string) (sideSet, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(name, "xmlsocket://"))
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || host == "" {
		return sideSet{}, cli.Usage("write xmlsocket://host:port, such as xmlsocket://192.0.2.10:843", "%q names no server", name)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	data, err := fetch(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return sideSet{}, cli.Fail(fmt.Errorf("%s: %w", escape.Text(name, 300), err), "")
	}
	set := parsedSide(name, data, uint16(n))
	set.server, _ = netip.ParseAddr(host)
	return set, nil
}

// fetch returns the document, without the NUL that ends it.
func fetch(ctx context.Context, address string) ([]byte, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, policy.Request); err != nil {
		return nil, err
	}
	var got []byte
	buf := make([]byte, 4096)
	for len(got) <= fetchSize {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if i := strings.IndexByte(string(buf[:n]), 0); i >= 0 {
			return got[:len(got)-n+i], nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("no policy within %v", fetchTime)
		case errors.Is(err, io.EOF) && len(got) == 0:
			return nil, errors.New("it closed without an answer")
		case errors.Is(err, io.EOF):
			return got, nil
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("the answer is longer than %d bytes", fetchSize)
}
