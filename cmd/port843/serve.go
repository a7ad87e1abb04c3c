package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/auditreport"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// serveFlags are the flags of serve as they were given.
type serveFlags struct {
	listen     []string
	config     string
	policy     string
	allow      []string
	denyAll    bool
	test       bool
	inetd      bool
	probe      bool
	log        string
	publicPort uint16
	engine     string
	tune       []string
	fastPath   []string
	front      frontFlags
	o          daemon.Options
}

func newServe(s cli.Streams) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve socket policies",
		Long: `Serve answers policy requests, on port 843 unless told otherwise.

Without any flag it permits nothing, promptly: the safe answer for a machine
that runs no service for Flash. The policy comes from one of --policy,
--allow, --config; --deny-all says the default aloud.

A policy file is served as it is, after it was checked: one with a mistake is
refused with its line and column. It is read again on SIGHUP and when it
changes; a bad edit changes nothing. SIGUSR2 starts the binary anew and hands
the sockets over, without a refused connection.

With --front it stands before a service on the service's own port: policy
requests are answered there, pages of a permitted origin get a WebSocket to
the service (for Ruffle), and everything else reaches the service untouched.

With --fastpath plain exchanges are answered from the network driver, on Linux,
without a socket: for crowds, and against floods. Everything else reaches the
sockets as ever. See docs/fastpath.md for what the system must allow.

Started as root, it becomes the user port843, or nobody, once the port is
open, keeps no capability, and closes the file system to itself.

Exit codes: 0 asked to leave or, with --test, all is well; 1 a policy or the
config is refused; 2 used wrongly, or it could not begin.`,
		Example: `  port843 serve
  port843 serve --policy /etc/port843/policy.xml --admin 127.0.0.1:8430
  port843 serve --listen 127.0.0.1:10843 --allow '*.example.com:8080,9000-9002'
  port843 serve --listen 192.0.2.10 --listen '192.0.2.11:843=other.xml' --policy main.xml
  port843 serve --test --policy policy.xml
  port843 serve --front 0.0.0.0:9000=127.0.0.1:19000 --allow games.example.com:9000 --origin https://games.example.com
  port843 serve --policy policy.xml --fastpath eth0
  port843 serve --listen 843 --front :9000=127.0.0.1:19000 --allow '*.example.com:9000'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServe(cmd, s, &f) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.listen, "listen", nil, "listen on `ADDR` (host:port, host, or port); ADDR=FILE gives it a policy of its own; repeatable (default every address, port 843)")
	fl.StringVar(&f.config, "config", "", "serve what the config `FILE` says; see port843 init")
	fl.StringVar(&f.policy, "policy", "", "serve the policy `FILE`")
	fl.StringArrayVar(&f.allow, "allow", nil, "permit `DOMAIN:PORTS`, such as '*.example.com:8080,9000-9002'; repeatable")
	fl.BoolVar(&f.denyAll, "deny-all", false, "permit nothing, promptly (the default)")
	fl.BoolVar(&f.test, "test", false, "check everything, print a summary and a digest, and exit")
	fl.BoolVar(&f.inetd, "inetd", false, "serve the one connection that is standard input, for inetd")
	fl.StringVar(&f.o.User, "user", "", "when started as root, become `NAME` (default port843, or nobody)")
	fl.BoolVar(&f.o.KeepRoot, "keep-root", false, "go on as root: whoever breaks in is root then")
	fl.StringVar(&f.o.Admin, "admin", "", "serve the page, metrics, health and profiles on `ADDR` (host:port, or unix:PATH)")
	fl.StringVar(&f.o.AdminAccess.TokenFile, "admin-token-file", "", "ask for the token in `FILE` on --admin: for any address but loopback")
	fl.StringVar(&f.o.AdminAccess.Cert, "admin-cert", "", "serve --admin over HTTPS with the certificate in `FILE`")
	fl.StringVar(&f.o.AdminAccess.Key, "admin-key", "", "the `FILE` with the key of --admin-cert")
	fl.StringVar(&f.o.AdminAccess.ClientCA, "admin-client-ca", "", "let only those in to --admin who have a certificate of a CA in `FILE`")
	fl.StringArrayVar(&f.o.AdminAccess.Hosts, "admin-host", nil, "--admin is asked for by this `NAME` too; repeatable (default addresses and localhost)")
	fl.BoolVar(&f.o.AdminReload, "admin-reload", false, "put a button on the page that reads every source again")
	fl.BoolVar(&f.probe, "admin-probe", true, "answer /probe?target=HOST on --admin, for Prometheus: the process keeps its right to connect")
	fl.BoolVar(&f.o.ReusePort, "reuse-port", false, "let several processes of one user listen on the address; the kernel shares the connections out")
	fl.StringVar(&f.log, "log", "text", "log as `text|json`")
	fl.DurationVar(&f.o.Limits.Deadline, "deadline", server.DefaultDeadline, "end each exchange after this `time`")
	fl.IntVar(&f.o.Limits.MaxConnections, "max-connections", 0, "hold at most `N` connections; beyond it the oldest makes room (default what the descriptors allow)")
	fl.IntVar(&f.o.Limits.MaxPerAddress, "max-per-address", server.DefaultMaxPerAddress, "hold at most `N` connections of one client address (IPv6: per /64)")
	fl.Uint16Var(&f.publicPort, "public-port", 0, "the `port` that clients see, where something redirects it to --listen")
	fl.StringVar(&f.engine, "engine", server.EngineAuto.String(), "serve with this engine: `auto|portable|native`; native is Linux's, and what auto takes there")
	fl.StringSliceVar(&f.tune, "tune", nil, "turn `SWITCHES` of the native engine on, or off with no- before them: quick-close, one-segment, lazy-ack, defer-accept, low-water; their prices stand in docs/engine.md")
	fl.StringSliceVar(&f.fastPath, "fastpath", nil, "answer plain exchanges in the driver of `IFACE|auto|off`; IFACE:generic goes without the driver's help; auto takes the cards that work, and none where none does; repeatable (default off)")
	f.front.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("fastpath", completeInterfaces) // it fails for a flag that is not there
	return cmd
}

func runServe(cmd *cobra.Command, s cli.Streams, f *serveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	main, err := f.readConfig(cmd)
	if err != nil {
		return err
	}
	log, err := newLogger(s.Err, f.log)
	if err != nil {
		return err
	}
	f.o.Log, f.o.Version = log, version()
	if f.publicPort != 0 {
		f.o.PublicPort = f.publicPort
	}
	if f.probe {
		f.o.Probe = auditreport.ProbeHandler(scanLint)
	}
	if err := f.listens(main); err != nil {
		return err
	}
	if err := f.fronts(main); err != nil {
		return err
	}
	switch {
	case f.inetd:
		return f.runInetd()
	case f.test:
		f.o.Log = slog.New(slog.DiscardHandler)
		return f.runTest(s)
	}
	for _, what := range daemon.Lacks() {
		log.Warn("this system lacks something", "what", what)
	}
	return serveError(daemon.Run(cmd.Context(), f.o))
}

// check refuses flags that contradict each other.
func (f *serveFlags) check() error {
	var named []string
	if f.config != "" {
		named = append(named, "--config")
	}
	if f.policy != "" {
		named = append(named, "--policy")
	}
	if len(f.allow) > 0 {
		named = append(named, "--allow")
	}
	if f.denyAll {
		named = append(named, "--deny-all")
	}
	if len(named) > 1 {
		return cli.Usage("give one of them", "%s exclude each other", strings.Join(named, " and "))
	}
	var err error
	if f.o.Engine, err = server.ParseEngine(f.engine); err != nil {
		return cli.Usage("one of auto, portable, native", "--engine %s is no engine", f.engine)
	}
	for _, name := range f.tune {
		if err := f.o.Tuning.Set(name); err != nil {
			return cli.Usage("quick-close, one-segment, lazy-ack, defer-accept, low-water, or one of them with no- before it", "--tune %s is no switch", name)
		}
	}
	if err := f.checkFastPath(); err != nil {
		return err
	}
	if f.o.Limits.Deadline < time.Millisecond {
		return cli.Usage("Flash Player waits 3 s; 5s is the default", "--deadline %s is no time", f.o.Limits.Deadline)
	}
	if f.o.Limits.MaxConnections < 0 || f.o.Limits.MaxPerAddress < 1 {
		return cli.Usage("leave it out for the default", "a limit of connections is at least 1")
	}
	return nil
}

// readConfig reads the config, where there is one, and takes from it what no
// flag says otherwise.
func (f *serveFlags) readConfig(cmd *cobra.Command) (daemon.Source, error) {
	if f.config == "" {
		return nil, nil
	}
	base, err := f.front.base()
	if err != nil {
		return nil, err
	}
	source, c, err := daemon.Table(f.config, base)
	if err != nil {
		return nil, configError(err)
	}
	given := cmd.Flags().Changed
	if !given("listen") {
		for _, l := range c.Serve.Listeners {
			address := l.Address
			if l.Policy != "" {
				address += "=" + l.Policy
			}
			f.listen = append(f.listen, address)
		}
	}
	if !given("public-port") {
		f.o.PublicPort = c.Serve.PublicPort
	}
	a := &f.o.AdminAccess
	for flag, pair := range map[string]struct {
		to   *string
		from string
	}{
		"admin": {&f.o.Admin, c.Serve.Admin}, "admin-token-file": {&a.TokenFile, c.Serve.AdminTokenFile},
		"admin-cert": {&a.Cert, c.Serve.AdminCert}, "admin-key": {&a.Key, c.Serve.AdminKey}, "admin-client-ca": {&a.ClientCA, c.Serve.AdminClientCA},
	} {
		if !given(flag) {
			*pair.to = pair.from
		}
	}
	if !given("user") {
		f.o.User = c.Serve.User
	}
	if !given("log") && c.Serve.Log != "" {
		f.log = c.Serve.Log
	}
	if !given("fastpath") {
		f.o.FastPath = c.Serve.FastPath
	}
	if !given("deadline") && c.Serve.Deadline != 0 {
		f.o.Limits.Deadline = c.Serve.Deadline
	}
	if !given("max-connections") {
		f.o.Limits.MaxConnections = c.Serve.MaxConnections
	}
	if !given("max-per-address") && c.Serve.MaxPerAddress != 0 {
		f.o.Limits.MaxPerAddress = c.Serve.MaxPerAddress
	}
	f.o.Table = source
	f.front.inConfig = slices.ContainsFunc(c.Services, func(s config.Service) bool { return len(s.Backends) > 0 })
	return source, nil
}

// listens turns --listen and the policy flags into addresses with sources.
// main is the config's source, or nil.
func (f *serveFlags) listens(main daemon.Source) error {
	f.o.Named = len(f.listen) > 0
	if !f.o.Named && len(f.front.front) > 0 {
		return nil // a front needs no policy port beside it
	}
	addresses := f.listen
	if !f.o.Named {
		addresses = []string{strconv.Itoa(policy.MasterPort)}
	}
	for _, a := range addresses {
		a, file, own := strings.Cut(a, "=")
		if own && file == "" {
			return cli.Usage("write --listen ADDR=FILE, or ADDR alone", "--listen %s= names no file", a)
		}
		clean, err := daemon.CleanAddress(a)
		if err != nil {
			return cli.Usage("write host:port, such as 127.0.0.1:10843 or [::]:843", "--listen: %w", err)
		}
		if own {
			f.o.Listens = append(f.o.Listens, daemon.Listen{Address: clean, Source: daemon.File(file)})
			continue
		}
		if main == nil {
			if main, err = f.source(clean); err != nil {
				return err
			}
		}
		f.o.Listens = append(f.o.Listens, daemon.Listen{Address: clean, Source: main})
	}
	return nil
}

// source returns where the policy of every listener without its own comes from.
func (f *serveFlags) source(address string) (daemon.Source, error) {
	switch {
	case f.policy != "":
		return daemon.File(f.policy), nil
	case len(f.allow) == 0:
		return daemon.DenyAll("the built-in policy, which permits nothing"), nil
	}
	p, warnings, err := daemon.AllowPolicy(f.allow, f.servedFrom(address))
	if err != nil {
		return nil, cli.Usage("a domain is *, *.example.com, www.example.com or an address; ports are *, or 8080,9000-9002", "%w", err)
	}
	return daemon.Fixed(p, "--allow", warnings...)
}

// servedFrom returns the port that clients see the policy come from.
func (f *serveFlags) servedFrom(address string) uint16 {
	if f.publicPort != 0 {
		return f.publicPort
	}
	port, err := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16)
	if err != nil {
		return policy.MasterPort
	}
	return uint16(port)
}

// runInetd says nothing on any stream: they may all be the client.
func (f *serveFlags) runInetd() error {
	if _, err := daemon.Inetd(f.o.Listens[0].Source, f.o.Limits, os.Stdin, os.Stdout); err != nil {
		return &cli.Error{Code: cli.ExitError}
	}
	return nil
}

func (f *serveFlags) runTest(s cli.Streams) error {
	checked, err := daemon.Check(f.o)
	if err != nil {
		return serveError(err)
	}
	refused := false
	for _, c := range checked {
		p := c.Answer.Policy()
		fmt.Fprintf(s.Out, "%s\n", c.Address)
		fmt.Fprintf(s.Out, "  policy      %s\n", c.Source)
		fmt.Fprintf(s.Out, "  rules       %d\n", len(p.Rules))
		fmt.Fprintf(s.Out, "  meta-policy %s\n", orDefault(p.Meta.String(), "not said (all)"))
		fmt.Fprintf(s.Out, "  size        %d bytes with the NUL (up to %d fit one segment)\n", c.Answer.Size(), policy.AdvisedSize)
		fmt.Fprintf(s.Out, "  sha256      %s\n", c.Answer.Digest())
		for _, w := range c.Warnings {
			fmt.Fprintf(s.Out, "  warning     %s\n", w)
		}
		for _, r := range c.Refused {
			refused = true
			fmt.Fprintf(s.Out, "  refused     %s\n", r)
		}
	}
	if refused {
		return cli.No()
	}
	fmt.Fprintln(s.Out, "all is well")
	return nil
}

// serveError gives an error of the daemon its exit code and hint.
func serveError(err error) error {
	var bind *daemon.BindError
	var fast *daemon.FastPathError
	var file *daemon.FileError
	switch {
	case err == nil:
		return nil
	case config.MistakesOf(err) != nil:
		return configError(err)
	case errors.As(err, &file):
		return cli.Refuse(err, "port843 lint explains each mistake")
	case errors.As(err, &bind):
		return cli.Fail(err, bind.Hint())
	case errors.As(err, &fast):
		return cli.Fail(err, fast.Hint())
	case errors.Is(err, daemon.ErrRoot):
		return cli.Fail(err, "name an ordinary user with --user, or say --keep-root: whoever breaks in is root then")
	case strings.HasPrefix(err.Error(), "--admin"):
		return cli.Fail(err, "use 127.0.0.1, [::1] or unix:PATH, or ask for a token (--admin-token-file) or a client certificate (--admin-client-ca)")
	}
	return cli.Fail(err, "")
}

func newLogger(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, cli.Usage("write text or json", "--log %q is no format", format)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
