package web

import (
	"fmt"
	"time"
)

// frontRow is one front of the part about the front door.
type frontRow struct {
	Address    string
	Port       string // as clients see it, where it is another than the address's
	Backends   []backendRow
	Policies   string
	Raw        string
	WebSockets string
	Open       string
	Origins    string
	NoBackend  string
	Refused    string
	Up, Down   string // bytes
}

type backendRow struct {
	Address string
	Up      bool
	Since   moment
	Dials   string
	Failed  string
	Error   string
}

func frontsOf(v *View, now time.Time) []frontRow {
	var out []frontRow
	for _, f := range v.Fronts {
		s := f.Stats
		row := frontRow{
			Address: f.Address, Policies: Grouped(s.Policies), Raw: Grouped(s.Raw), WebSockets: Grouped(s.WebSockets),
			Open: Grouped(uint64(max(s.Open, 0))), Origins: Grouped(s.Origins), NoBackend: Grouped(s.NoBackend),
			Refused: Grouped(s.Refused), Up: byteCount(s.Up), Down: byteCount(s.Down),
		}
		if f.Port != PortOf(f.Address) {
			row.Port = fmt.Sprint(f.Port)
		}
		for _, b := range s.Backends {
			row.Backends = append(row.Backends, backendRow{
				Address: b.Address, Up: b.Up, Since: momentOf(b.Since, now), Dials: Grouped(b.Dials), Failed: Grouped(b.Failed), Error: shown(b.Error),
			})
		}
		out = append(out, row)
	}
	return out
}

// byteCount writes a number of bytes in the greatest unit that it fills.
func byteCount(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / 1000
	i := 0
	for ; v >= 1000 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}
