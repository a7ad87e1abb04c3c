//go:build linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package xdp

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Locals returns the addresses of this machine that packets on the path's
// interface may be for, each with the VLAN tags that such a packet bears.
//
// An address of the interface itself is answered without tags only, one of a
// VLAN on it with that VLAN's tags only: a card that strips tags shows the
// program none, and an answer without a tag would go astray. An address of
// another device, such as the loopback, is answered with any tags; but not
// where the interface has VLANs, for the same reason.
func (p *Path) Locals() ([]Local, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	under := tagsAbove(p.o.Interface, readVLANs())
	var out []Local
	for _, ifi := range interfaces {
		tags, ours := under[ifi.Name]
		if !ours && len(under) > 1 {
			continue
		}
		if !ours {
			tags = AnyTags
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok && reachable(ip.Unmap()) {
				out = append(out, Local{ip.Unmap(), tags})
			}
		}
	}
	return out, nil
}

// tagsAbove returns the tags of an interface's packets for each device on top
// of it: the interface itself, its VLANs, and theirs.
func tagsAbove(name string, vlans map[string]vlan) map[string]uint32 {
	out := map[string]uint32{name: 0}
	for outer, v := range vlans {
		if v.on != name {
			continue
		}
		out[outer] = v.id
		for inner, w := range vlans {
			if w.on == outer {
				out[inner] = v.id | w.id<<16
			}
		}
	}
	return out
}

// reachable leaves out what no packet from outside is for, and what means
// another host on each link.
func reachable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

type vlan struct {
	id uint32
	on string // the device below
}

// readVLANs reads the VLAN devices of this network namespace, by their names.
// Where the kernel has none, there is no file.
func readVLANs() map[string]vlan {
	data, err := os.ReadFile("/proc/net/vlan/config")
	if err != nil {
		return nil
	}
	return parseVLANs(string(data))
}

// parseVLANs reads the kernel's table: two lines of heading, then
// "eth0.5         | 5  | eth0".
func parseVLANs(table string) map[string]vlan {
	out := map[string]vlan{}
	for line := range strings.Lines(table) {
		f := strings.Split(line, "|")
		if len(f) != 3 {
			continue
		}
		id, err := strconv.ParseUint(strings.TrimSpace(f[1]), 10, 12)
		if err != nil {
			continue
		}
		out[strings.TrimSpace(f[0])] = vlan{uint32(id), strings.TrimSpace(f[2])}
	}
	return out
}

// IsVirtual reports whether no hardware stands behind an interface of this
// network namespace, such as a veth. A veth takes what the program sends
// without a word and throws it away, unless its other end runs XDP too.
func IsVirtual(name string) bool {
	_, err := os.Stat("/sys/class/net/" + name + "/device")
	return err != nil
}

// Carriers returns the interfaces that could have a path of their own for one
// of the addresses: up, an Ethernet's hardware, and with one of them. An
// unspecified address is every one.
func Carriers(addrs []netip.Addr) ([]string, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	wanted := func(have netip.Addr) bool {
		for _, a := range addrs {
			if a == have || a.IsUnspecified() && (a.Is6() || have.Is4()) {
				return true
			}
		}
		return false
	}
	var out []string
	for _, ifi := range interfaces {
		if ifi.Flags&net.FlagUp == 0 || len(ifi.HardwareAddr) != 6 || IsVirtual(ifi.Name) {
			continue
		}
		own, err := ifi.Addrs()
		if err != nil {
			continue
		}
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok && reachable(ip.Unmap()) && wanted(ip.Unmap()) {
					out = append(out, ifi.Name)
					break
				}
			}
		}
	}
	return out, nil
}

// OnlyIPv6 reports whether a listening socket for every address of IPv6 leaves
// IPv4's out.
func OnlyIPv6(ln net.Listener) bool {
	conn, ok := ln.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	only := 0
	raw.Control(func(fd uintptr) { only, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) })
	return only != 0
}
