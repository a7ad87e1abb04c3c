package player

import (
	"fmt"
	"slices"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Advice is one thing to change. Its texts are fit to be shown.
type Advice struct {
	Code     string   `json:"code"` // stable
	What     string   `json:"what"`
	Where    string   `json:"where"`
	Effect   string   `json:"effect"`
	Commands []string `json:"commands,omitempty"` // to be copied, one or the other
}

// Advise says what to change, the most telling first: what denies or delays,
// then what would make the answer quicker or the same for every client. It is
// empty where nothing is to be done. A verdict by [Who] has none.
func Advise(v *Verdict) []Advice {
	a := advisor{v: v}
	switch v.Reason {
	case ReasonNeverAsks:
		a.neverAsks()
		return a.out
	case ReasonUnresolved:
		a.add("resolve", "give the name an address, or ask for another name", "the name service", "the client can look the host up; until then it reports that it cannot connect")
		return a.out
	case ReasonPort:
		a.add("port", fmt.Sprintf("let the service listen on a port from %d to %d", v.Client.PortLo, v.Client.PortHi), v.Question.Target.String(), v.Client.Title+" connects to no other")
		return a.out
	case ReasonAddress:
		a.add("address", "give the service a name with an IPv4 address", v.Question.Target.Host(), v.Client.Title+" can then use it")
		return a.out
	case ReasonDiffers:
		a.add("addresses", "serve the same policy at every address of the name", a.addressList(), "the verdict is the same whichever address a client takes")
	}
	if a.v.Reason == ReasonUnroutable {
		a.add("route", "ask from a machine that has a way to the address", a.addressList(), "the check can see what a player there would see")
	}
	live := slices.ContainsFunc(a.v.Addresses, (*Finding).answers)
	for _, f := range a.findings() {
		if f.Reason == ReasonUnroutable {
			continue
		}
		if live && !f.answers() {
			a.add("dead-address", "let the service listen at this address too, or take it out of the name", f.Addr.String(), "no client loses time there before it goes on to the next address")
			continue
		}
		a.finding(f)
	}
	a.destination()
	return a.out
}

type advisor struct {
	v   *Verdict
	out []Advice
}

func (a *advisor) add(code, what, where, effect string, commands ...string) {
	if !slices.ContainsFunc(a.out, func(x Advice) bool { return x.Code == code && x.Where == where && x.What == what }) {
		a.out = append(a.out, Advice{code, what, where, effect, commands})
	}
}

// findings are the addresses' where they were asked one by one.
func (a *advisor) findings() []*Finding {
	if len(a.v.Addresses) > 0 {
		return a.v.Addresses
	}
	return []*Finding{&a.v.Finding}
}

func (a *advisor) addressList() string {
	var list []string
	for _, f := range a.v.Addresses {
		list = append(list, f.Addr.String())
	}
	return strings.Join(list, ", ")
}

func (a *advisor) neverAsks() {
	t := a.v.Question.Target
	if a.v.Client.Name == "ruffle-web" && t.IsSocket() {
		a.add("gateway", "put a WebSocket gateway before the service, and name it in the page's socketProxy",
			fmt.Sprintf(`socketProxy: [{host: "%s", port: %d, proxyUrl: "wss://..."}]`, t.Host(), t.Port()),
			"Ruffle connects there instead; host and port must match to the letter")
	}
}

// finding advises about one address.
func (a *advisor) finding(f *Finding) {
	if f.Answer == Denied {
		a.denied(f)
	}
	for _, s := range f.Sources {
		a.source(f, s)
	}
	if f.Answer == Permitted && f.By != nil && f.By.Role == RoleDestination {
		a.add("master", fmt.Sprintf("put the rule into the policy on port %d too, with master-only", a.v.Client.MasterPort), place(f.By.Location.Host, a.v.Client.MasterPort),
			"one question fewer before each connect, and the application's port gets no policy requests")
	}
}

// denied advises what would grant.
func (a *advisor) denied(f *Finding) {
	t := a.v.Question.Target
	switch f.Reason {
	case ReasonMetaNone:
		a.add("meta", `change site-control to "master-only", and add a rule for this`, placeOf(f.By), "the file's own rules count again; other files still do not")
	case ReasonHangs:
		a.add("silent", "answer the policy request there, or close the connection", placeOf(f.By), a.v.Client.Title+" decides instead of waiting for ever")
	case ReasonNoRule, ReasonMasterOnly:
		a.rule(f)
	case ReasonNoPolicy:
		if !a.served(f) {
			a.add("serve", "serve a policy with "+a.wanted(), placeOf(f.Sources[0]), "the client finds a rule that permits "+t.String())
		}
	}
}

// served reports whether a policy is there and only its delivery is at fault,
// or something else is at the master's place: the advice is about that then.
func (a *advisor) served(f *Finding) bool {
	return slices.ContainsFunc(f.Sources, func(s *Source) bool {
		switch s.Observation.Outcome {
		case OutcomePolicy, OutcomeNoNUL, OutcomeLate, OutcomeUnfinished:
			return true
		case OutcomeRefused, OutcomeRejected, OutcomeUnreachable, OutcomeDropped, OutcomeAbsent, OutcomeUnknown:
			return false
		}
		return s.Role == RoleMaster
	})
}

// wanted is the rule that would grant, as it is to be written.
func (a *advisor) wanted() string {
	q := &a.v.Question
	if a.v.Client.Access {
		return fmt.Sprintf(`<domain uri="%s"/> and <socket-resource port="%d" protocol="tcp"/>`, shown(q.From), q.Target.Port())
	}
	domain := q.From.Host
	switch {
	case domain == "" || a.v.Client.AnyDomainOnly:
		domain = "*"
	case strings.Contains(domain, ":"):
		domain = "[" + domain + "]"
	}
	domain = escape.Text(domain, 120)
	if !q.Target.IsSocket() {
		if q.Target.Location().Scheme == "https" && !q.From.Secure() {
			return fmt.Sprintf(`<allow-access-from domain="%s" secure="false"/>`, domain)
		}
		return fmt.Sprintf(`<allow-access-from domain="%s"/>`, domain)
	}
	return fmt.Sprintf(`<allow-access-from domain="%s" to-ports="%d"/>`, domain, q.Target.Port())
}

// rule advises how the nearest rule, or a new one, would grant.
func (a *advisor) rule(f *Finding) {
	where := placeOf(f.By)
	if f.By != nil && f.Rule != nil && f.Rule.Pos.IsValid() {
		where += ", line " + fmt.Sprint(f.Rule.Pos.Line)
	}
	q := &a.v.Question
	effect := "the rule then permits " + shown(q.From) + " to reach " + q.Target.String()
	switch f.Miss {
	case policy.MissPort:
		if a.v.Client.Ranges != RangesWhole && f.Rule != nil && f.Rule.Ports.Contains(q.Target.Port()) {
			a.add("enumerate", fmt.Sprintf("write the ports one by one instead of as a range: add %d", q.Target.Port()), where, "every known client reads it alike")
			return
		}
		if f.Rule != nil && f.Rule.Domain.Kind() == policy.DomainAny && q.From.Host != "" && !a.v.Client.AnyDomainOnly {
			// Not to the rule for "*": that would open the port to everybody.
			a.newRule(f)
			return
		}
		a.add("to-ports", fmt.Sprintf("add %d to the ports of the rule", q.Target.Port()), where, effect)
	case policy.MissNoPorts:
		a.add("to-ports", fmt.Sprintf(`add to-ports="%d" to the rule`, q.Target.Port()), where, effect)
	case policy.MissSecure:
		a.add("secure", `load the SWF over https; or write secure="false", and anybody on the way may change the SWF`, where, effect)
	case policy.MissScheme:
		a.add("scheme", "write the domain without its scheme, or load the SWF over that one", where, effect)
	case policy.MissPrivileged:
		a.add("privileged", fmt.Sprintf("serve the policy on port %d: what comes from port 1024 or above grants no port below", a.v.Client.MasterPort), place(q.Target.Host(), a.v.Client.MasterPort), effect)
	case policy.MissDead:
		a.add("mistake", "correct the rule, as the notes say, or add "+a.wanted(), where, effect)
	default:
		a.newRule(f)
	}
}

func (a *advisor) newRule(f *Finding) {
	q := &a.v.Question
	a.add("rule", "add "+a.wanted(), placeOf(f.By), "a rule then permits "+shown(q.From)+" to reach "+q.Target.String())
}

// source advises about how a policy is served.
func (a *advisor) source(f *Finding, s *Source) {
	o, where := s.Observation, placeOf(s)
	socket := s.Location.IsSocket()
	switch o.Outcome {
	case OutcomeDropped:
		a.dropped(s)
	case OutcomeUnfinished:
		if f.Reason != ReasonHangs {
			a.add("unfinished", "send the whole policy and its NUL at once", where, "the player takes the policy, for which it now waits until it gives up")
		}
	case OutcomeSilent:
		if f.Reason != ReasonHangs && s.Role != RoleDestination {
			a.add("silent", "find out what accepts connections there; serve a policy with "+a.wanted()+", or close the port", where, fmt.Sprintf("each client is spared %s before every connect", a.cost(s)))
		}
	case OutcomeNoNUL:
		if socket && a.v.Client.NeedsNUL {
			a.add("nul", "send one NUL (a byte 0) behind the policy, in the same write", where, "the player takes the policy; without the NUL it throws away what came")
		}
	case OutcomeLate:
		a.add("late", fmt.Sprintf("answer at once: the policy came after %.1f s, and the client waits %.0f s", o.LastByte.Seconds(), a.v.Client.limits(s.Role).Answer.Seconds()), where, "the policy counts, and the client does not lose those seconds")
	case OutcomeHTTP, OutcomeTLS, OutcomeForeign, OutcomeOversize, OutcomeReset, OutcomeClosed:
		if socket && s.Role != RoleDestination {
			a.add("service", "serve a raw policy with "+a.wanted()+" there instead: it is "+outcomeText[o.Outcome], where, "the client finds a policy at the first place where it looks")
		} else if !socket {
			a.add("service", "serve a policy file with "+a.wanted()+" there: it is "+outcomeText[o.Outcome], where, "the client finds a policy at the first place where it looks")
		}
	case OutcomeRedirect:
		a.add("redirect", "serve the policy there itself, without a redirect to another site", where, "players ignore a policy behind such a redirect")
	case OutcomeCertificate:
		a.add("certificate", "give the site a certificate that is valid for its name", where, "the client can load the policy")
	case OutcomePolicy:
		a.delivered(s)
	}
}

// delivered advises about a policy that came whole.
func (a *advisor) delivered(s *Source) {
	o, where := s.Observation, placeOf(s)
	if why := s.Why; why != "" && !s.Location.IsSocket() && s.Policy != nil && !s.Policy.Void {
		a.add("web", "change how it is served: "+why, where, "the client decides by the file")
	}
	if s.Policy != nil && s.Policy.Void && !s.Cut {
		a.add("well-formed", "correct the file, as the notes say", where, "its rules count again")
	}
	segments := 1 + len(o.Data)/policy.AdvisedSize // what one write may well become on its way
	if s.Location.IsSocket() && len(o.Reads) > segments && len(o.Data) < policy.SafeSize {
		a.add("pieces", "send the policy and its NUL in one write", where, "clients that read once (Lightspark, Unity) get the whole of it")
	}
	if size := len(o.Data) + 1; s.Location.IsSocket() && size > policy.SafeSize {
		a.add("size", fmt.Sprintf("shorten the policy of %d bytes, its NUL included, to %d or fewer", size, policy.SafeSize), where, "clients with a small buffer (Lightspark, Unity) read the whole of it")
	}
}

// dropped advises about a place that answers nothing.
func (a *advisor) dropped(s *Source) {
	port := s.Location.Port
	effect := fmt.Sprintf("each client is spared %s before every connect", a.cost(s))
	if s.Role == RoleDestination {
		a.add("destination-dropped", fmt.Sprintf("open port %d in the firewall", port), placeOf(s), "the service can be reached")
		return
	}
	a.add("dropped", fmt.Sprintf("serve a policy on port %d, or let the firewall reject it instead of dropping it", port), placeOf(s), effect,
		fmt.Sprintf("nft insert rule inet filter input tcp dport %d reject with tcp reset", port),
		fmt.Sprintf("iptables -I INPUT -p tcp --dport %d -j REJECT --reject-with tcp-reset", port),
		fmt.Sprintf("ip6tables -I INPUT -p tcp --dport %d -j REJECT --reject-with tcp-reset", port))
}

func (a *advisor) cost(s *Source) string {
	l := a.v.Client.limits(s.Role)
	limit := l.Answer
	if limit == 0 {
		limit = l.Connect
	}
	return fmt.Sprintf("%.1f s", limit.Seconds())
}

// destination advises where the policy permits and nothing is there.
func (a *advisor) destination() {
	for _, f := range a.findings() {
		if f.Reach == nil || f.Reach.Outcome == OutcomeUnknown || f.Reach.Outcome == OutcomeConnected {
			continue
		}
		where := a.v.Question.Target.String()
		if f.Addr.IsValid() {
			where += " at " + f.Addr.String()
		}
		a.add("destination", "start the service, or open its port: "+f.Reach.String(), where, "the policy permits it already")
	}
}

func place(host string, port uint16) string { return SocketLocation(host, port).String() }

// placeOf names the place of a source, which may be nil.
func placeOf(s *Source) string {
	if s == nil {
		return "the master policy"
	}
	return placeText(s)
}
