package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// Answer is a policy made ready to be sent. It is immutable and may be shared
// between listeners and servers.
type Answer struct {
	wire   []byte // the document and one NUL
	policy *policy.Policy
	noted  policy.Problems // that did not keep it from being served
	digest string
}

// NewAnswer parses and checks a policy document and makes an Answer of it. The
// document is sent as it is, byte for byte; the slice is copied.
//
// It refuses what does not say what its author meant: a document that is not
// well-formed, a rule that grants nothing because of a mistake in it, a socket
// rule without to-ports, a byte order mark. The error is [policy.Problems],
// all of them with their places.
func NewAnswer(document []byte) (*Answer, error) {
	p, err := policy.Parse(document)
	if refused := append(policy.ProblemsOf(err).Refusing(), p.CheckSocket()...); len(refused) > 0 {
		return nil, refused
	}
	wire := policy.Response(document)
	sum := sha256.Sum256(wire[:len(wire)-1])
	return &Answer{wire: wire, policy: p, noted: policy.ProblemsOf(err), digest: hex.EncodeToString(sum[:])}, nil
}

// PolicyAnswer makes an Answer of a policy that a program has made, in its
// canonical form. It refuses what NewAnswer refuses.
func PolicyAnswer(p *policy.Policy) (*Answer, error) { return NewAnswer(policy.Format(p)) }

// DenyAll returns the answer that permits nothing, promptly.
func DenyAll() *Answer {
	a, err := PolicyAnswer(policy.DenyAll())
	if err != nil {
		panic("server: the built-in policy does not parse: " + err.Error())
	}
	return a
}

// Policy returns what the answer says. It must not be changed.
func (a *Answer) Policy() *policy.Policy { return a.policy }

// Size returns the length of the answer on the wire in bytes, with its NUL.
func (a *Answer) Size() int { return len(a.wire) }

// Document returns a copy of the document, without the NUL.
func (a *Answer) Document() []byte { return append([]byte(nil), a.wire[:len(a.wire)-1]...) }

// Digest returns the SHA-256 of the document, in hexadecimal.
func (a *Answer) Digest() string { return a.digest }

// Warnings returns what is not wrong but will trouble some client: what a
// client ignores or stumbles over, the size, and ranges of ports that
// Lightspark and Unity misread.
func (a *Answer) Warnings() policy.Problems {
	out := slices.Clone(a.noted)
	note := func(code policy.Code, pos policy.Pos, format string, args ...any) {
		out = append(out, &policy.Problem{Code: code, Effect: policy.EffectNoted, Pos: pos, Msg: fmt.Sprintf(format, args...)})
	}
	switch n := a.Size(); {
	case n > policy.SafeSize:
		note(policy.CodeLong, policy.Pos{}, "the answer has %d bytes: over %d, Lightspark may stop reading in the middle of it, and Unity cuts it off at 5,000", n, policy.SafeSize)
	case n > policy.AdvisedSize:
		note(policy.CodeLong, policy.Pos{}, "the answer has %d bytes: over %d, it does not fit one TCP segment everywhere", n, policy.AdvisedSize)
	}
	for i := range a.policy.Rules {
		r := &a.policy.Rules[i]
		if strings.Contains(r.PortsText, "-") && !r.Ports.IsAll() {
			note(policy.CodeRange, r.PortsPos, "to-ports=%q: of a range Lightspark honours the first port only, and Unity leaves the last one out", r.PortsText)
		}
	}
	return out
}

// Policies are the answers of one listener: one for every local address that
// has its own, and one for all others.
type Policies struct {
	Default *Answer
	// ByAddress is by the local address that the client connected to, IPv4
	// ones not mapped into IPv6. With the native engine it costs one system call
	// an exchange where it is not empty. The map must not be changed after it
	// was handed over.
	ByAddress map[netip.Addr]*Answer
}

// For returns the answer for a connection that came in on a local address.
func (p *Policies) For(local net.Addr) *Answer {
	return p.at(func() netip.Addr { return addrOf(local).Addr() })
}

// at is For with an address that is looked up only where it matters.
func (p *Policies) at(local func() netip.Addr) *Answer {
	if len(p.ByAddress) > 0 {
		if a := p.ByAddress[local().Unmap().WithZone("")]; a != nil {
			return a
		}
	}
	return p.Default
}
