//go:build !linux

package listening

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/port843/port843/internal/escape"
)

// Find lists what listens on the ports, as the system tells it.
func Find(ports []uint16) (Found, error) {
	all, err := net.Connections("tcp")
	if err != nil {
		return Found{}, fmt.Errorf("the system does not say what listens: %w", err)
	}
	var f Found
	for _, c := range all {
		if c.Status != "LISTEN" || !slices.Contains(ports, uint16(c.Laddr.Port)) {
			continue
		}
		l := Listener{Port: uint16(c.Laddr.Port), PID: int(c.Pid)}
		switch c.Laddr.IP {
		case "*", "":
			l.Addr = netip.IPv6Unspecified()
		default:
			if l.Addr, err = netip.ParseAddr(c.Laddr.IP); err != nil {
				continue
			}
		}
		l.Hidden = l.PID == 0 && os.Geteuid() != 0
		if p, err := process.NewProcess(c.Pid); err == nil && c.Pid != 0 {
			name, _ := p.Name()
			user, _ := p.Username()
			l.Process, l.User = escape.Text(name, 60), escape.Text(user, 60)
		}
		f.Listeners = append(f.Listeners, l)
	}
	return f, nil
}

// Firewall is read on Linux only.
func Firewall(uint16) Rules {
	return Rules{Word: Unread, Note: "the firewall of this system is not read here"}
}
