package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/listening"
	"github.com/port843/port843/policy"
)

// localPort is all that is known of one port of this machine.
type localPort struct {
	Port      uint16          `json:"port"`
	Granted   bool            `json:"granted_by_policy,omitempty"` // asked for because a policy grants it
	Listeners []localListener `json:"listeners"`
	Firewall  listening.Rules `json:"firewall"`
	Outsider  string          `json:"outsider"` // what another machine sees
}

type localListener struct {
	listening.Listener
	Answer *survey.Record `json:"answer,omitempty"`
}

func newListening(s cli.Streams) *cobra.Command {
	var ports string
	var asJSON, noAsk bool
	cmd := &cobra.Command{
		Use:   "listening",
		Short: "Say who on this machine listens on port 843, and what outsiders see",
		Long: `Listening names every socket on this machine that listens on the ports, with
its process, user, unit, container and network namespace; asks it as Flash
Player would; reads the firewall's rules (as root); and says what another
machine sees: an answer, a prompt refusal, or a wait of 3 seconds.

Where the process is not yours to see, it says so: run it as root. The ports
that a policy grants are looked up too, up to 16 of them.

Exit codes: 0 something listens on one of the ports; 1 nothing does; 2 used
wrongly, or it could not be found out.`,
		Example: `  port843 listening
  sudo port843 listening --json
  port843 listening --ports 843,943,9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := parsePorts(ports)
			if err != nil {
				return cli.Usage("such as --ports 843,943", "--ports: %w", err)
			}
			return runListening(cmd.Context(), s, list, asJSON, !noAsk)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&ports, "ports", "p", "843,943", "look for these `PORTS`")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	f.BoolVar(&noAsk, "no-ask", false, "connect to nothing")
	return cmd
}

func runListening(ctx context.Context, s cli.Streams, ports []uint16, asJSON, ask bool) error {
	found, err := listening.Find(ports)
	if err != nil {
		return cli.Fail(err, "")
	}
	asked := askLocal(ctx, found.Listeners, ask)
	named := len(ports)
	if more := grantedPorts(asked, ports); len(more) > 0 {
		also, err := listening.Find(more)
		if err != nil {
			return cli.Fail(err, "")
		}
		asked = append(asked, askLocal(ctx, also.Listeners, false)...)
		found.Notes = append(found.Notes, also.Notes...)
		slices.Sort(found.Notes)
		found.Notes = slices.Compact(found.Notes)
		ports = append(slices.Clone(ports), more...)
	}
	var out []localPort
	listens := false
	for i, port := range ports {
		p := localPort{Port: port, Granted: i >= named, Listeners: []localListener{}, Firewall: listening.Firewall(port)}
		for _, l := range asked {
			if l.Port == port {
				p.Listeners = append(p.Listeners, l)
				listens = true
			}
		}
		p.Outsider = outsider(p)
		out = append(out, p)
	}
	if asJSON {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		err = e.Encode(map[string]any{"ports": out, "notes": found.Notes})
	} else {
		err = printListening(s, out, found.Notes)
	}
	switch {
	case err != nil:
		return cli.Fail(err, "")
	case !listens:
		return cli.No()
	}
	return nil
}

// askLocal asks the listeners of this network namespace.
func askLocal(ctx context.Context, list []listening.Listener, ask bool) []localListener {
	out := make([]localListener, len(list))
	var prober audit.Prober
	var group sync.WaitGroup
	for i, l := range list {
		out[i].Listener = l
		if !ask || l.Namespace != "" {
			continue
		}
		group.Go(func() {
			o := prober.Probe(ctx, audit.Target{Addr: localAddr(l, list)})
			r := survey.NewRecord(&o, scanLint, time.Now())
			r.Conversations = nil
			out[i].Answer = &r
		})
	}
	group.Wait()
	return out
}

// localAddr is where a listener is asked from this machine. One on all of
// IPv6's addresses has IPv4's too, unless another one has them.
func localAddr(l listening.Listener, list []listening.Listener) netip.AddrPort {
	addr := l.Addr
	if addr.IsUnspecified() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if l.Addr.Is6() && slices.ContainsFunc(list, func(o listening.Listener) bool { return o.Port == l.Port && o.Addr.Is4() }) {
			addr = netip.IPv6Loopback()
		}
	}
	return netip.AddrPortFrom(addr, l.Port)
}

// grantedPorts are the ports that the policies of the listeners grant one by
// one, without those that are looked for already.
func grantedPorts(asked []localListener, have []uint16) []uint16 {
	var out []uint16
	for _, l := range asked {
		if l.Answer == nil || l.Answer.Policy == nil {
			continue
		}
		for _, a := range l.Answer.Policy.AllowAccessFrom {
			set, err := policy.ParsePorts(a.ToPorts)
			if err != nil || set.IsAll() {
				continue
			}
			for _, r := range set.Ranges() {
				for port := int(r.Lo); port <= int(r.Hi) && len(out) < audit.MaxLivePorts; port++ {
					if p := uint16(port); !slices.Contains(have, p) && !slices.Contains(out, p) {
						out = append(out, p)
					}
				}
			}
		}
	}
	return out
}

// outsider says what another machine sees on the port.
func outsider(p localPort) string {
	open := slices.ContainsFunc(p.Listeners, func(l localListener) bool { return l.Namespace == "" && l.Everywhere() })
	switch p.Firewall.Word {
	case listening.Drops:
		return "a wait: the firewall drops, and each Flash client loses 3 seconds"
	case listening.Rejects:
		return "a prompt refusal, by the firewall"
	case listening.Depends:
		return "that depends on the firewall's rules below"
	}
	text := "a prompt refusal: nothing listens"
	switch {
	case open:
		text = "the answer"
	case len(p.Listeners) > 0 && slices.ContainsFunc(p.Listeners, func(l localListener) bool { return l.Namespace == "" }):
		text = "a prompt refusal: it listens on loopback only"
	case len(p.Listeners) > 0:
		text = "a prompt refusal, unless the port of the other network namespace is published"
	}
	if p.Firewall.Word == listening.Unread {
		text += ", if the firewall lets it through"
	}
	return text
}

func printListening(s cli.Streams, ports []localPort, notes []string) error {
	var b strings.Builder
	for _, p := range ports {
		if len(p.Listeners) == 0 {
			fmt.Fprintf(&b, "%d: nothing listens\n", p.Port)
		}
		for _, l := range p.Listeners {
			printLocal(&b, l)
		}
		fmt.Fprintf(&b, "  an outsider sees: %s\n", p.Outsider)
		for _, line := range p.Firewall.Lines {
			fmt.Fprintf(&b, "  firewall: %s\n", line)
		}
		if p.Firewall.Note != "" {
			fmt.Fprintf(&b, "  firewall: %s\n", p.Firewall.Note)
		}
	}
	for _, note := range notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	_, err := fmt.Fprint(s.Out, b.String())
	return err
}

func printLocal(b *strings.Builder, l localListener) {
	fmt.Fprintf(b, "%s  ", net.JoinHostPort(l.Addr.String(), strconv.Itoa(int(l.Port))))
	switch {
	case l.Hidden:
		fmt.Fprintf(b, "owner hidden, run as root (its user is %s)", l.User)
	case l.PID == 0:
		fmt.Fprintf(b, "held by the kernel, or by a process that cannot be seen")
	default:
		fmt.Fprintf(b, "%s (pid %d), user %s", l.Process, l.PID, l.User)
	}
	if l.Activated {
		fmt.Fprintf(b, ", for a service that is started on demand")
	}
	for _, each := range [][2]string{{"unit", l.Unit}, {"container", l.Container}, {"network namespace", l.Namespace}} {
		if each[1] != "" {
			fmt.Fprintf(b, ", %s %s", each[0], each[1])
		}
	}
	b.WriteByte('\n')
	if r := l.Answer; r != nil {
		fmt.Fprintf(b, "  it is: %s (%s)\n", r.Class, r.Class.Explain())
		for _, f := range r.Faults {
			fmt.Fprintf(b, "  fault: %s: %s\n", f, f.Explain())
		}
		if r.Policy != nil {
			for _, a := range r.Policy.AllowAccessFrom[:min(8, len(r.Policy.AllowAccessFrom))] {
				fmt.Fprintf(b, "  allows: %s -> %s\n", a.Domain, a.ToPorts)
			}
		}
		for _, f := range r.Findings {
			fmt.Fprintf(b, "  %s: %s [%s]\n", f.Severity, f.Message, f.Code)
		}
	}
}
