package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/port843/port843/internal/atomicfile"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/compile"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

const (
	targetRuffle = "ruffle"
	targetCORS   = "cors"
)

// targets are what --target takes.
func targets() []string { return append([]string{targetRuffle, targetCORS}, compile.Firewalls()...) }

// checkTarget refuses what goes together with no target.
func (f *buildFlags) checkTarget() error {
	switch {
	case f.target == "" && f.scheme != "":
		return cli.Usage("--scheme is for --target ruffle", "--scheme without --target")
	case f.target == "":
		return nil
	case !slices.Contains(targets(), f.target):
		return cli.Usage("write one of "+strings.Join(targets(), ", "), "--target %q is none", f.target)
	case f.output != "" || f.explain || f.matrix || f.address != "":
		return cli.Usage("leave the others out", "--target prints one thing of the whole config")
	case f.json && f.target != targetRuffle:
		return cli.Usage("leave --json out", "the rules of a firewall are text")
	case f.scheme != "" && f.scheme != "ws" && f.scheme != "wss":
		return cli.Usage("write ws, or wss for pages over HTTPS", "--scheme %q is none", f.scheme)
	}
	return nil
}

// runTarget prints what another program wants to know of the config.
func runTarget(s cli.Streams, f *buildFlags, c *config.Config) error {
	if f.target == targetCORS {
		if len(c.Sites) == 0 {
			return cli.Refuse(fmt.Errorf("%s has no [[site]]", c.File), "CORS is for what is loaded over HTTP; sockets need none")
		}
		fmt.Fprint(s.Out, compile.CORS(c.Sites))
		return nil
	}
	if f.target != targetRuffle {
		text, err := compile.Firewall(f.target, compile.Doors(c))
		if err != nil {
			return cli.Fail(err, "")
		}
		fmt.Fprint(s.Out, text)
		return nil
	}
	scheme := f.scheme
	if scheme == "" {
		scheme = "wss"
		warnOfNoTLS(s, c)
	}
	list := compile.SocketProxies(c, scheme)
	if len(list) == 0 {
		return cli.Refuse(fmt.Errorf("%s has no service with a backend and a host", c.File), `Ruffle reaches a service through a front door: give the service backend = ["HOST:PORT"], and its owner hosts`)
	}
	if f.json {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	text, err := compile.Embed(list)
	if err != nil {
		return cli.Fail(err, "")
	}
	fmt.Fprint(s.Out, text)
	return nil
}

// warnOfNoTLS names the services that wss:// cannot reach, as far as the config
// says.
func warnOfNoTLS(s cli.Streams, c *config.Config) {
	for i := range c.Services {
		if v := &c.Services[i]; len(v.Backends) > 0 && len(v.Certificates) == 0 && len(v.ProxyFrom) == 0 {
			fmt.Fprintf(s.Err, "warning: service %s has no certificate in the config: wss:// needs one, unless something else ends TLS before it; --scheme ws is for pages over HTTP\n", v.Name)
		}
	}
}

// writeSites writes the /crossdomain.xml of each site, and what web servers need
// to serve it.
func writeSites(dir string, c *config.Config) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for i := range c.Sites {
		s := &c.Sites[i]
		at := filepath.Join(dir, "sites", strings.ReplaceAll(s.Host, ":", "_"))
		files, err := compile.SiteFiles(s, at)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		files = append(files, compile.SiteFile{Name: "crossdomain.xml", Text: string(policy.Format(s.Policy()))})
		for _, f := range files {
			if err := atomicfile.Write(filepath.Join(at, f.Name), []byte(f.Text)); err != nil {
				return err
			}
		}
	}
	return nil
}
