package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// prepareGiven reads what is to be judged offline.
func (c *check) prepareGiven(ctx context.Context, network *player.Network) error {
	if c.policy == "" && c.master == "" {
		if c.policyURL != "" || c.servedFrom != 0 || c.contentType != "" || c.metaHeader != "" {
			return cli.Usage("name the policy with --policy, or leave the others out", "--policy-url, --served-from, --content-type and --meta-header go with --policy")
		}
		return nil
	}
	g := player.Given{ServedFrom: c.servedFrom, ContentType: c.contentType, MetaHeader: c.metaHeader}
	var err error
	if c.policyURL != "" {
		if g.URL, err = player.ParseLocation(c.policyURL); err != nil {
			return cli.Usage(checkHint, "--policy-url %w", err)
		}
	}
	if c.master != "" {
		if g.Master, err = c.readFile(c.master); err != nil {
			return err
		}
	}
	switch {
	case c.policy == "" || c.policy == "none":
	case strings.HasPrefix(c.policy, player.SchemeSocket+"://"):
		err = c.fetchGiven(ctx, network, &g)
	case strings.HasSuffix(c.policy, ".toml"):
		err = c.buildGiven(&g)
	default:
		g.Policy, err = c.readFile(c.policy)
	}
	c.given = &g
	return err
}

// readFile reads a policy file, or standard input for "-". The result is not
// nil, also for an empty file.
func (c *check) readFile(name string) ([]byte, error) {
	in := c.s.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, cli.Fail(err, "name a policy file")
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, policy.MaxSize+1))
	if err != nil {
		return nil, cli.Fail(err, "name a policy file")
	}
	return append([]byte{}, data...), nil
}

// fetchGiven takes the policy from a policy server, wherever it is to count.
func (c *check) fetchGiven(ctx context.Context, network *player.Network, g *player.Given) error {
	l, err := player.ParseLocation(c.policy)
	if err != nil {
		return cli.Usage(checkHint, "--policy %w", err)
	}
	p := c.clients[0]
	addrs, err := network.Lookup(ctx, l.Host)
	if err != nil {
		return cli.Fail(fmt.Errorf("%s could not be looked up", l.Host), "")
	}
	request := p.Request
	if request == "" {
		request = policy.Request
	}
	o := network.Fetch(ctx, player.Query{Location: l, Addr: addrs[0], Request: request, Limits: p.Master})
	if len(o.Data) == 0 {
		return cli.Fail(fmt.Errorf("%s: %s", l, o), "the place must serve a policy")
	}
	g.Policy = o.Data
	if g.URL == (player.Location{}) && g.ServedFrom == 0 && l.Host == c.question.Target.Host() {
		g.URL = l
	}
	return nil
}

// buildGiven builds the policy that a config serves at the target's address.
func (c *check) buildGiven(g *player.Given) error {
	t, err := loadTables(c.policy)
	if err != nil {
		return asError(err)
	}
	if err := hasTable(t.Config); err != nil {
		return err
	}
	for _, r := range t.Refused() {
		fmt.Fprintf(c.s.Err, "warning: refused: %s\n", r)
	}
	local, err := netip.ParseAddr(c.question.Target.Host())
	if err != nil && len(t.Result.Tables) > 1 {
		return cli.Usage("ask for a target by its address", "%s has a policy for each address", c.policy)
	}
	g.Policy = policy.Format(t.Result.Lookup(local).Policy())
	if g.URL == (player.Location{}) && g.ServedFrom == 0 && c.question.Target.IsSocket() {
		g.ServedFrom = t.Config.ServedFrom()
	}
	return nil
}
