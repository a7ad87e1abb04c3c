package web

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// frontPart is the part about the front door.
type frontPart struct {
	Fronts []frontRow // those with a backend that is down first
	More   int        // fronts that are left out
}

// frontRow is one front.
type frontRow struct {
	ID        string
	Address   string
	Port      string // as clients see it, where it is another than the address's
	Services  []Service
	State     string // of the backends together: "up", "shaky" or "down"; empty: there are none
	Backends  []backendRow
	Open      string
	OpenLimit string
	Charts    []frontChart
	Since     string // when their curves begin
	Policies  string
	NoBackend string
	TooMany   string
	Refused   []originRow
}

// frontChart is a curve of one front, and what it counted since the start.
type frontChart struct {
	Chart chart
	Name  string
	Unit  string
	Total string
	Bad   bool
}

type backendRow struct {
	Address string
	Up      bool
	Since   moment
	Dials   string
	Failed  string
	Error   string
}

type originRow struct {
	Origin string
	Why    string
	Times  string
	Last   moment
}

// frontOf makes the part of the samples of the last hour, of which the newest
// is of now.
func frontOf(v *View, past []sample, now time.Time) frontPart {
	var out frontPart
	fronts := v.Fronts[:min(len(v.Fronts), maxFronts)]
	out.More = len(v.Fronts) - len(fronts)
	for i, f := range fronts {
		row := frontRowOf(f, past, now)
		row.ID = fmt.Sprintf("front-%d", i+1)
		out.Fronts = append(out.Fronts, row)
	}
	grave := map[string]int{"down": -2, "shaky": -1}
	slices.SortStableFunc(out.Fronts, func(a, b frontRow) int { return grave[a.State] - grave[b.State] })
	return out
}

func frontRowOf(f Front, past []sample, now time.Time) frontRow {
	s := f.Stats
	row := frontRow{
		Address: shown(f.Address), Services: f.Services, Open: Grouped(uint64(max(s.Open, 0))), OpenLimit: Grouped(uint64(max(f.Limit, 0))),
		Policies: Grouped(s.Policies), NoBackend: Grouped(s.NoBackend), TooMany: Grouped(s.Refused),
	}
	if f.Port != PortOf(f.Address) {
		row.Port = fmt.Sprint(f.Port)
	}
	rate := func(name, unit string, bad bool, total string, counter func(frontSample) uint64) {
		curve := newChart(name, unit, rates(past, func(s sample) uint64 { return counter(s.fronts[f.Address]) }), now)
		row.Charts = append(row.Charts, frontChart{Chart: curve, Name: name, Unit: unit, Bad: bad, Total: total})
	}
	row.Charts = []frontChart{{
		Name: "Open connections", Unit: "open", Total: Grouped(s.Accepted) + " accepted",
		Chart: newChart("Open connections", "open", gauges(past, func(s sample) float64 { return float64(s.fronts[f.Address].open) }), now),
	}}
	rate("WebSockets", "per second", false, Grouped(s.WebSockets)+" in all", func(s frontSample) uint64 { return s.webSockets })
	rate("Raw connections", "per second", false, Grouped(s.Raw)+" in all", func(s frontSample) uint64 { return s.raw })
	rate("To the service", bytesPerSecond, false, Bytes(s.Up)+" in all", func(s frontSample) uint64 { return s.up })
	rate("From the service", bytesPerSecond, false, Bytes(s.Down)+" in all", func(s frontSample) uint64 { return s.down })
	rate("Refused Origins", "per second", s.Origins > 0, Grouped(s.Origins)+" in all", func(s frontSample) uint64 { return s.origins })
	row.Since = row.Charts[0].Chart.Since
	row.backends(f, now)
	for _, r := range f.Refused {
		row.Refused = append(row.Refused, originRow{Origin: shown(r.Origin), Why: shown(r.Why), Times: Grouped(r.Times), Last: momentOf(r.Last, now)})
	}
	return row
}

// backends adds the backends, those that are down first, and says how they
// are together.
func (row *frontRow) backends(f Front, now time.Time) {
	up := 0
	for _, b := range f.Stats.Backends {
		one := backendRow{
			Address: shown(b.Address), Up: b.Up, Since: momentOf(b.Since, now), Dials: Grouped(b.Dials), Failed: Grouped(b.Failed), Error: shown(b.Error),
		}
		if b.Up {
			up++
			row.Backends = append(row.Backends, one)
		} else {
			row.Backends = slices.Insert(row.Backends, len(row.Backends)-up, one)
		}
	}
	switch n := len(row.Backends); {
	case n == 0:
	case up == n:
		row.State = "up"
	case up == 0:
		row.State = "down"
	default:
		row.State = "shaky"
	}
}

// ServicesBehind returns the services of the config that a front at that
// address stands before, whose port clients see: those of this address, or of
// every one, that have backends of their own.
func ServicesBehind(in InService, address string, port uint16) []Service {
	if in.Tables == nil {
		return nil
	}
	host, _, _ := net.SplitHostPort(address)
	local, _ := netip.ParseAddr(host) // none: every address
	c := in.Tables.Config
	var out []Service
	for i := range c.Services {
		s := &c.Services[i]
		if len(s.Backends) > 0 && s.Ports.Contains(port) && (!s.Address.IsValid() || s.Address == local) {
			out = append(out, Service{Name: s.Name, Owner: s.Owner, At: shortPlace(s.Source)})
		}
	}
	return out
}

// Bytes writes a number of bytes in the greatest unit that it fills.
func Bytes(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / 1000
	i := 0
	for ; v >= 999.95 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}
