package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/policy"
)

func newDiff(s cli.Streams) *cobra.Command {
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what a change of policy means",
		Long: `Diff compares what two policies permit, however they are written: what is
newly granted, what is revoked, as the smallest rules that say it, each with
the line it comes from.

OLD and NEW are a policy file, a config (a name that ends in .toml), or a
server, xmlsocket://host:port. Of two configs every address is compared; for a
config beside another kind, --address picks the policy, unless the config has
only one, or the server is named by its IP address.

A policy file with mistakes is read as a careful client reads it. Ports below
1024 count only where the policy is served from below 1024: files are taken to
be, servers and configs say it themselves.

Exit codes: 0 both permit the same; 1 they differ; 2 used wrongly, or one could
not be had.`,
		Example: `  port843 diff old.xml new.xml
  port843 diff /etc/port843/port843.toml new/port843.toml
  port843 diff port843.toml xmlsocket://192.0.2.10:843 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd, s, args, address, asJSON) },
	}
	cmd.Flags().StringVar(&address, "address", "", "of a config, the policy of the local address `IP`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// difference is the change of one policy.
type difference struct {
	name    string // "": the one there is
	change  aggregate.Change
	oldMeta policy.MetaPolicy
	newMeta policy.MetaPolicy
	old     side
	new     side
}

func (d *difference) isEmpty() bool { return d.change.IsEmpty() && d.oldMeta == d.newMeta }

func runDiff(cmd *cobra.Command, s cli.Streams, args []string, address string, asJSON bool) error {
	sides := make([]sideSet, 2)
	for i, name := range args {
		set, err := openSide(cmd.Context(), name)
		if err != nil {
			return err
		}
		sides[i] = set
	}
	pairs, err := pairUp(sides[0], sides[1], address)
	if err != nil {
		return err
	}
	notes := &printer{w: s.Err}
	for _, set := range sides {
		for _, n := range set.notes {
			notes.printf("warning: %s\n", n)
		}
	}
	var all []difference
	for _, p := range pairs {
		d := difference{
			name: p.name, change: aggregate.Compare(p.old.grants, p.new.grants),
			oldMeta: p.old.meta, newMeta: p.new.meta, old: p.old, new: p.new,
		}
		if !d.isEmpty() {
			all = append(all, d)
		}
	}
	out := &printer{w: s.Out}
	if asJSON {
		err = out.json(diffJSON(all))
	} else {
		out.differences(all)
		err = out.err
	}
	switch {
	case err != nil:
		return cli.Fail(err, "")
	case len(all) > 0:
		return cli.No()
	}
	return nil
}

// pair is two policies that stand for the same.
type pair struct {
	name     string
	old, new side
}

// pairUp decides which policy is compared with which.
func pairUp(old, new sideSet, address string) ([]pair, error) {
	if address == "" && old.tables != nil && new.tables != nil {
		return everyAddress(old, new), nil
	}
	a := netip.Addr{}
	if address != "" {
		var err error
		if a, err = netip.ParseAddr(address); err != nil {
			return nil, cli.Usage("such as --address 192.0.2.10", "--address %q is no IP address", address)
		}
	}
	o, err := old.pick(a, new.server)
	if err != nil {
		return nil, err
	}
	n, err := new.pick(a, old.server)
	if err != nil {
		return nil, err
	}
	return []pair{{old: o, new: n}}, nil
}

// everyAddress pairs the tables of two configs, by every address that either
// has a table for.
func everyAddress(old, new sideSet) []pair {
	var addrs []netip.Addr
	for _, r := range []*aggregate.Result{old.tables, new.tables} {
		for _, t := range r.Tables {
			addrs = append(addrs, t.Address)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	out := make([]pair, len(addrs))
	for i, a := range addrs {
		out[i] = pair{aggregate.AddressName(a), old.at(a), new.at(a)}
	}
	return out
}

func (p *printer) differences(all []difference) {
	for i, d := range all {
		indent := ""
		if d.name != "" {
			if i > 0 {
				p.printf("\n")
			}
			p.printf("%s\n", d.name)
			indent = "  "
		}
		if d.oldMeta != d.newMeta {
			p.printf("%s~ meta-policy %s, was %s\n", indent, d.newMeta, d.oldMeta)
		}
		p.terms(indent, "+", d.change.Granted, d.new)
		p.terms(indent, "-", d.change.Revoked, d.old)
	}
}

func (p *printer) terms(indent, sign string, terms []policy.Term, from side) {
	for _, t := range terms {
		if t.Except {
			p.printf("%s%s   %s\n", indent, sign, t)
			continue
		}
		p.printf("%s%s %s\n", indent, sign, t)
		for _, in := range from.origins(t) {
			p.printf("%s      %s\n", indent, origin(in))
		}
	}
}

type jsonTerm struct {
	Domain string      `json:"domain"`
	Ports  string      `json:"ports"`
	Except bool        `json:"except,omitempty"` // taken away again from what stands before
	From   []jsonInput `json:"from,omitempty"`
}

type jsonDifference struct {
	Address string     `json:"address,omitempty"`
	OldMeta string     `json:"old_meta_policy"`
	NewMeta string     `json:"new_meta_policy"`
	Granted []jsonTerm `json:"granted"`
	Revoked []jsonTerm `json:"revoked"`
}

type jsonDiff struct {
	Version   int              `json:"version"`
	Different bool             `json:"different"`
	Changes   []jsonDifference `json:"changes"`
}

func diffJSON(all []difference) jsonDiff {
	out := jsonDiff{Version: 1, Different: len(all) > 0, Changes: []jsonDifference{}}
	for _, d := range all {
		out.Changes = append(out.Changes, jsonDifference{
			Address: d.name, OldMeta: d.oldMeta.String(), NewMeta: d.newMeta.String(),
			Granted: termsJSON(d.change.Granted, d.new), Revoked: termsJSON(d.change.Revoked, d.old),
		})
	}
	return out
}

func termsJSON(terms []policy.Term, from side) []jsonTerm {
	out := []jsonTerm{}
	for _, t := range terms {
		j := jsonTerm{Domain: t.Domain.String(), Ports: t.Ports.String(), Except: t.Except}
		for _, in := range from.origins(t) {
			j.From = append(j.From, inputJSON(in))
		}
		out = append(out, j)
	}
	return out
}

// ambiguous is a config with several policies beside one policy.
func ambiguous(name string, r *aggregate.Result) error {
	var addrs []string
	for _, t := range r.Tables[1:] {
		addrs = append(addrs, t.Address.String())
	}
	return cli.Usage("add --address with one of "+strings.Join(addrs, ", ")+", or another for all others", "%s has a policy for each address", name)
}
