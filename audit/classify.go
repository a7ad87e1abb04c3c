package audit

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/port843/port843/internal/dial"
	"github.com/port843/port843/internal/escape"
)

// verdict is what the rules make of some conversations.
type verdict struct {
	class      Class
	confidence float64
	why        string
	inside     Class
	http       *HTTP
	rpc        *RPC
	index      int // of the conversation that decided

	partial   bool // more bytes may say more
	ambiguous bool // another question would settle it
	overTLS   bool // an HTTP server that wants TLS
	tls       bool // the policy was found inside TLS
	doc       found
}

// Classify makes an observation of recorded conversations. It is pure: no
// network, no clock. The conversations are kept in it, not copied. Without any
// it is [ClassError].
func Classify(target Target, cs []Conversation) Observation {
	v := judge(cs)
	o := Observation{
		Target: target, Class: v.class, Confidence: v.confidence, Why: v.why,
		Inside: v.inside, HTTP: v.http, RPC: v.rpc, Conversations: cs,
	}
	if len(cs) == 0 {
		return o
	}
	c := &cs[v.index]
	o.Timing = Timing{Connect: cs[0].Connect, First: c.First, Complete: c.Last}
	for _, each := range cs {
		o.Timing.Total = max(o.Timing.Total, each.At+each.Took)
	}
	if !v.class.Listening() {
		o.ICMP = cs[0].ICMP
		return o
	}
	o.Banner = escape.Text(c.Data[:min(len(c.Data), 120)], 120)
	if v.class.IsPolicy() {
		o.Faults = allFaults(cs, v)
		o.Document = v.doc.doc
		o.Product = productOf(v.doc, o.Faults)
		return o
	}
	o.Product = productOfBanner(v.class, c.Data)
	if v.class == ClassHTTP || v.inside == ClassHTTP {
		o.Document = crossdomainOf(cs)
	}
	return o
}

// judge applies the rules, the surest first.
func judge(cs []Conversation) verdict {
	if len(cs) == 0 {
		return verdict{class: ClassError, why: "nothing was asked"}
	}
	if v, ok := judgeConnection(&cs[0]); ok {
		return v
	}
	for _, rule := range []func([]Conversation) (verdict, bool){judgePolicy, judgeProtocol, judgeFlow, judgeOther} {
		if v, ok := rule(cs); ok {
			return v
		}
	}
	return judgeSilence(cs)
}

// judgeConnection is for targets with which no conversation was had.
func judgeConnection(c *Conversation) (verdict, bool) {
	switch c.Outcome {
	case dial.Refused:
		return verdict{class: Refused, confidence: 1, why: "the connection was refused with a reset"}, true
	case dial.Rejected:
		return verdict{class: Rejected, confidence: 1, why: "the connection was refused with " + icmpName(c.ICMP)}, true
	case dial.Unreachable:
		why := "the system knows no way to the address"
		if c.ICMP != nil {
			why = "the way ended with " + icmpName(c.ICMP)
		}
		return verdict{class: Unreachable, confidence: 1, why: why}, true
	case dial.Dropped:
		return verdict{class: Dropped, confidence: 0.9, why: "no answer to any attempt to connect"}, true
	case dial.Reset:
		return verdict{class: ClassResetAtOnce, confidence: 0.9, why: "the connection was reset as soon as it was there"}, true
	case dial.Local, dial.Cancelled:
		return verdict{class: ClassError, why: "this machine could not try: " + c.Failure}, true
	}
	return verdict{}, false
}

func icmpName(m *dial.ICMP) string {
	if m == nil {
		return "ICMP"
	}
	return fmt.Sprintf("ICMP type %d, code %d, from %s", m.Type, m.Code, m.From)
}

// judgePolicy looks for a policy document in each answer that a socket's
// client could have got; those of HTTP requests are the web's.
func judgePolicy(cs []Conversation) (verdict, bool) {
	for i := range cs {
		c := &cs[i]
		f, ok := findDocument(c)
		if !ok && c.Question == AskRequest {
			f, ok = emptyOrCut(c)
		}
		overTLS := c.Question == AskTLS || c.Question == AskTLSGet
		web := c.Question == AskGet || c.Question == AskQuietGet || c.Question == AskTLSGet
		if !ok || f.http && web {
			continue
		}
		v := verdict{class: ClassPolicy, confidence: 1, why: "it answers the policy request with a policy file", index: i, doc: f, tls: overTLS}
		if f.silverlight {
			v.class = ClassSilverlight
		}
		switch {
		case len(f.doc) == 0:
			v.confidence, v.why = 0.4, "it answers the policy request with nothing but a NUL"
		case !f.complete:
			v.confidence, v.why = 0.8, "its answer begins as a policy file"
		case web:
			v.confidence, v.why = 0.9, "it answers an HTTP request with a bare policy file"
		case c.Question == Ask22 || c.Question == AskQuiet22:
			v.confidence, v.why = 0.9, "it answers the request without its NUL only"
		case overTLS:
			v.why = "it answers the policy request inside TLS"
		}
		return v, true
	}
	return verdict{}, false
}

// emptyOrCut is for answers that hold no root: a NUL alone, or one that was
// cut inside the root's name.
func emptyOrCut(c *Conversation) (found, bool) {
	if len(c.Data) > 0 && len(c.Data) <= 8 && bytes.IndexByte(c.Data, 0) >= 0 && len(bytes.Trim(c.Data, "\x00 \r\n\t")) == 0 {
		return found{after: c.Data, complete: true}, true
	}
	if cutBeginning(c.Data) && c.End != EndFlow {
		return found{doc: c.Data}, true
	}
	return found{}, false
}

// judgeProtocol looks for the signature of a known protocol in each answer.
// The surest wins, among equals the earliest.
func judgeProtocol(cs []Conversation) (verdict, bool) {
	best, any := verdict{}, false
	for i := range cs {
		v := judgeData(&cs[i])
		if v.class == "" || v.class == ClassOther {
			continue
		}
		v.index = i
		if !any || v.confidence > best.confidence {
			best, any = v, true
		}
	}
	if !any {
		return verdict{}, false
	}
	switch best.class {
	case ClassHTTP:
		judgeWeb(cs, &best)
	case ClassTLS:
		judgeInside(cs, &best)
	case ClassSMTP, ClassFTP:
		judgeGreeting(cs, &best)
	}
	return best, true
}

// judgeFlow is for answers that never ended: the volume tells a generator from
// a tarpit, whose whole point is to cost itself nothing.
func judgeFlow(cs []Conversation) (verdict, bool) {
	const trickle = 256 // bytes a second; a generator of one short line each 100 ms has three times as many
	for i := range cs {
		c := &cs[i]
		if c.Unacked {
			return verdict{class: ClassTarpit, confidence: 0.8, why: "its system takes the connection and no bytes", index: i}, true
		}
		if c.End == EndLimit {
			return verdict{class: ClassEndless, confidence: 1, why: fmt.Sprintf("it sent %d bytes and did not end", c.Total), index: i}, true
		}
		if c.End != EndFlow || c.Question != AskRequest || c.Reads < 2 {
			continue
		}
		took := time.Duration(c.Last - c.First).Seconds()
		if took < 0.5 {
			continue // it began too late to tell
		}
		if float64(c.Total) < trickle*took {
			return verdict{class: ClassTarpit, confidence: 0.8, why: fmt.Sprintf("it sent %d bytes in %.1f seconds, and still sent", c.Total, took), index: i}, true
		}
		return verdict{class: ClassEndless, confidence: 0.9, why: fmt.Sprintf("it sent %d bytes in %.1f seconds, and still sent", c.Total, took), index: i}, true
	}
	return verdict{}, false
}

// judgeOther is for answers that no rule knows.
func judgeOther(cs []Conversation) (verdict, bool) {
	for i := range cs {
		c := &cs[i]
		if len(c.Data) == 0 {
			continue
		}
		v := judgeData(c)
		v.class, v.index, v.confidence = ClassOther, i, 0.5
		if v.why == "" {
			v.why = "it answers, and no rule knows the answer"
		}
		if slices.ContainsFunc(cs, func(c Conversation) bool { return c.Question == AskPing }) {
			v.ambiguous = false
		}
		return v, true
	}
	return verdict{}, false
}

// judgeSilence is for targets that sent no byte to any question.
func judgeSilence(cs []Conversation) verdict {
	first := &cs[0]
	for i := range cs {
		if c := &cs[i]; c.Outcome == dial.Reset {
			return verdict{class: ClassResetAtOnce, confidence: 0.95, why: "it resets before it is asked", index: i}
		} else if c.EndEarly {
			v := verdict{class: ClassClosedAtOnce, confidence: 0.95, why: "it closes before it is asked", index: i}
			if c.End == EndReset {
				v.class, v.why = ClassResetAtOnce, "it resets before it is asked"
			}
			return v
		}
	}
	switch first.End {
	case EndClosed:
		return verdict{class: ClassClosedAfterRequest, confidence: 0.9, why: "it closes after the request, without an answer"}
	case EndReset:
		return verdict{class: ClassResetAfterRequest, confidence: 0.9, why: "it resets after the request, without an answer"}
	}
	return verdict{class: ClassSilent, confidence: 0.9, why: "it accepts and answers no question"}
}

// allFaults collects the faults of the answer and of the server's manners.
func allFaults(cs []Conversation, v verdict) []Fault {
	c := &cs[v.index]
	set := faultsOf(c, v.doc)
	if v.tls {
		set = append(set, OverTLS)
	}
	if c.Question == AskGet || c.Question == AskQuietGet {
		set = append(set, AnyRequest)
	}
	if c.Question == AskQuiet22 && c.Early > 0 {
		set = append(set, Unasked)
	}
	for i := range cs {
		other := &cs[i]
		if other.Question != AskQuietGet && other.Question != AskGet || i == v.index || len(other.Data) == 0 {
			continue
		}
		f, ok := findDocument(other)
		switch {
		case ok && !f.http && other.Early > 0 && other.Question == AskQuietGet:
			set = append(set, Unasked)
		case ok && !f.http:
			set = append(set, AnyRequest)
		case v.doc.http && judgeData(other).class == ClassHTTP:
			// It is an HTTP server throughout, and the port is nobody else's.
		case !isBlank(other.Data):
			set = append(set, SharedPort)
		}
	}
	unasked := slices.Contains(set, Unasked) // who speaks unasked does not answer any request
	var ordered []Fault
	for _, f := range faultOrder {
		if slices.Contains(set, f) && !(f == AnyRequest && unasked) {
			ordered = append(ordered, f)
		}
	}
	return ordered
}

func isBlank(b []byte) bool { return len(bytes.Trim(b, "\x00 \r\n\t")) == 0 }
