package player

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Question is "may the SWF from From reach Target, in Client?".
type Question struct {
	From   policy.Requestor
	Target Target
	Client *Profile   // nil: Flash()
	Load   []Location // named by Security.loadPolicyFile, in order; the first MaxLoads count

	// Addrs are the addresses of the target, where the caller knows them:
	// nothing is looked up then.
	Addrs []netip.Addr
	// Connect says that a permitted socket is tried, as the client would.
	Connect bool
	// ByPolicy says that a policy was given to be judged: that the SWF comes
	// from the target's own site, and would need none, is noted, not answered.
	ByPolicy bool
	// Origin is the URL of the SWF; with it, the own site of URLs is known by
	// its port too. Optional.
	Origin Location
}

// Decide answers the question as the client would find it out. It never
// panics, never returns nil, and ends with the context or the client's limits;
// every address of the target is asked, side by side. The Fetcher must not be
// nil; it may be shared.
func Decide(ctx context.Context, f Fetcher, q Question) *Verdict {
	v := newVerdict(q)
	if v.beforeAsking() {
		return v
	}
	start := time.Now()
	addrs, err := v.addresses(ctx, f)
	if err != nil {
		v.unresolved(ctx, err)
		return v
	}
	looked := time.Since(start)
	walks := v.walks(f, addrs, looked)
	if len(walks) == 0 {
		v.settle(Denied, ReasonAddress, fmt.Sprintf("%s connects to IPv4 addresses only, and there is none", v.Client.Title))
		return v
	}
	var wg sync.WaitGroup
	for _, w := range walks {
		wg.Go(func() { w.decide(ctx) })
	}
	wg.Wait()
	for _, w := range walks {
		v.join(w)
	}
	v.combine()
	return v
}

func newVerdict(q Question) *Verdict {
	if q.Client == nil {
		q.Client = Flash()
	}
	if len(q.Load) > MaxLoads {
		q.Load = q.Load[:MaxLoads]
	}
	v := &Verdict{Question: q, Client: q.Client}
	for _, n := range q.Client.Notes {
		v.note(n.Code, n.Text)
	}
	return v
}

// settle gives an answer that needs no address, with its step.
func (v *Verdict) settle(a Answer, r Reason, because string) {
	v.Answer, v.Reason, v.Because = a, r, because
	v.Steps = append(v.Steps, Step{Kind: StepClient, Text: because})
}

// beforeAsking answers what the client answers without a policy.
func (v *Verdict) beforeAsking() bool {
	p, q := v.Client, &v.Question
	asking := p.URLs
	if q.Target.IsSocket() {
		asking = p.Sockets
	}
	switch asking {
	case AsksNever:
		v.settle(Undetermined, ReasonNeverAsks, p.Instead)
		return true
	case AsksUnknown:
		v.settle(Undetermined, ReasonUnknown, p.Instead)
		return true
	}
	if p.Exempt != "" && q.From.Scheme == p.Exempt {
		v.settle(Permitted, ReasonExempt, "content of the application sandbox needs no policy")
		return true
	}
	if p.Exempt != "" {
		v.note(NoteClient, fmt.Sprintf("content from %s is outside the application sandbox: policies decide", shown(q.From)))
	}
	if q.Target.IsSocket() {
		return v.socketWithoutPolicy()
	}
	return v.ownSite()
}

// socketWithoutPolicy answers for sockets what the client's own rules answer.
func (v *Verdict) socketWithoutPolicy() bool {
	p, t := v.Client, v.Question.Target
	addr, err := netip.ParseAddr(t.Host())
	literal6 := err == nil && addr.Is6()
	switch {
	case p.PortLo > 0 && (t.Port() < p.PortLo || t.Port() > p.PortHi):
		v.settle(Denied, ReasonPort, fmt.Sprintf("%s connects to the ports %d-%d only", p.Title, p.PortLo, p.PortHi))
	case literal6 && p.NoIPv6Literals:
		v.settle(Denied, ReasonAddress, fmt.Sprintf("%s reads no IPv6 address as a host", p.Title))
	case literal6 && p.IPv4Only:
		v.settle(Denied, ReasonAddress, fmt.Sprintf("%s connects to IPv4 addresses only", p.Title))
	case p.OwnHostHighPorts && t.Port() >= 1024 && v.Question.From.Host != "" && v.Question.From.Host == t.Host():
		v.settle(Permitted, ReasonExempt, fmt.Sprintf("%s needs no policy for the SWF's own host from port 1024 up", p.Title))
	default:
		return false
	}
	return true
}

// ownSite answers for a URL of the site that the SWF came from: the scheme and
// host, and the port where the question tells it.
func (v *Verdict) ownSite() bool {
	q := &v.Question
	t := q.Target.Location()
	own := q.From.Scheme == t.Scheme && q.From.Host != "" && q.From.Host == t.Host && (q.Origin == Location{} || q.Origin.Port == t.Port)
	if own && q.ByPolicy {
		v.note(NoteClient, "the SWF comes from this very site, where it needs no policy; what the policy says is answered")
		return false
	}
	if own {
		v.settle(Permitted, ReasonExempt, "a SWF needs no policy for URLs of the site that it came from")
	}
	return own
}

// addresses looks the target up, once, and tells so.
func (v *Verdict) addresses(ctx context.Context, f Fetcher) ([]netip.Addr, error) {
	if q := &v.Question; len(q.Addrs) > 0 {
		return q.Addrs[:min(len(q.Addrs), MaxAddresses)], nil
	}
	start := time.Now()
	host := v.Question.Target.Host()
	addrs, err := f.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, errors.New("the name has no address")
	}
	if addrs[0].IsValid() && addrs[0].String() != host {
		list := make([]string, len(addrs))
		for i, a := range addrs {
			list[i] = a.String()
		}
		v.Steps = append(v.Steps, Step{Kind: StepResolve, Took: time.Since(start), Text: fmt.Sprintf("%s is %s", host, strings.Join(list, ", "))})
	}
	return addrs[:min(len(addrs), MaxAddresses)], nil
}

func (v *Verdict) unresolved(ctx context.Context, err error) {
	v.Answer = Undetermined
	host := v.Question.Target.Host()
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil:
		v.Reason, v.Because = ReasonCancelled, "the check was cancelled"
	case errors.As(err, &dns) && dns.IsNotFound:
		v.Reason, v.Because = ReasonUnresolved, fmt.Sprintf("the name %s has no address", host)
	default:
		words := plainError(err)
		if dns != nil {
			words = dns.Err
		}
		v.Reason, v.Because = ReasonUnresolved, fmt.Sprintf("the name %s could not be looked up: %s", host, escape.Text(words, 160))
	}
	v.Steps = append(v.Steps, Step{Kind: StepResolve, Text: v.Because})
}

// walks makes one walk for each address that the client can use.
func (v *Verdict) walks(f Fetcher, addrs []netip.Addr, looked time.Duration) []*walk {
	var out []*walk
	for _, a := range addrs {
		if v.Client.IPv4Only && a.Is6() {
			v.Steps = append(v.Steps, Step{Kind: StepClient, Addr: a, Text: fmt.Sprintf("%s is left out: %s connects to IPv4 addresses only", a, v.Client.Title)})
			continue
		}
		w := &walk{q: &v.Question, p: v.Client, f: f, clock: looked}
		w.find.Addr = a
		out = append(out, w)
	}
	return out
}

// join takes the steps, notes and finding of one address.
func (v *Verdict) join(w *walk) {
	v.Steps = append(v.Steps, w.steps...)
	for _, n := range w.notes {
		v.note(n.Code, n.Text)
	}
	v.Addresses = append(v.Addresses, &w.find)
}

// combine makes one answer of those of the addresses. Which of several a
// client takes is the system's affair, and no documentation speaks of it: where
// those that answer at all agree, that is the verdict, else it depends.
func (v *Verdict) combine() {
	live := v.Addresses
	var up []*Finding
	for _, f := range v.Addresses {
		if f.answers() || f.Reason == ReasonFailed || f.Reason == ReasonCancelled {
			up = append(up, f)
		}
	}
	if len(up) > 0 && len(up) < len(live) {
		live = up
		v.note(NoteSilent, "an address at which nothing answers has no part in the verdict: a system goes on to the next")
	}
	v.Finding = *live[0]
	for _, f := range live[1:] {
		if f.Answer == live[0].Answer {
			v.Wait = max(v.Wait, f.Wait)
			continue
		}
		var parts []string
		for _, f := range live {
			parts = append(parts, fmt.Sprintf("%s at %s", f.Answer, f.Addr))
		}
		v.Finding = Finding{Answer: Undetermined, Reason: ReasonDiffers, Wait: v.Wait,
			Because: "it depends on the address that the client takes: " + strings.Join(parts, ", ")}
		v.note(NoteSilent, "which address of a name a player takes is not documented: each was asked")
		return
	}
}

// shown is a requestor fit to be shown.
func shown(r policy.Requestor) string { return escape.Text(r.String(), 120) }
