package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// Listen is an address to serve on and where its policies come from. Several
// may share a source; it is then loaded once.
type Listen struct {
	Address string // as CleanAddress returns it
	Source  Source
}

// Options of [Run].
type Options struct {
	// Listens are the addresses to serve on. Where they are the
	// default and not anybody's choice, Named is false: then, if the privilege
	// for the port is lacking, FallbackPort is used, and sockets from systemd
	// stand in for them.
	Listens []Listen
	Named   bool
	Fronts  []Front // services' own ports; with one, Listens may be empty
	// Table, where it is not nil, is a source whose fronts are served too, and
	// follow its reloads.
	Table Source

	Limits server.Limits
	// Engine and Tuning are the server's; the zero values are good.
	Engine server.Engine
	Tuning server.Tuning
	// FastPath are the interfaces that get a fast path (docs/fastpath.md), as
	// xdp.ParseInterface reads them, or FastPathAuto alone; empty: none.
	FastPath []string
	// Admin is the address and port of the admin pages, or "unix:" and a path;
	// empty: none. Another address than loopback needs a token or client
	// certificates in AdminAccess.
	Admin       string
	AdminAccess web.AccessOptions
	AdminReload bool // the page has a button that reloads
	// PublicPort is the port that clients see, where something redirects it to
	// the listeners; 0: their own.
	PublicPort uint16

	// Probe, where it is not nil, answers /probe on the admin address: it asks
	// other machines for their policies, so the process keeps its right to
	// connect.
	Probe http.Handler

	// ReusePort lets several processes of one user listen on an address; the
	// kernel shares the connections out among them.
	ReusePort bool

	User string // whom to become when started as root; empty: port843 or nobody
	// KeepRoot lets the process go on as root. Whoever breaks in is root then.
	KeepRoot bool

	Log        *slog.Logger
	Version    string
	Executable string // what a take-over starts; empty: this binary
}

// shutdownGrace is how long exchanges in flight may go on beyond their own
// deadline when the service leaves.
const shutdownGrace = time.Second

// signals are the channels of the signals that the service knows; nil where
// the system has none.
type signals struct{ reload, takeover chan os.Signal }

// daemon is one run of the service.
type daemon struct {
	o       Options
	log     *slog.Logger
	named   bool
	started time.Time
	signals signals

	listens []struct {
		Address string
		keeper  *keeper
	}
	keepers     []*keeper // one a source
	sockets     []bound
	refitting   sync.Mutex // held while fronts come, change and go; guards left
	frontsMu    sync.Mutex // guards fronts, for a moment only
	fronts      []*front
	left        bool            // no front changes any more
	doors       sync.WaitGroup  // of the fronts, while they accept, and of those that are gone while they have sessions
	staying     context.Context // of the sessions of fronts that are gone, ended by noLonger
	noLonger    context.CancelFunc
	sampler     *sampler
	admin       net.Listener
	access      *web.Access // nil without Admin
	page        *web.Page
	predecessor *os.File // where to say that this process serves; nil without a take-over
	server      *server.Server
	fast        *fastPath
	user        string
	ready       atomic.Bool
}

// bound is a listening socket with the keeper of its policies.
type bound struct {
	ln     net.Listener
	asked  string // the address as it was asked for
	keeper *keeper
}

// load reads every source once and checks the options.
func load(o Options) (*daemon, error) {
	d := &daemon{o: o, log: o.Log, named: o.Named, started: time.Now()}
	d.staying, d.noLonger = context.WithCancel(context.Background())
	if o.Admin != "" {
		var err error
		if d.access, err = web.NewAccess(o.Admin, o.AdminAccess); err != nil {
			return nil, err
		}
		d.page = d.newPage()
	}
	bySource := map[Source]*keeper{}
	keeperOf := func(s Source) (k *keeper, err error) {
		if k = bySource[s]; k != nil {
			return k, nil
		}
		if k, err = newKeeper(s, d.log); err == nil {
			bySource[s] = k
			d.keepers = append(d.keepers, k)
		}
		return k, err
	}
	for _, l := range o.Listens {
		k, err := keeperOf(l.Source)
		if err != nil {
			return nil, err
		}
		d.listens = append(d.listens, struct {
			Address string
			keeper  *keeper
		}{l.Address, k})
	}
	for _, f := range o.Fronts {
		k, err := keeperOf(f.Source)
		if err != nil {
			return nil, err
		}
		if err := d.loadFront(f, k); err != nil {
			return nil, err
		}
	}
	if o.Table != nil {
		if _, err := keeperOf(o.Table); err != nil {
			return nil, err
		}
	}
	for _, k := range d.keepers {
		for _, f := range k.loaded.Fronts {
			if err := d.loadFront(f, k); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// Checked is what [Check] found: what would be served.
type Checked struct {
	Address  string
	Source   string
	Answer   *server.Answer
	Warnings []string
	Refused  []string
}

// Check reads and checks every source without opening a socket.
func Check(o Options) ([]Checked, error) {
	d, err := load(o)
	if err != nil {
		return nil, err
	}
	var out []Checked
	for _, l := range d.listens {
		s := l.keeper.snapshot()
		out = append(out, Checked{l.Address, s.Name, l.keeper.policies().Default, s.Warnings, s.Refused})
	}
	for _, f := range d.fronts {
		s := f.keeper.snapshot()
		a, err := server.PolicyAnswer(frontdoor.InBand(f.answer(f.keeper.policies()).Policy(), f.port()))
		if err != nil {
			return nil, err
		}
		out = append(out, Checked{f.address, s.Name + ", in band before " + strings.Join(f.now.Backends, ", "), a, s.Warnings, s.Refused})
	}
	return out, nil
}

// Run serves until ctx ends, or until a successor has taken over. It returns
// nil then, and an error where the service could not begin.
func Run(ctx context.Context, o Options) error {
	if o.Executable == "" {
		o.Executable, _ = os.Executable() // without it a take-over fails, and says so
	}
	sig := listenForSignals()
	d, err := load(o)
	if err != nil {
		return err
	}
	d.signals = sig
	from, paths, err := d.inherit()
	if err != nil {
		return err
	}
	if err := d.open(ctx, from); err != nil {
		return err
	}
	if err := d.openFastPath(paths); err != nil {
		return err
	}
	defer d.fast.close()
	p, err := d.dropPrivileges()
	if err != nil {
		return err
	}
	d.user = p.user
	d.log.Info("privileges dropped", "user", p.user, "landlock", p.landlock, "notes", p.notes)
	d.checkReadable(p.user)
	return d.serve(ctx)
}

// paths returns every file that the sources read.
func (d *daemon) paths() []string {
	var out []string
	for _, k := range d.keepers {
		out = append(out, k.source.Paths()...)
	}
	files, folders := d.frontPaths()
	return slices.Concat(out, files, folders)
}

// serve runs the tasks and leaves in order.
func (d *daemon) serve(ctx context.Context) error {
	sample := newSampler(d.log)
	d.server = server.New(server.Options{Limits: d.o.Limits, Engine: d.o.Engine, Tuning: d.o.Tuning, Foreign: sample.foreign})
	d.fast.sample, d.fast.limits = sample, d.server.Limits()
	for _, s := range d.sockets {
		only6 := xdp.OnlyIPv6(s.ln)
		l, err := d.server.Start(s.ln, s.keeper.policies())
		if err != nil {
			return err
		}
		s.keeper.attach(l, d.publicPort(l.Addr().String()))
		if d.fast.on() {
			s.keeper.attach(d.fast.listener(l.Addr(), only6, s.keeper.policies()), d.publicPort(l.Addr().String()))
		}
		a := s.keeper.policies().Default
		d.log.Info("serving", "address", s.ln.Addr().String(), "source", s.keeper.source.String(), "digest", shortDigest(a), "bytes", a.Size(), "rules", len(a.Policy().Rules), "engine", l.Engine().String())
	}
	for _, a := range server.SystemAdvice() {
		d.log.Warn("a setting of this system is low", "setting", a.Setting, "value", a.Value, "why", a.Why, "do", a.Do)
	}
	if err := d.startFronts(sample); err != nil {
		return err
	}
	if d.fast.on() {
		d.fast.refresh(ctx)
	}
	d.ready.Store(true)

	running, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { watch(running, d.watched()) })
	tasks.Go(func() { d.reloads(running) })
	successor := make(chan int, 1)
	tasks.Go(func() {
		if pid := d.takeovers(running); pid != 0 {
			successor <- pid
		}
	})
	tasks.Go(func() { d.watchdog(running) })
	if d.fast.on() {
		tasks.Go(func() { d.fast.run(running) })
	}
	adminFailed := make(chan error, 1)
	if d.admin != nil {
		d.log.Info("admin pages", "address", d.admin.Addr().String())
		tasks.Go(func() { d.page.Run(running) })
		tasks.Go(func() {
			if err := d.serveAdmin(running); err != nil {
				adminFailed <- err
			}
		})
	}
	if err := d.tellPredecessor(); err != nil {
		d.log.Warn("the predecessor is gone already", "error", err)
	}
	d.notify(sd.SdNotifyReady)

	select {
	case <-ctx.Done():
		d.log.Info("leaving: asked to")
		d.notify(sd.SdNotifyStopping)
	case pid := <-successor:
		d.log.Info("leaving: a successor serves", "pid", pid)
		d.notify("MAINPID=" + strconv.Itoa(pid))
		d.leaveFronts(ctx) // sessions with a game go on here until they end
	case err := <-adminFailed:
		d.log.Error("leaving: a task failed", "error", err)
		stop()
		tasks.Wait()
		return errors.Join(err, d.leave())
	}
	stop()
	tasks.Wait()
	return d.leave()
}

// leave finishes the exchanges in flight, bounded.
func (d *daemon) leave() error {
	d.ready.Store(false)
	_, fast, _ := d.fast.status()
	d.fast.close()
	ctx, cancel := context.WithTimeout(context.Background(), d.server.Limits().Deadline+shutdownGrace)
	defer cancel()
	d.leaveFronts(brief())
	err := d.server.Shutdown(ctx)
	var answered uint64
	for i, l := range d.server.Listeners() {
		answered += d.statsOf(i, l, fast).Ended[server.Answered]
	}
	d.log.Info("left", "answered", answered, "served_for", time.Since(d.started).Round(time.Second).String())
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the last ones were cut off, as they would have been anyway
	}
	return err
}

// reloads reads every source anew at each SIGHUP.
func (d *daemon) reloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.signals.reload:
		}
		_ = d.reloadAll("asked to") // logged and counted there
	}
}

// reloadAll reads every source anew.
func (d *daemon) reloadAll(why string) error {
	d.notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
	defer d.notify(sd.SdNotifyReady)
	var errs []error
	for _, k := range d.keepers {
		errs = append(errs, k.reload(why))
	}
	d.reloadCertificates(why)
	return errors.Join(errs...)
}

// watchdog tells systemd's watchdog that the process lives, where it asks.
func (d *daemon) watchdog(ctx context.Context) {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.notify(sd.SdNotifyWatchdog)
		}
	}
}

func (d *daemon) notify(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Warn("systemd could not be notified", "state", strings.ReplaceAll(state, "\n", " "), "error", err)
	}
}

// Lacks says what this system lacks of what the service does on Linux.
func Lacks() []string {
	switch runtime.GOOS {
	case "linux":
		return nil
	case "windows":
		return []string{
			"no dropping of privileges: run it as an account that may do little",
			"no reload or take-over by signal: a changed file is reloaded by itself",
			"no systemd, no Landlock, no fast engine",
		}
	}
	return []string{"no systemd, no Landlock, no fast engine; capabilities do not exist here"}
}
