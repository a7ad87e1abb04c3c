package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"sync"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/server"
)

// The fronts that a source says itself come and go with its reloads. One that
// stays is changed under its connections; a new one is opened; one that is
// gone takes no more connections, and those that it has go on. Whatever cannot
// be done is named among what is refused, and touches nothing else: a front
// goes on as it was.

// frontList returns the fronts that there are now.
func (d *daemon) frontList() []*front {
	d.frontsMu.Lock()
	defer d.frontsMu.Unlock()
	return slices.Clone(d.fronts)
}

// loadFront reads what the front needs while everything can still be read.
func (d *daemon) loadFront(f Front, k *keeper) error {
	st, err := prepare(f, frontState{})
	if err != nil {
		return err
	}
	d.fronts = append(d.fronts, &front{address: f.Address, keeper: k, now: st})
	return nil
}

// openFronts takes or binds the socket of every front.
func (d *daemon) openFronts(ctx context.Context, from *[]socket) (err error) {
	for _, f := range d.fronts {
		if f.ln = take(from, f.address, nameFront); f.ln != nil {
			continue
		}
		if f.ln, err = server.Listen(ctx, "tcp", f.address); err != nil {
			return &BindError{Address: f.address, Err: err}
		}
	}
	for _, s := range *from {
		if s.kind == nameFront {
			s.ln.Close() // of a service that is gone: nobody would accept on it
		}
	}
	return nil
}

// startFronts serves every front, and from now on those of reloads.
func (d *daemon) startFronts(s *sampler) error {
	d.sampler = s
	for _, f := range d.fronts {
		if err := d.startFront(f, f.keeper.policies()); err != nil {
			return err
		}
	}
	for _, k := range d.keepers {
		k.onReload(d.refit)
	}
	return nil
}

func (d *daemon) startFront(f *front, p server.Policies) error {
	if err := f.start(p, d.sampler, d.o.Limits, &d.doors); err != nil {
		return err
	}
	a := f.door.Answer()
	d.log.Info("front: serving", "address", f.ln.Addr().String(), "port", f.port(), "backends", f.state().Backends, "source", f.keeper.source.String(), "digest", shortDigest(a), "bytes", a.Size(), "rules", len(a.Policy().Rules))
	return nil
}

// refit makes the fronts of a source those that it says now.
func (d *daemon) refit(k *keeper, loaded *Loaded) {
	d.refitting.Lock()
	defer d.refitting.Unlock()
	if d.left {
		return
	}
	var stay, gone []*front
	var come []Front
	for _, f := range d.frontList() {
		if f.state().Source != nil || f.keeper != k || slices.ContainsFunc(loaded.Fronts, func(w Front) bool { return w.Address == f.address }) {
			stay = append(stay, f)
		} else {
			gone = append(gone, f)
		}
	}
	refuse := func(err error) { loaded.Refused = append(loaded.Refused, err.Error()) }
	for _, want := range loaded.Fronts {
		i := slices.IndexFunc(stay, func(f *front) bool { return f.address == want.Address })
		if i < 0 {
			come = append(come, want)
			continue
		}
		if err := d.change(stay[i], want, loaded.Policies); err != nil {
			refuse(err)
		}
	}
	var later []Front // on a port that one which is gone still has
	for _, want := range come {
		f, err := d.come(k, want, loaded.Policies)
		switch {
		case err == nil:
			stay = append(stay, f)
		case isInUse(err) && len(gone) > 0:
			later = append(later, want)
		default:
			refuse(err)
		}
	}
	for _, f := range gone {
		d.retire(f)
	}
	for _, want := range later {
		if f, err := d.come(k, want, loaded.Policies); err == nil {
			stay = append(stay, f)
		} else {
			refuse(err)
		}
	}
	d.frontsMu.Lock()
	defer d.frontsMu.Unlock()
	d.fronts = stay
}

// change makes a front do what is wanted now.
func (d *daemon) change(f *front, want Front, p server.Policies) error {
	st, err := prepare(want, f.state())
	if err == nil {
		var changed bool
		if changed, err = f.become(st, p, d.sampler, d.o.Limits); changed {
			d.log.Info("front: changed", "address", f.address, "backends", want.Backends)
		}
	}
	if err != nil {
		return fmt.Errorf("%w%s; the service there goes on as it was", err, orRestart(err))
	}
	return nil
}

// come opens a new front.
func (d *daemon) come(k *keeper, want Front, p server.Policies) (*front, error) {
	st, err := prepare(want, frontState{})
	if err != nil {
		return nil, fmt.Errorf("%w%s; the service is not there", err, orRestart(err))
	}
	f := &front{address: want.Address, keeper: k, now: st}
	if f.ln, err = server.Listen(context.Background(), "tcp", want.Address); err != nil {
		return nil, fmt.Errorf("%w%s; the service is not there", &BindError{Address: want.Address, Err: err}, orRestart(err))
	}
	if err := d.startFront(f, p); err != nil {
		f.ln.Close()
		return nil, err
	}
	return f, nil
}

// orRestart says what helps where this process may no longer do something. A
// take-over does not: its successor inherits what was given up.
func orRestart(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return " (this process has given up its privileges since it was started: restart it)"
	}
	return ""
}

// retire takes no more connections for a front; those that it has go on, until
// the service leaves.
func (d *daemon) retire(f *front) {
	f.keeper.detach(f)
	d.log.Info("front: removed", "address", f.address, "open", f.door.Stats().Open)
	f.ln.Close() // at once, so that another may listen there
	d.doors.Go(func() { f.door.Shutdown(d.staying) })
}

// leaveFronts stops accepting and lets the sessions go on until ctx ends.
func (d *daemon) leaveFronts(ctx context.Context) {
	d.refitting.Lock()
	d.left = true
	d.refitting.Unlock()
	defer context.AfterFunc(ctx, d.noLonger)()
	var leaving sync.WaitGroup
	for _, f := range d.frontList() {
		leaving.Go(func() { f.door.Shutdown(ctx) })
	}
	leaving.Wait()
	d.doors.Wait()
}

// brief is the context of a farewell that does not wait for sessions.
func brief() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// frontPaths are the files and folders that the fronts read again.
func (d *daemon) frontPaths() (files, folders []string) {
	for _, f := range d.frontList() {
		files = append(files, f.certificatePaths()...)
		if dir := f.state().Files; dir != "" {
			folders = append(folders, dir)
		}
	}
	return files, folders
}

// backendPorts returns every port that the fronts and the fast path connect to,
// and whether new sockets stay free: a front with any target and /probe connect to any port,
// and the services of a config may have others after a reload.
func (d *daemon) backendPorts() (ports []uint16, all bool) {
	all = d.o.Admin != "" && d.o.Probe != nil
	for _, f := range d.frontList() {
		st := f.state()
		all = all || st.AnyTarget
		for _, b := range st.backends {
			if a, err := net.ResolveTCPAddr("tcp", b); err == nil { // an address, which asks nobody
				ports = append(ports, uint16(a.Port))
			}
		}
	}
	ports = append(ports, d.fastPorts()...)
	slices.Sort(ports)
	return slices.Compact(ports), all
}

// changeable reports whether a reload may open sockets: some front is a
// config's.
func (d *daemon) changeable() bool {
	return slices.ContainsFunc(d.frontList(), func(f *front) bool { return f.state().Source == nil })
}

// StatusFront is one front.
type StatusFront struct {
	Address    string                   `json:"address"`
	Port       uint16                   `json:"port"`
	Digest     string                   `json:"digest"` // of the in-band policy
	Open       int64                    `json:"open"`
	Accepted   uint64                   `json:"accepted"`
	Policies   uint64                   `json:"policies"`
	Raw        uint64                   `json:"raw"`
	WebSockets uint64                   `json:"websockets"`
	Origins    uint64                   `json:"origins_refused"`
	NoBackend  uint64                   `json:"no_backend"`
	Up         uint64                   `json:"bytes_up"` // to the backends
	Down       uint64                   `json:"bytes_down"`
	Limit      int                      `json:"max_connections"`
	Backends   []frontdoor.BackendState `json:"backends,omitempty"`
	Services   []web.Service            `json:"services,omitempty"` // of the config, behind this port
	Refused    []web.RefusedOrigin      `json:"refused_origins,omitempty"`

	stats frontdoor.Stats
	certs *certificates
}

// frontStatus takes a snapshot of every front that serves.
func (d *daemon) frontStatus() []StatusFront {
	var out []StatusFront
	for _, f := range d.frontList() {
		st := f.door.Stats()
		out = append(out, StatusFront{
			Address: f.ln.Addr().String(), Port: f.port(), Digest: f.door.Answer().Digest(), Open: st.Open, Accepted: st.Accepted,
			Policies: st.Policies, Raw: st.Raw, WebSockets: st.WebSockets, Origins: st.Origins, NoBackend: st.NoBackend,
			Up: st.Up, Down: st.Down, Limit: cmp.Or(f.state().Limits.MaxConnections, d.server.Limits().MaxConnections), Backends: st.Backends,
			Services: web.ServicesBehind(f.keeper.inService(), f.address, f.port()), Refused: f.refused.list(),
			stats: st, certs: f.certificates(),
		})
	}
	return out
}
