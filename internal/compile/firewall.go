package compile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

// Door is a range of ports of this machine, and whether it is open.
type Door struct {
	Address netip.Addr // the zero value: every address
	Ports   policy.PortRange
	Accept  bool
	What    string // for a comment
}

// Doors returns what a config serves: the policy ports and the services. Where
// no listener has port 843, it is there to be rejected.
func Doors(c *config.Config) []Door {
	var out []Door
	master := false
	for _, l := range c.Serve.Listeners {
		d := Door{Ports: policy.PortRange{Lo: l.Port, Hi: l.Port}, Accept: true, What: "socket policies"}
		if !l.Any() {
			d.Address = l.IP
		}
		master = master || l.Port == policy.MasterPort
		out = append(out, d)
	}
	for i := range c.Services {
		s := &c.Services[i]
		for _, r := range s.Ports.Ranges() {
			out = append(out, Door{s.Address, r, true, "service " + s.Name})
		}
	}
	if !master {
		out = append(out, Door{Ports: policy.PortRange{Lo: policy.MasterPort, Hi: policy.MasterPort}, What: "nobody serves policies there: refused at once"})
	}
	slices.SortStableFunc(out, func(a, b Door) int { return cmp.Compare(a.Ports.Lo, b.Ports.Lo) })
	return out
}

// Firewalls are the names that Firewall knows.
func Firewalls() []string {
	return []string{"nftables", "iptables", "firewalld", "ufw", "pf", "netsh"}
}

// Firewall writes the rules for one firewall.
func Firewall(name string, doors []Door) (string, error) {
	var b strings.Builder
	switch name {
	case "nftables":
		nftables(&b, doors)
	case "iptables":
		iptables(&b, doors)
	case "firewalld":
		firewalld(&b, doors)
	case "ufw":
		ufw(&b, doors)
	case "pf":
		pf(&b, doors)
	case "netsh":
		netsh(&b, doors)
	default:
		return "", fmt.Errorf("no such firewall: %q", name)
	}
	return b.String(), nil
}

// ports writes a range with the firewall's own sign in between.
func (d Door) ports(sign string) string {
	if d.Ports.Lo == d.Ports.Hi {
		return fmt.Sprint(d.Ports.Lo)
	}
	return fmt.Sprintf("%d%s%d", d.Ports.Lo, sign, d.Ports.Hi)
}

// to returns the address behind before, or any where the door is on each.
func (d Door) to(before, any string) string {
	if !d.Address.IsValid() {
		return any
	}
	return before + d.Address.Unmap().WithZone("").String()
}

// verdict picks one of two words.
func (d Door) verdict(accept, reject string) string {
	if d.Accept {
		return accept
	}
	return reject
}

// families returns the address family that the door is of, or both.
func (d Door) families() (v4, v6 bool) {
	return !d.Address.IsValid() || d.Address.Unmap().Is4(), !d.Address.IsValid() || !d.Address.Unmap().Is4()
}

func nftables(b *strings.Builder, doors []Door) {
	b.WriteString("# nft -f FILE. An accept here does not undo a drop in another table: where your\n" +
		"# own input chain drops, put these lines into it, before that.\n" +
		"table inet port843 {\n\tchain input {\n\t\ttype filter hook input priority filter - 1; policy accept;\n")
	for _, d := range doors {
		to := ""
		switch v4, v6 := d.families(); {
		case v4 && !v6:
			to = "ip daddr " + d.Address.Unmap().String() + " "
		case v6 && !v4:
			to = "ip6 daddr " + d.Address.WithZone("").String() + " "
		}
		fmt.Fprintf(b, "\t\t%stcp dport %s %s comment %q\n", to, d.ports("-"), d.verdict("accept", "reject with tcp reset"), d.What)
	}
	b.WriteString("\t}\n}\n")
}

func iptables(b *strings.Builder, doors []Door) {
	b.WriteString("# As root. Each line is put before the rules that there are.\n")
	for _, d := range doors {
		line := func(program, to string) {
			fmt.Fprintf(b, "%s -I INPUT -p tcp %s--dport %s -m comment --comment \"%s\" -j %s\n", program, to, d.ports(":"), d.What, d.verdict("ACCEPT", "REJECT --reject-with tcp-reset"))
		}
		to := d.to("-d ", "")
		if to != "" {
			to += " "
		}
		v4, v6 := d.families()
		if v4 {
			line("iptables", to)
		}
		if v6 {
			line("ip6tables", to)
		}
	}
}

func firewalld(b *strings.Builder, doors []Door) {
	for _, d := range doors {
		fmt.Fprintf(b, "# %s\n", d.What)
		line := func(family string) {
			to := ""
			if d.Address.IsValid() {
				to = fmt.Sprintf("destination address=\"%s\" ", d.Address.Unmap().WithZone(""))
			}
			fmt.Fprintf(b, "firewall-cmd --permanent --add-rich-rule='rule family=\"%s\" %sport port=\"%s\" protocol=\"tcp\" %s'\n", family, to, d.ports("-"), d.verdict("accept", `reject type="tcp-reset"`))
		}
		v4, v6 := d.families()
		if v4 {
			line("ipv4")
		}
		if v6 {
			line("ipv6")
		}
	}
	b.WriteString("firewall-cmd --reload\n")
}

func ufw(b *strings.Builder, doors []Door) {
	b.WriteString("# ufw's reject answers TCP with a reset.\n")
	for _, d := range doors {
		fmt.Fprintf(b, "ufw %s proto tcp to %s port %s comment '%s'\n", d.verdict("allow", "reject"), d.to("", "any"), d.ports(":"), d.What)
	}
}

func pf(b *strings.Builder, doors []Door) {
	b.WriteString("# For pf.conf, before other rules.\n")
	for _, d := range doors {
		fmt.Fprintf(b, "%s in quick proto tcp to %s port %s # %s\n", d.verdict("pass", "block return-rst"), d.to("", "any"), d.ports(":"), d.What)
	}
}

func netsh(b *strings.Builder, doors []Door) {
	b.WriteString("rem Windows Firewall cannot reject: it opens, or drops in silence. A port that is\nrem let through and not served is refused by the system, unless its stealth mode\nrem drops that too; so the port is let through in either case.\n")
	for _, d := range doors {
		to := d.to(" localip=", "")
		fmt.Fprintf(b, "netsh advfirewall firewall add rule name=\"port843: %s\" dir=in action=allow protocol=TCP localport=%s%s\n", d.What, d.ports("-"), to)
	}
}
