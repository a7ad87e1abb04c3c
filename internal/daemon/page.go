package daemon

import (
	"github.com/port843/port843/internal/web"
)

// newPage returns the page of this service.
func (d *daemon) newPage() *web.Page {
	o := web.Options{View: d.view, Login: d.access.Login()}
	if d.o.AdminReload {
		o.Reload = func() error { return d.reloadAll("asked to on the page") }
	}
	return web.New(o)
}

// publicPort returns the port that clients see the policies of a listening
// address come from.
func (d *daemon) publicPort(address string) uint16 {
	if d.o.PublicPort != 0 {
		return d.o.PublicPort
	}
	return web.PortOf(address)
}

// view takes a snapshot for the page.
func (d *daemon) view() web.View {
	st := d.status()
	v := web.View{
		Version: st.Version, Started: st.Started, User: st.User, Ready: st.Ready, Reasons: st.Reasons, Limits: d.server.Limits(),
	}
	for i, l := range d.server.Listeners() {
		v.Listeners = append(v.Listeners, web.Listener{
			Address: l.Addr().String(), Source: d.sockets[i].keeper.source.String(),
			ServedFrom: d.publicPort(l.Addr().String()), Stats: st.Listeners[i].stats, Policies: l.Policies(),
		})
	}
	for _, f := range st.FastPaths {
		v.FastPaths = append(v.FastPaths, web.FastPath{
			Interface: f.Interface, Mode: f.Mode, Doors: f.Doors, Left: f.Left,
			Answered: f.Packets.Answered, Passed: f.Packets.Passed, Refused: f.Packets.Refused, SYNs: f.Packets.SYNs,
		})
	}
	for _, f := range st.Fronts {
		v.Fronts = append(v.Fronts, web.Front{Address: f.Address, Port: f.Port, Limit: f.Limit, Services: f.Services, Stats: f.stats, Refused: f.Refused})
	}
	for _, k := range d.keepers {
		v.Sources = append(v.Sources, k.view())
	}
	return v
}

// view takes a snapshot of a source for the page.
func (k *keeper) view() web.Source {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	return web.Source{
		Name: s.Name, Files: s.Files, Since: s.Since, LastReload: s.LastReload, Reloads: s.Reloads, Refusals: s.Refusals,
		Error: s.Error, Refused: s.Refused, Warnings: s.Warnings,
		InService: web.InService{Policies: k.loaded.Policies, Tables: k.loaded.Tables}, History: s.History,
	}
}
