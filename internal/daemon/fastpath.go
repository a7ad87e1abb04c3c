package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/port843/port843/internal/xdp"
	"github.com/port843/port843/server"
)

// The fast path of the service: a path of package xdp on each interface that
// was asked for, fed with what the listeners serve. It is opened while there
// are privileges and needs none afterwards. Whenever something is wrong with
// it, its doors are closed, and the sockets serve.

// FastPathAuto lets the service choose the interfaces, and go on without where
// there is none.
const FastPathAuto = "auto"

const (
	// lookEvery is how often silent clients and refused packets are looked for.
	lookEvery = time.Second
	// staleAfter is how long a listener's doors stay open without a refresh;
	// the kernel takes cookies for two minutes.
	staleAfter = 100 * time.Second
	// refreshReads bounds what is read of our own answer.
	refreshReads = 1 << 20
)

// fastPath is the fast path of one service.
type fastPath struct {
	log    *slog.Logger
	sample *sampler
	limits server.Limits

	mu        sync.Mutex
	paths     []*fastInterface
	listeners []*fastListener
	frozen    bool   // a successor is coming up: nothing may be changed
	cookies   error  // what is wrong with the setting
	lost      string // why there is no path though one was asked for
}

// fastInterface is one path with what it was last told.
type fastInterface struct {
	path  *xdp.Path
	doors []xdp.Door     // in service
	left  int            // doors left to the kernel
	since uint64         // refused packets that were reported
	base  []xdp.Counters // when this process got it
	heard bool           // a client has come back: what the path sends arrives
	said  time.Time      // when it had first sent something
}

// fastListener is a listening socket as the fast path sees it. It is a taker.
type fastListener struct {
	fast     *fastPath
	address  netip.AddrPort
	onlyIPv6 bool
	policies server.Policies
	fresh    time.Time // of the last refresh that went well
	failed   error     // why the last one did not
	ended    uint64    // silent clients sent away
}

// openFastPath takes the paths over that a predecessor handed over, or opens
// those that were asked for. An error is about an interface that was named;
// what goes wrong in a take-over or on the service's own choice is logged.
func (d *daemon) openFastPath(inherited []xdp.Inherited) error {
	f := &fastPath{log: d.log}
	d.fast = f
	paths, err := xdp.Adopt(inherited)
	if len(d.o.FastPath) == 0 {
		for _, p := range paths {
			p.Close()
		}
		return nil
	}
	switch {
	case d.predecessor != nil:
		chosen := slices.Contains(d.o.FastPath, FastPathAuto) // there may have been none
		if err != nil || len(paths) == 0 && !chosen {
			f.lost = "the fast path could not be taken over, the sockets serve: restart the service to have it again"
			d.log.Error(f.lost, "error", err)
		}
	case slices.Contains(d.o.FastPath, FastPathAuto):
		paths = d.openAuto()
	default:
		if paths, err = openNamed(d.o.FastPath); err != nil {
			return err
		}
	}
	for _, p := range paths {
		base, err := p.Counters(xdp.MaxListeners)
		if err != nil {
			return err
		}
		f.paths = append(f.paths, &fastInterface{path: p, base: base})
		d.log.Info("fast path", "interface", p.Options().Interface, "mode", p.Options().Mode(), "taken_over", d.predecessor != nil)
	}
	return nil
}

// openNamed opens a path on each interface, or none.
func openNamed(names []string) (paths []*xdp.Path, err error) {
	for _, name := range names {
		o, err := xdp.ParseInterface(name)
		if err == nil {
			var p *xdp.Path
			if p, err = xdp.Open(o); err == nil {
				paths = append(paths, p)
				continue
			}
		}
		for _, p := range paths {
			p.Close()
		}
		return nil, &FastPathError{name, err}
	}
	return paths, nil
}

// openAuto opens a native path on each interface that carries an address which
// is listened on.
func (d *daemon) openAuto() (paths []*xdp.Path) {
	var addrs []netip.Addr
	for _, s := range d.sockets {
		if a, err := netip.ParseAddrPort(s.ln.Addr().String()); err == nil {
			addrs = append(addrs, a.Addr().Unmap())
		}
	}
	names, err := xdp.Carriers(addrs)
	if err != nil {
		d.log.Info("no fast path: the sockets serve", "error", err)
		return nil
	}
	for _, name := range names {
		p, err := xdp.Open(xdp.Options{Interface: name})
		if err != nil {
			d.log.Info("no fast path here: the sockets serve", "interface", name, "error", err, "hint", xdp.Hint(err))
			continue
		}
		paths = append(paths, p)
	}
	if len(names) == 0 {
		d.log.Info("no fast path: no interface carries an address that is listened on")
	}
	return paths
}

// FastPathError is an interface that was named and could not have a fast path.
type FastPathError struct {
	Interface string
	Err       error
}

func (e *FastPathError) Unwrap() error { return e.Err }
func (e *FastPathError) Error() string { return "--fastpath " + e.Interface + ": " + e.Err.Error() }

// Hint says what to do about it.
func (e *FastPathError) Hint() string { return xdp.Hint(e.Err) }

// on reports whether there is a path.
func (f *fastPath) on() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.paths) > 0
}

// listener adds the next of the server's listeners. Its policies come from the
// keeper from now on.
func (f *fastPath) listener(ln net.Addr, onlyIPv6 bool, p server.Policies) *fastListener {
	l := &fastListener{fast: f, onlyIPv6: onlyIPv6, policies: p}
	l.address, _ = netip.ParseAddrPort(ln.String())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, l)
	return l
}

// SetPolicies puts other policies in service.
func (l *fastListener) SetPolicies(p server.Policies) error {
	l.fast.mu.Lock()
	l.policies = p
	l.fast.mu.Unlock()
	l.fast.update()
	return nil
}

// ports are the ports that Refresh connects to.
func (d *daemon) fastPorts() (ports []uint16) {
	if len(d.o.FastPath) == 0 {
		return nil
	}
	for _, s := range d.sockets {
		if a, err := netip.ParseAddrPort(s.ln.Addr().String()); err == nil {
			ports = append(ports, a.Port())
		}
	}
	return ports
}

// update tells every path what to serve now, if that has changed. A path that
// cannot be told is given up: it would go on with what it has.
func (f *fastPath) update() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen {
		return // it is done when the successor is there, or was not
	}
	kept := f.paths[:0]
	for _, x := range f.paths {
		if err := f.tell(x); err != nil {
			f.lost = "the fast path on " + x.path.Options().Interface + " was given up, the sockets serve: " + err.Error()
			f.log.Error(f.lost)
			x.path.Close()
			continue
		}
		kept = append(kept, x)
	}
	f.paths = kept
}

func (f *fastPath) tell(x *fastInterface) error {
	locals, err := x.path.Locals()
	if err != nil {
		return err
	}
	doors := f.doors(locals)
	if slices.EqualFunc(doors, x.doors, sameDoor) {
		return nil
	}
	left, err := x.path.Set(doors)
	if err != nil {
		return err
	}
	if left != x.left {
		f.log.Warn("some doors are left to the sockets", "interface", x.path.Options().Interface, "doors", left,
			"why", fmt.Sprintf("the answer has more than %d bytes, or there are more than %d addresses", xdp.MaxAnswer, xdp.MaxDoors))
	}
	x.doors, x.left = doors, left
	return nil
}

func sameDoor(a, b xdp.Door) bool {
	return a.Local == b.Local && a.Tags == b.Tags && a.Listener == b.Listener && string(a.Answer) == string(b.Answer)
}

// doors returns what the listeners serve on some addresses. A listener that
// the kernel may not take cookies for has none.
func (f *fastPath) doors(locals []xdp.Local) []xdp.Door {
	var out []xdp.Door
	if f.cookies != nil {
		return nil
	}
	seen := map[netip.AddrPort]bool{}
	for i, l := range f.listeners {
		if i >= xdp.MaxListeners || time.Since(l.fresh) > staleAfter {
			continue
		}
		for _, local := range locals {
			at := netip.AddrPortFrom(local.Addr, l.address.Port())
			if !l.takes(local.Addr) || seen[at] {
				continue
			}
			// The socket for one address goes before that for every address,
			// in the kernel and so here.
			if l.address.Addr().IsUnspecified() && slices.ContainsFunc(f.listeners, func(o *fastListener) bool { return o.address == at }) {
				continue
			}
			seen[at] = true
			a := l.policies.Default
			if own := l.policies.ByAddress[local.Addr]; own != nil {
				a = own
			}
			out = append(out, xdp.Door{Local: at, Tags: local.Tags, Listener: i, Answer: append(a.Document(), 0)})
		}
	}
	return out
}

// takes reports whether the listener takes connections to an address.
func (l *fastListener) takes(a netip.Addr) bool {
	own := l.address.Addr().Unmap()
	if !own.IsUnspecified() {
		return own == a
	}
	if own.Is4() {
		return a.Is4()
	}
	return a.Is6() || !l.onlyIPv6
}

// self is where the machine reaches the listener without passing the interface.
func (l *fastListener) self() string {
	own := l.address.Addr()
	switch {
	case !own.IsUnspecified():
	case own.Is6() && l.onlyIPv6:
		own = netip.IPv6Loopback()
	default:
		own = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return net.JoinHostPort(own.String(), strconv.Itoa(int(l.address.Port())))
}

// refresh keeps the careful path behind the doors open and looks whether the
// system still is as it must be; then it tells the paths.
func (f *fastPath) refresh(ctx context.Context) {
	cookies := xdp.CheckCookies()
	f.mu.Lock()
	listeners := slices.Clone(f.listeners)
	changed := (cookies == nil) != (f.cookies == nil)
	f.cookies = cookies
	f.mu.Unlock()
	if changed && cookies != nil {
		f.log.Error("the fast path is closed, the sockets serve", "error", cookies, "hint", xdp.Hint(cookies))
	}
	var all sync.WaitGroup
	for _, l := range listeners {
		all.Go(func() { l.refresh(ctx) })
	}
	if all.Wait(); ctx.Err() == nil {
		f.update()
	}
}

// refresh connects to the own socket.
func (l *fastListener) refresh(ctx context.Context) {
	err := xdp.Refresh(ctx, l.self(), refreshReads)
	if ctx.Err() != nil {
		return
	}
	l.fast.mu.Lock()
	defer l.fast.mu.Unlock()
	if l.failed = err; err == nil {
		l.fresh = time.Now()
		return
	}
	l.fast.log.Warn("the fast path's connection to the own socket failed", "address", l.self(), "error", err)
}

// run looks after the paths until ctx ends.
func (f *fastPath) run(ctx context.Context) {
	look, again := time.NewTicker(lookEvery), time.NewTicker(xdp.RefreshEvery)
	defer look.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			f.look()
		case <-again.C:
			f.refresh(ctx)
		}
	}
}

// look ends silent clients and reports refused packets.
func (f *fastPath) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen {
		return
	}
	f.paths = slices.DeleteFunc(f.paths, f.unheard)
	for _, x := range f.paths {
		ended, err := x.path.SendAway(f.limits.Deadline)
		if err != nil {
			f.sample.note("silent", slog.LevelWarn, "the fast path's silent clients could not be looked at", "error", err)
		}
		for i, l := range f.listeners {
			if i < len(ended) {
				l.ended += ended[i]
			}
		}
		if s, err := x.path.Stranger(); err == nil && s.Count > x.since {
			f.sample.note("refused", slog.LevelInfo, "the fast path refused packets of no connection", "newest_client", s.Client.String(), "packets", s.Count-x.since)
			x.since = s.Count
		}
	}
}

// unheard gives a path up from whose virtual interface nothing seems to get
// out: many SYNs were answered, and never has a client come back. On hardware
// that is not done, or a flood of forged SYNs could bring it about.
func (f *fastPath) unheard(x *fastInterface) bool {
	const many, patience = 8, 5 * time.Second
	name := x.path.Options().Interface
	if x.heard || !xdp.IsVirtual(name) {
		return false
	}
	all, err := x.path.Counters(len(f.listeners))
	if err != nil {
		return false
	}
	var sum xdp.Counters
	for _, c := range all {
		sum.Add(c)
	}
	if sum.Opened+sum.Answered > 0 {
		x.heard = true
	}
	if sum.SYNs > 0 && x.said.IsZero() {
		x.said = time.Now()
	}
	if x.heard || sum.SYNs < many || time.Since(x.said) < patience {
		return false
	}
	f.lost = "the fast path on " + name + " was given up, the sockets serve: nothing that it sends arrives; the other end of a veth needs an XDP program too"
	f.log.Error(f.lost, "syns_answered", sum.SYNs)
	x.path.Close()
	return true
}

// freeze stops all changes while a successor comes up; thaw takes them up again
// where it did not.
func (f *fastPath) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = true
}

func (f *fastPath) thaw() {
	f.mu.Lock()
	for _, x := range f.paths {
		if err := x.path.Recall(); err != nil {
			f.log.Error("the fast path", "error", err)
		}
		x.doors = nil // whatever the successor made of them
	}
	f.frozen = false
	f.mu.Unlock()
	f.update()
}

// files returns what a successor needs of the paths.
func (f *fastPath) files() (out []xdp.Inherited, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.paths {
		some, err := x.path.Files()
		out = append(out, some...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// close lets go of the paths: the kernel's path remains as it is.
func (f *fastPath) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.paths {
		x.path.Close()
	}
	f.paths = nil
}

// inheritedPaths takes the fast path's descriptors out of those that were
// handed over.
func inheritedPaths(files []*os.File, names []string) (rest []*os.File, restNames []string, paths []xdp.Inherited) {
	for i, name := range names {
		if what, ok := strings.CutPrefix(name, nameFast+"="); ok {
			paths = append(paths, xdp.Inherited{Name: what, File: files[i]})
			continue
		}
		rest, restNames = append(rest, files[i]), append(restNames, name)
	}
	return rest, restNames, paths
}
