package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/daemon"
)

// frontFlags are the flags of serve that concern services' own ports.
type frontFlags struct {
	front       []string
	inConfig    bool // a service of the config has a backend
	origin      []string
	serverFirst bool
	sendProxy   int
	proxyFrom   []string
	certificate []string
	key         []string
	files       string
	idle, total time.Duration
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
	fl.StringArrayVar(&f.certificate, "cert", nil, "answer TLS on --front with the certificate in this `FILE` (PEM), for the names in it; repeatable; read again when it changes")
	fl.StringArrayVar(&f.key, "key", nil, "the certificate's key, in this `FILE` (PEM); as often as --cert, in the same order")
	fl.StringVar(&f.files, "files", "", "serve the files below `DIR` over HTTP on --front: the page, the SWF, Ruffle")
	fl.DurationVar(&f.idle, "session-idle", 0, "end sessions through --front in which nothing is said for this `time` (default "+frontdoor.DefaultIdle.String()+")")
	fl.DurationVar(&f.total, "session-total", 0, "end every session through --front after this `time` (default never)")
	fl.BoolVar(&f.anywhere, "front-reaches-any-host-that-permits", false, "connect WebSockets for /to/HOST/PORT to that host, where its own policy permits the page: pages make this machine connect to hosts of their choice")
	fl.StringArrayVar(&f.also, "front-reaches-also", nil, "with that, let this `RANGE` be reached although it is not public; repeatable")
}

// fronts turns --front into what the daemon serves. main is the config's
// source, or nil.
func (f *serveFlags) fronts(main daemon.Source) error {
	ff := &f.front
	if len(ff.front) == 0 {
		if !ff.inConfig && ff.given() {
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

// given reports whether a flag says something of a front.
func (ff *frontFlags) given() bool {
	return len(ff.certificate)+len(ff.key)+len(ff.origin)+len(ff.proxyFrom)+len(ff.also) > 0 || ff.serverFirst || ff.sendProxy != 0 || ff.anywhere || ff.files != "" || ff.idle != 0 || ff.total != 0
}

// base is what the flags say of every front.
func (ff *frontFlags) base() (daemon.Front, error) {
	out := daemon.Front{
		ServerFirst: ff.serverFirst, SendProxy: ff.sendProxy, Files: ff.files, AnyTarget: ff.anywhere,
		Limits: frontdoor.Limits{Idle: ff.idle, Total: ff.total},
	}
	if len(ff.certificate) != len(ff.key) {
		return out, cli.Usage("give both, as often", "--cert and --key belong together")
	}
	for i := range ff.certificate {
		out.Certificates = append(out.Certificates, config.KeyPair{Certificate: ff.certificate[i], Key: ff.key[i]})
	}
	if ff.idle < 0 || ff.total < 0 {
		return out, cli.Usage("such as 30m or 12h", "a time is not below nothing")
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
	out.AnyTargetAlso, err = parseRanges("--front-reaches-also", ff.also)
	return out, err
}

// parseRanges reads addresses and ranges of them.
func parseRanges(flag string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := config.ParseRange(s)
		if err != nil {
			return nil, cli.Usage("write an address or a range, such as 192.0.2.0/24", "%s %s is no range of addresses", flag, s)
		}
		out = append(out, p)
	}
	return slices.Clip(out), nil
}
