package audit

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/port843/port843/internal/dial"
	"github.com/port843/port843/policy"
)

// Verdict says whether a policy still serves a purpose. It is one of three.
type Verdict string

const (
	Abandoned Verdict = "abandoned"      // none of the ports that it grants listens
	InUse     Verdict = "legacy, in use" // at least one does
	Unknown   Verdict = "unknown"        // it grants nothing that could be tried, or too much
)

// Explain says in plain words what the verdict means.
func (v Verdict) Explain() string {
	switch v {
	case Abandoned:
		return "the policy is served, and nothing listens on any port that it grants: remove it"
	case InUse:
		return "the policy is served, and a port that it grants listens: find out who still needs it"
	}
	return "whether the policy is needed could not be told"
}

// Life is the outcome of trying the ports that a policy grants.
type Life struct {
	Verdict Verdict  `json:"verdict"`
	Open    []uint16 `json:"open"`
	Closed  []uint16 `json:"closed"`
	All     bool     `json:"all"` // every port that is granted was tried
}

// MaxLivePorts bounds the ports that are tried: one connection to each.
const MaxLivePorts = 16

// usualPorts stand for a grant that is too wide to try: what socket policies
// were written for. That none of them listens proves nothing.
var usualPorts = []uint16{1935, 5222, 9339, 8080, 9000, 1234, 6667, 2222, 5000, 7777, 8000, 8888, 9001, 9999, 3000, 443}

const liveTimeout = time.Second

// Live tries the ports that the policy grants, with one connection to each, of
// MaxLivePorts at most and one at a time; each may take a second.
func (p *Prober) Live(ctx context.Context, target Target, document []byte) *Life {
	ports, all := livePorts(document, target.Addr.Port())
	life := &Life{Verdict: Unknown, Open: []uint16{}, Closed: []uint16{}, All: all}
	for _, port := range ports {
		if p.Connecting != nil {
			p.Connecting(target)
		}
		r := dial.Connect(ctx, netip.AddrPortFrom(target.Addr.Addr(), port), liveTimeout)
		switch r.Outcome {
		case dial.Established:
			r.Conn.Close()
			life.Open = append(life.Open, port)
		case dial.Cancelled, dial.Local:
			life.All = false
		default:
			life.Closed = append(life.Closed, port)
		}
	}
	switch {
	case len(life.Open) > 0:
		life.Verdict = InUse
	case life.All && len(life.Closed) > 0:
		life.Verdict = Abandoned
	}
	return life
}

// livePorts returns the ports to try, and whether they are all that is granted.
// The policy's own port is left out: that it listens is known.
func livePorts(document []byte, own uint16) (ports []uint16, all bool) {
	doc, _ := policy.Parse(document)
	var set policy.PortSet
	for i := range doc.Rules {
		if !doc.Rules[i].Dead && doc.SocketMeta() != policy.MetaNone {
			set = set.Union(doc.Rules[i].Ports)
		}
	}
	set = set.Subtract(policy.Ports(own))
	if set.Len() <= MaxLivePorts {
		for _, r := range set.Ranges() {
			for port := int(r.Lo); port <= int(r.Hi); port++ {
				ports = append(ports, uint16(port))
			}
		}
		return ports, true
	}
	// The ends of what is named, then the usual ones.
	add := func(port uint16) {
		if len(ports) < MaxLivePorts && set.Contains(port) && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if !set.IsAll() {
		for _, r := range set.Ranges() {
			add(r.Lo)
		}
	}
	for _, port := range usualPorts {
		add(port)
	}
	return ports, false
}
