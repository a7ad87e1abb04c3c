package player

import (
	"bytes"

	"github.com/port843/port843/policy"
)

// Ending is how an answer came to its end.
type Ending uint8

const (
	EndNUL    Ending = iota // a NUL came
	EndClose                // the server closed
	EndReset                // the connection was reset
	EndWaited               // the patience ended
	EndFull                 // MaxRead bytes came
)

// Classify says what the answer of a policy server is: data is what came before
// the NUL, and ending how it ended. It looks at bytes only, never fails, and
// takes time in proportion to them.
func Classify(data []byte, ending Ending) Outcome {
	if len(data) == 0 {
		switch ending {
		case EndClose:
			return OutcomeClosed
		case EndReset:
			return OutcomeReset
		case EndWaited:
			return OutcomeSilent
		}
		return OutcomeForeign
	}
	if o := foreign(data); o != OutcomeUnknown {
		return o
	}
	switch root := rootOf(data); {
	case ending == EndFull:
		return OutcomeOversize
	case ending == EndReset:
		return OutcomeReset
	case root == complete && ending == EndNUL:
		return OutcomePolicy
	case root == complete:
		return OutcomeNoNUL
	case ending == EndWaited && (root == begun || data[0] == '<'):
		return OutcomeUnfinished
	case root == begun && ending == EndNUL:
		return OutcomePolicy // a policy file with mistakes in it: Parse names them
	case root == begun:
		return OutcomeNoNUL
	}
	return OutcomeForeign
}

// foreign tells other protocols by their first bytes, as soon as those are there.
func foreign(data []byte) Outcome {
	switch {
	case len(data) >= 2 && (data[0] == 0x15 || data[0] == 0x16) && data[1] == 3:
		return OutcomeTLS // an alert or a handshake record
	case bytes.HasPrefix(data, []byte("HTTP/")):
		return OutcomeHTTP
	case startsFold(data, "<!doctype html"), startsFold(data, "<html"):
		return OutcomeHTTP // an error page without a header, as nginx sends to what it cannot read
	}
	return OutcomeUnknown
}

func startsFold(data []byte, prefix string) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) >= len(prefix) && bytes.EqualFold(data[:len(prefix)], []byte(prefix))
}

// progress of a policy file in what has come.
type progress uint8

const (
	none     progress = iota
	begun             // its root has begun
	complete          // and has ended
)

// rootOf looks for the root of either kind of policy file, not for its
// correctness.
func rootOf(data []byte) progress {
	for _, name := range [...]string{"cross-domain-policy", "access-policy"} {
		at := tagAt(data, "<"+name)
		if at < 0 {
			continue
		}
		rest := data[at:]
		if tagAt(rest, "</"+name) >= 0 {
			return complete
		}
		if end := bytes.IndexByte(rest, '>'); end > 0 && rest[end-1] == '/' {
			return complete
		}
		return begun
	}
	return none
}

// tagAt finds a tag by its beginning, which a name character must not follow.
func tagAt(data []byte, tag string) int {
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte(tag))
		if i < 0 {
			return -1
		}
		at += i
		if rest := data[at+len(tag):]; len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n/>"), rest[0]) >= 0 {
			return at
		}
		at += len(tag)
	}
}

// received returns what of an answer the client reads before it stops reading.
func (p *Profile) received(o *Observation) []byte {
	if p.Reads == ReadsToEnd || len(o.Reads) == 0 {
		return o.Data
	}
	n := 0
	if p.Reads == ReadsOnce {
		n = min(o.Reads[0], p.ReadSize)
	} else {
		for _, size := range o.Reads {
			n += size
			if size%p.ReadSize != 0 {
				break
			}
		}
	}
	return o.Data[:min(n, len(o.Data))]
}

// usable reports whether the client takes the observation for a policy.
func (p *Profile) usable(o *Observation) bool {
	return o.Outcome == OutcomePolicy || o.Outcome == OutcomeNoNUL && (!p.NeedsNUL || o.Status != 0)
}

// read parses what the client has read. The second result is true where the
// client stopped before the end.
func (p *Profile) read(o *Observation) (*policy.Policy, policy.Problems, bool) {
	data := p.received(o)
	pol, err := policy.Parse(data)
	return pol, policy.ProblemsOf(err), len(data) < len(o.Data)
}
