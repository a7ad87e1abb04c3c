package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/atomicfile"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
)

// buildFlags are the flags of build as they were given.
type buildFlags struct {
	config, output, address string
	target, scheme          string
	explain, matrix, json   bool
}

func newBuild(s cli.Streams) *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the policies of a machine from its owners and services",
		Long: `Build reads a config (see "port843 init") and every policy file of the owners
in it, and prints the policy of each address: what "serve --config" serves. It
changes nothing, so it is also how a config is checked.

An owner whose files or services have a mistake, or ask for more than it may,
is named with file, line and column. What is clean of it is built, and so is
everybody else.

--explain tells of each rule where it comes from, and of each input what
became of it. --matrix prints which domains may reach which services: yes,
https (over HTTPS only), some (of its ports), or "-".

--target prints what follows from the same table for others: a firewall's
rules, which accept what is served and refuse port 843 with a reset where it is
not; a page that plays in Ruffle, with its socketProxy; or, for the sites, the
CORS headers that say to browsers what /crossdomain.xml says to Flash.

Exit codes: 0 all is built; 1 something was refused; 2 used wrongly, or it
could not be done.`,
		Example: `  port843 build --config port843.toml
  port843 build --config port843.toml --address 192.0.2.10
  port843 build --config port843.toml --explain
  port843 build --config port843.toml --output /etc/port843/built
  port843 build --config port843.toml --matrix --json
  port843 build --config port843.toml --target nftables
  port843 build --config port843.toml --target ruffle --json
  port843 build --config port843.toml --target cors`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runBuild(s, &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", config.DefaultPath, "read the config `FILE`")
	fl.StringVar(&f.output, "output", "", "write a file for each address into `DIR`, and for each [[site]] sites/HOST/crossdomain.xml with what nginx, Apache and Caddy need to serve it, and print nothing")
	fl.StringVar(&f.address, "address", "", "only the policy of the local address `IP`")
	fl.BoolVar(&f.explain, "explain", false, "tell where each rule comes from, and what became of each input")
	fl.BoolVar(&f.matrix, "matrix", false, "print who may reach what")
	fl.StringVar(&f.target, "target", "", "print what another program wants: `"+strings.Join(targets(), "|")+"`")
	fl.StringVar(&f.scheme, "scheme", "", "with --target ruffle, `ws|wss` (default wss, which pages over HTTPS need)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func runBuild(s cli.Streams, f *buildFlags) error {
	if f.explain && f.matrix {
		return cli.Usage("ask for one of them", "--explain and --matrix exclude each other")
	}
	if f.output != "" && (f.explain || f.matrix || f.json) {
		return cli.Usage("leave --output out to look at what would be written", "--output prints nothing, so it goes with no other form")
	}
	if err := f.checkTarget(); err != nil {
		return err
	}
	t, err := loadTables(f.config)
	if err != nil {
		return err
	}
	if err := hasTable(t.Config); err != nil {
		return err
	}
	if f.target != "" {
		return runTarget(s, f, t.Config)
	}
	tables, err := pickTables(t.Result, f.address)
	if err != nil {
		return err
	}
	p := &printer{w: s.Out}
	switch {
	case f.output != "":
		err = errors.Join(writePolicies(f.output, tables), writeSites(f.output, t.Config))
	case f.matrix && f.json:
		err = p.json(matrixJSON(t, tables))
	case f.json:
		err = p.json(buildJSON(t, tables))
	case f.matrix:
		p.matrix(t, tables)
	case f.explain:
		p.explain(t, tables)
	default:
		p.policies(tables, f.address != "")
	}
	if err = errors.Join(err, p.err); err != nil {
		return cli.Fail(err, "")
	}
	return buildVerdict(s, f, t)
}

// buildVerdict says on standard error what the output does not.
func buildVerdict(s cli.Streams, f *buildFlags, t *table.Tables) error {
	refused := t.Refused()
	if f.explain || f.json {
		if len(refused) > 0 {
			return cli.No()
		}
		return nil
	}
	p := &printer{w: s.Err}
	for _, w := range t.Warnings() {
		p.printf("warning: %s\n", w)
	}
	if len(refused) == 0 {
		return nil
	}
	return cli.Refuse(errors.New(strings.Join(refused, "\n")), "the rest is built; --explain tells what is held back for it")
}

// loadTables reads a config and everything it names.
func loadTables(path string) (*table.Tables, error) {
	t, err := table.New(path).Load()
	if err != nil {
		return nil, configError(err)
	}
	return t, nil
}

// configError gives an error of reading a config its exit code and hint.
func configError(err error) error {
	switch {
	case config.MistakesOf(err) != nil:
		return cli.Refuse(err, `"port843 init" prints a config with every key`)
	case errors.Is(err, fs.ErrNotExist):
		return cli.Fail(err, `name the config with --config, or make one with "port843 init --output port843.toml"`)
	}
	return cli.Fail(err, "")
}

// hasTable refuses a config from which there is nothing to build.
func hasTable(c *config.Config) error {
	if c.HasTable() {
		return nil
	}
	return cli.Fail(fmt.Errorf("%s has no [[owner]]: there is nothing to build", c.File), `"port843 init --minimal" prints a config with one`)
}

// pickTables returns the table of a local address, or all of them.
func pickTables(r *aggregate.Result, address string) ([]*aggregate.Table, error) {
	if address == "" {
		return r.Tables, nil
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return nil, cli.Usage("such as --address 192.0.2.10", "--address %q is no IP address", address)
	}
	return []*aggregate.Table{r.Lookup(a)}, nil
}

// policyFile is the name of the file that a table is written to.
func policyFile(t *aggregate.Table) string {
	if !t.Address.IsValid() {
		return "all.xml"
	}
	return strings.ReplaceAll(t.Address.String(), ":", "_") + ".xml" // no colon: Windows
}

// writePolicies writes a file for each table. A file is there whole or not at
// all: whoever serves it never reads half of one.
func writePolicies(dir string, tables []*aggregate.Table) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, t := range tables {
		if err := atomicfile.Write(filepath.Join(dir, policyFile(t)), policy.Format(t.Policy())); err != nil {
			return err
		}
	}
	return nil
}
