package player

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/port843/port843/internal/escape"
)

// Bounds of what is taken from strangers.
const (
	MaxRead      = 64 << 10 // bytes of one answer; 16 times what every client reads
	MaxReads     = 64       // sizes of reads that are recorded; a policy in one segment needs 1
	MaxAddresses = 16       // of one name; a name with more is a load balancer's pool
	MaxLoads     = 16       // locations of loadPolicyFile in one question
	MaxRedirects = 5        // of one policy over HTTP
	maxHeader    = 16 << 10 // bytes of HTTP headers
)

// Outcome is what came of asking one place: a closed set.
type Outcome uint8

const (
	OutcomeUnknown     Outcome = iota // it was not asked
	OutcomePolicy                     // a policy file, complete
	OutcomeNoNUL                      // a policy file, and no NUL behind it
	OutcomeLate                       // a policy file, after the client has given up
	OutcomeRefused                    // the connect was answered with RST: nothing listens
	OutcomeRejected                   // the connect was answered with ICMP: a firewall rejects
	OutcomeUnreachable                // there is no way to the address
	OutcomeDropped                    // the connect was not answered
	OutcomeReset                      // the connection was reset before an answer was complete
	OutcomeClosed                     // the connection was closed without a byte
	OutcomeSilent                     // the connection was accepted, and no byte came
	OutcomeUnfinished                 // bytes came, and neither NUL nor close in time
	OutcomeOversize                   // more than MaxRead bytes
	OutcomeTLS                        // a TLS server
	OutcomeHTTP                       // a web server, where a policy server was asked
	OutcomeForeign                    // something else than a policy file
	OutcomeAbsent                     // there is none: an HTTP status other than 200, or an empty table
	OutcomeRedirect                   // redirected to another site, or too often
	OutcomeCertificate                // the certificate is not valid for the host
	OutcomeConnected                  // connected, and nothing was asked
	OutcomeUnresolved                 // the name has no address
	OutcomeCancelled                  // the context ended
	OutcomeFailed                     // this machine could not ask
)

var outcomeNames = [...]string{
	"unknown", "policy", "no-nul", "late", "refused", "rejected", "unreachable", "dropped", "reset", "closed",
	"silent", "unfinished", "oversize", "tls", "http", "foreign", "absent", "redirect", "certificate",
	"connected", "unresolved", "cancelled", "failed",
}

// String returns the outcome's stable name.
func (o Outcome) String() string { return outcomeNames[o] }

// Connects reports whether the place accepted a connection.
func (o Outcome) Connects() bool {
	switch o {
	case OutcomePolicy, OutcomeNoNUL, OutcomeLate, OutcomeReset, OutcomeClosed, OutcomeSilent, OutcomeUnfinished,
		OutcomeOversize, OutcomeTLS, OutcomeHTTP, OutcomeForeign, OutcomeAbsent, OutcomeRedirect, OutcomeCertificate, OutcomeConnected:
		return true
	}
	return false
}

// ICMP is the message by which a connect was rejected.
type ICMP struct {
	From netip.Addr `json:"from"` // who sent it
	Type uint8      `json:"type"`
	Code uint8      `json:"code"`
}

// Observation is what came of asking one place, with the evidence. Times are
// counted from the start of the connect; 0 is never.
type Observation struct {
	Outcome   Outcome
	Addr      netip.AddrPort // that was asked; not valid offline
	Connected time.Duration
	FirstByte time.Duration
	LastByte  time.Duration
	Done      time.Duration // until the outcome was known

	Data   []byte // what came, without its NUL; raw, at most MaxRead
	NUL    bool   // a NUL ended it
	Closed bool   // a close ended it
	Reads  []int  // sizes of the reads that brought it, the first MaxReads

	ICMP *ICMP  // with OutcomeRejected, where the system tells
	Err  string // the system's words; printable

	// Over HTTP only.
	Status      int
	ContentType string   // the header as sent
	MetaHeader  string   // X-Permitted-Cross-Domain-Policies as sent; several joined by ","
	HasMeta     bool     // there is such a header
	Final       Location // after redirects
	Redirects   []Location
}

// within returns the observation as a client with these limits has it.
func (o *Observation) within(l Limits) *Observation {
	late := l.Answer > 0 && o.LastByte > l.Answer
	c := *o
	switch {
	case l.Connect > 0 && o.Connected > l.Connect:
		c.Outcome = OutcomeDropped
	case late && (o.Outcome == OutcomePolicy || o.Outcome == OutcomeNoNUL):
		c.Outcome = OutcomeLate
	}
	return &c
}

// cost returns how long a client with these limits waits for the place.
func (o *Observation) cost(l Limits) time.Duration {
	limit := l.Answer
	if o.Connected == 0 && l.Connect > 0 {
		limit = l.Connect
	}
	if limit > 0 {
		return min(o.Done, limit)
	}
	return o.Done
}

// String says in one line what came; it is fit to be shown.
func (o *Observation) String() string {
	switch o.Outcome {
	case OutcomePolicy, OutcomeNoNUL, OutcomeLate:
		return o.policyText()
	case OutcomeRejected:
		if o.ICMP != nil {
			return fmt.Sprintf("rejected by ICMP (type %d, code %d) from %s", o.ICMP.Type, o.ICMP.Code, o.ICMP.From)
		}
	case OutcomeForeign, OutcomeHTTP, OutcomeTLS, OutcomeUnfinished:
		if len(o.Data) == 0 {
			break
		}
		return fmt.Sprintf(`%s; it begins "%s"`, outcomeText[o.Outcome], escape.Text(o.Data, 40))
	case OutcomeAbsent:
		if o.Status != 0 {
			return fmt.Sprintf("there is no policy: HTTP status %d", o.Status)
		}
	case OutcomeRedirect:
		if n := len(o.Redirects); n > 0 {
			return fmt.Sprintf("redirected to another site or too often: %s", escape.Text(o.Redirects[n-1].String(), 120))
		}
	case OutcomeUnreachable, OutcomeFailed, OutcomeUnresolved, OutcomeCertificate:
		if o.Err != "" {
			return outcomeText[o.Outcome] + ": " + o.Err
		}
	}
	return outcomeText[o.Outcome]
}

func (o *Observation) policyText() string {
	end := ""
	switch {
	case o.Status != 0:
		end = ", Content-Type " + escape.Text(o.ContentType, 60)
		if o.HasMeta {
			end += ", X-Permitted-Cross-Domain-Policies " + escape.Text(o.MetaHeader, 60)
		}
	case o.NUL:
		end = " and a NUL"
	case o.Outcome == OutcomeLate:
	case o.Closed:
		end = ", closed without a NUL"
	default:
		end = ", no NUL"
	}
	late := ""
	if o.Outcome == OutcomeLate {
		late = fmt.Sprintf(", too late: after %.1f s", o.LastByte.Seconds())
	}
	pieces := ""
	if n := len(o.Reads); n > 1 {
		pieces = fmt.Sprintf(", in %d pieces", n)
		if n == MaxReads {
			pieces = fmt.Sprintf(", in %d pieces or more", n)
		}
	}
	return fmt.Sprintf("a policy of %d bytes%s%s%s", len(o.Data), end, pieces, late)
}

var outcomeText = [...]string{
	OutcomeUnknown:     "not given",
	OutcomePolicy:      "a policy",
	OutcomeNoNUL:       "a policy without a NUL",
	OutcomeLate:        "a policy, too late",
	OutcomeRefused:     "refused: nothing listens",
	OutcomeRejected:    "rejected: a firewall answers for it",
	OutcomeUnreachable: "not reachable",
	OutcomeDropped:     "dropped: nothing answers the connect",
	OutcomeReset:       "reset before the answer was complete",
	OutcomeClosed:      "closed without a byte",
	OutcomeSilent:      "accepted, then silent",
	OutcomeUnfinished:  "an answer that does not end",
	OutcomeOversize:    "more than 65536 bytes",
	OutcomeTLS:         "a TLS server",
	OutcomeHTTP:        "a web server, not a policy server",
	OutcomeForeign:     "not a policy",
	OutcomeAbsent:      "there is no policy",
	OutcomeRedirect:    "redirected to another site or too often",
	OutcomeCertificate: "the certificate is not valid",
	OutcomeConnected:   "answers",
	OutcomeUnresolved:  "the name has no address",
	OutcomeCancelled:   "cancelled",
	OutcomeFailed:      "could not be asked",
}

// Query is one place to ask, as one client asks it.
type Query struct {
	Location Location
	Addr     netip.Addr // of Location.Host, where the fetcher looks names up
	Request  string     // to a socket: the bytes to send
	// TLS says that a server which closes or resets the request without a byte
	// is asked a second time, by a TLS handshake, whether it speaks TLS.
	TLS    bool
	Limits Limits
}

// Fetcher gets policies from wherever they are. Implementations must end with
// the context and must be safe for concurrent use: the addresses of a name are
// asked side by side.
type Fetcher interface {
	// Lookup returns the addresses of a host, at least one, or an error. A
	// fetcher that needs no addresses returns the zero Addr alone.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Fetch asks one place. It never returns nil. Where it can, it waits beyond
	// the limit of the answer, so that late can be told from never.
	Fetch(ctx context.Context, q Query) *Observation
	// Reach connects to the place, asks nothing and closes.
	Reach(ctx context.Context, q Query) *Observation
}
