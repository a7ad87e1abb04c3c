package audit

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/port843/port843/internal/dial"
)

// Times. Budget is what a target costs at most; the connection gets what an
// address query needs to fail (three seconds on Linux), which is also how long
// Flash Player waits. FlashWait is Adobe's guide's figure.
const (
	Budget    = 4 * time.Second
	FlashWait = 3 * time.Second
	SlowAfter = 750 * time.Millisecond

	reserve        = 150 * time.Millisecond // of Budget, for closing and judging
	connectTimeout = 3600 * time.Millisecond
)

// Bounds of a conversation, in bytes. A policy of policy.SafeSize is long; what
// is kept holds sixteen of them. Reading goes on to readLimit, to tell a long
// answer from one without end.
const (
	keepLimit = 64 << 10
	tailSize  = 256
	readLimit = 2 << 20
)

// Millis is a duration that is written in JSON as milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds with three decimals.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// UnmarshalJSON reads milliseconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*m = Millis(f * float64(time.Millisecond))
	return nil
}

// End is how a conversation ended.
type End string

const (
	EndClosed  End = "closed"  // the other side closed
	EndReset   End = "reset"   // the other side reset
	EndSilence End = "silence" // nothing more came in the time given
	EndFlow    End = "flow"    // bytes still came when the time was over
	EndLimit   End = "limit"   // readLimit bytes had come
	EndHangup  End = "hangup"  // we had heard enough
)

// Conversation is the record of one connection.
type Conversation struct {
	Question Question     `json:"question"`
	Outcome  dial.Outcome `json:"outcome"`
	ICMP     *dial.ICMP   `json:"icmp,omitempty"`
	Failure  string       `json:"failure,omitempty"` // the system's words for a connection that failed

	At      Millis `json:"at"`                   // when it began, from the beginning of the observation
	Connect Millis `json:"connect"`              // how long the connection took
	First   Millis `json:"first_byte,omitempty"` // when the first byte came, from the beginning of the conversation
	Last    Millis `json:"last_byte,omitempty"`  // when the last one came
	Took    Millis `json:"took"`                 // the whole

	Asked Millis `json:"asked,omitempty"` // when the question was put

	End       End    `json:"end,omitempty"`
	Sent      []byte `json:"sent,omitempty"`
	Early     int    `json:"early,omitempty"` // bytes that came before the question was asked
	EndEarly  bool   `json:"end_early,omitempty"`
	Data      []byte `json:"data,omitempty"`      // what came, up to keepLimit
	Tail      []byte `json:"tail,omitempty"`      // the last bytes, where Data is not all
	Total     int64  `json:"total"`               // bytes that came
	Reads     int    `json:"reads,omitempty"`     // pieces in which they came
	Unacked   bool   `json:"unacked,omitempty"`   // the other side's system took the connection and not one byte
	Handshake *TLS   `json:"handshake,omitempty"` // of the questions over TLS
	Raw       []byte `json:"raw,omitempty"`       // of those, the first bytes on the wire
}

// TLS says how far a TLS handshake came.
type TLS struct {
	Done    bool   `json:"done"`
	Version string `json:"version,omitempty"`
	Subject string `json:"subject,omitempty"` // of the server's certificate; not verified; fit to be shown
	Failure string `json:"failure,omitempty"` // fit to be shown
}

// HTTP is what an HTTP server said to a request for /crossdomain.xml.
type HTTP struct {
	Status      int    `json:"status"`
	Server      string `json:"server,omitempty"` // fit to be shown
	Crossdomain string `json:"crossdomain"`      // "policy", "soft-404", "none" or "" when not asked
}

// RPC is what an ONC RPC service said to NULL calls.
type RPC struct {
	Program uint32 `json:"program,omitempty"` // 0 where none of those asked for is there
	Name    string `json:"name,omitempty"`
	Low     uint32 `json:"low,omitempty"` // versions, where it named them
	High    uint32 `json:"high,omitempty"`
}

// Observation is what was learned about a target.
type Observation struct {
	Target        Target         `json:"target"`
	Class         Class          `json:"class"`
	Confidence    float64        `json:"confidence"` // 0 to 1
	Faults        []Fault        `json:"faults,omitempty"`
	Product       string         `json:"product,omitempty"`
	Inside        Class          `json:"inside,omitempty"` // of TLS: what is in it
	ICMP          *dial.ICMP     `json:"icmp,omitempty"`
	HTTP          *HTTP          `json:"http,omitempty"`
	RPC           *RPC           `json:"rpc,omitempty"`
	Banner        string         `json:"banner,omitempty"` // the first bytes, fit to be shown
	Why           string         `json:"why"`              // the rule that decided, in plain words
	Document      []byte         `json:"-"`                // the policy as received, in UTF-8, up to keepLimit
	Timing        Timing         `json:"timing"`
	Conversations []Conversation `json:"conversations,omitempty"`
}

// Timing is when things happened in the conversation that decided.
type Timing struct {
	Connect  Millis `json:"connect"`
	First    Millis `json:"first_byte"`
	Complete Millis `json:"complete"`
	Total    Millis `json:"total"` // of the whole observation
}

// Target is one address and port, and the name that it was given by, if any.
type Target struct {
	Addr netip.AddrPort `json:"addr"`
	Name string         `json:"name,omitempty"`
}

// Has reports whether the observation lists the fault.
func (o *Observation) Has(f Fault) bool {
	for _, have := range o.Faults {
		if have == f {
			return true
		}
	}
	return false
}
