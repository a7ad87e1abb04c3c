package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/policy"
)

// frontFlags are the flags of serve that concern services' own ports.
type frontFlags struct {
	front       []string
	origin      []string
	serverFirst bool
	sendProxy   int
	proxyFrom   []string
	certificate string
	key         string
	anywhere    bool
	also        []string
}

func (f *frontFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.front, "front", nil, "put policy requests, WebSockets and the service on one port: `LISTEN=BACKEND`[,BACKEND…], such as 0.0.0.0:9000=127.0.0.1:19000; repeatable; without --listen nothing is served on 843")
	fl.StringArrayVar(&f.origin, "origin", nil, "let pages of this `ORIGIN` open WebSockets, beside those that the policy permits; repeatable")
	fl.BoolVar(&f.serverFirst, "server-first", false, "the services behind --front greet first")
	fl.IntVar(&f.sendProxy, "send-proxy", 0, "begin connections to backends with a PROXY header of `VERSION` 1 or 2")
	fl.StringArrayVar(&f.proxyFrom, "proxy-from", nil, "peers in this `RANGE` must send a PROXY header to --front; repeatable")
	fl.StringVar(&f.certificate, "cert", "", "answer TLS on --front with the certificate in this `FILE` (PEM)")
	fl.StringVar(&f.key, "key", "", "the certificate's key, in this `FILE` (PEM)")
	fl.BoolVar(&f.anywhere, "front-reaches-any-host-that-permits", false, "connect WebSockets for /to/HOST/PORT to that host, where its own policy permits the page: pages make this machine connect to hosts of their choice")
	fl.StringArrayVar(&f.also, "front-reaches-also", nil, "with that, let this `RANGE` be reached although it is not public; repeatable")
}

// fronts turns --front into what the daemon serves. main is the config's
// source, or nil.
func (f *serveFlags) fronts(main daemon.Source) error {
	ff := &f.front
	if len(ff.front) == 0 {
		if len(f.o.Fronts) == 0 && (ff.certificate != "" || ff.key != "" || len(ff.origin) > 0 || ff.serverFirst || ff.sendProxy != 0 || len(ff.proxyFrom) > 0 || ff.anywhere) {
			return cli.Usage("write --front LISTEN=BACKEND", "without --front there is nothing for --origin, --cert and the like")
		}
		return nil
	}
	if f.inetd {
		return cli.Usage("inetd gives one connection, to a policy port", "--inetd and --front exclude each other")
	}
	if f.publicPort != 0 && len(ff.front) > 1 {
		return cli.Usage("start one service for each", "--public-port is one port, and there are %d --front", len(ff.front))
	}
	base, err := ff.base()
	if err != nil {
		return err
	}
	for _, s := range ff.front {
		listen, backends, ok := strings.Cut(s, "=")
		address, err := daemon.CleanAddress(listen)
		if !ok || err != nil || backends == "" {
			return cli.Usage("write LISTEN=BACKEND, such as 0.0.0.0:9000=127.0.0.1:19000", "--front %s is not LISTEN=BACKEND", s)
		}
		one := base
		one.Address, one.Backends = address, strings.Split(backends, ",")
		for _, b := range one.Backends {
			if _, _, err := net.SplitHostPort(b); err != nil {
				return cli.Usage("write host:port, such as 127.0.0.1:19000", "--front %s: the backend %s is not host:port", s, b)
			}
		}
		if main == nil {
			if main, err = f.source(address); err != nil {
				return err
			}
		}
		one.Source, one.PublicPort = main, f.publicPort
		f.o.Fronts = append(f.o.Fronts, one)
	}
	return nil
}

// configFronts adds a front for each service of the config that has a backend.
func (f *serveFlags) configFronts(c *config.Config, source daemon.Source) error {
	sites, err := sitesOf(c)
	if err != nil {
		return cli.Fail(err, "")
	}
	for i := range c.Services {
		s := &c.Services[i]
		if len(s.Backends) == 0 {
			continue
		}
		if s.Ports.Len() != 1 {
			return cli.Refuse(fmt.Errorf("%s: service %s has a backend and the ports %s", c.File, s.Name, s.Ports), "write a service for each port that has a backend of its own")
		}
		one, err := f.front.base()
		if err != nil {
			return err
		}
		one.Address = net.JoinHostPort(addressOrAll(s.Address), s.Ports.String())
		one.Backends, one.ServerFirst, one.Source, one.HTTP = s.Backends, s.ServerFirst || one.ServerFirst, source, sites
		f.o.Fronts = append(f.o.Fronts, one)
	}
	return nil
}

// sitesOf serves every [[site]] of the config; nil without any.
func sitesOf(c *config.Config) (http.Handler, error) {
	if len(c.Sites) == 0 {
		return nil, nil
	}
	byHost := map[string]*policy.Policy{}
	for i := range c.Sites {
		byHost[c.Sites[i].Host] = c.Sites[i].Policy()
	}
	return frontdoor.NewSites(byHost)
}

func addressOrAll(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// base is what the flags say of every front.
func (ff *frontFlags) base() (daemon.Front, error) {
	out := daemon.Front{ServerFirst: ff.serverFirst, SendProxy: ff.sendProxy, Certificate: ff.certificate, Key: ff.key}
	if (ff.certificate == "") != (ff.key == "") {
		return out, cli.Usage("give both", "--cert and --key belong together")
	}
	if ff.sendProxy < 0 || ff.sendProxy > 2 {
		return out, cli.Usage("write 1 or 2", "--send-proxy %d is no version", ff.sendProxy)
	}
	for _, s := range ff.origin {
		o, err := frontdoor.ParseOrigin(s)
		if err != nil {
			return out, cli.Usage("write it as browsers do, such as https://games.example.com", "--origin: %w", err)
		}
		out.Origins = append(out.Origins, o)
	}
	var err error
	if out.ProxyFrom, err = parseRanges("--proxy-from", ff.proxyFrom); err != nil {
		return out, err
	}
	also, err := parseRanges("--front-reaches-also", ff.also)
	if err != nil {
		return out, err
	}
	if ff.anywhere {
		out.ReachAnywhere = &frontdoor.PolicyGatewayOptions{Also: also}
	}
	return out, nil
}

// parseRanges reads addresses and ranges of them.
func parseRanges(flag string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, addrErr := netip.ParseAddr(s)
			if addrErr != nil {
				return nil, cli.Usage("write an address or a range, such as 192.0.2.0/24", "%s %s is no range of addresses", flag, s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return slices.Clip(out), nil
}
