package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/port843/port843/policy"
)

// Answer is a policy made ready to be sent. It is immutable and may be shared
// between listeners and servers.
type Answer struct {
	wire   []byte // the document and one NUL
	policy *policy.Policy
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
	return &Answer{wire: wire, policy: p, digest: hex.EncodeToString(sum[:])}, nil
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

// Warnings returns what is not wrong but will trouble some client: the size,
// and ranges of ports that Lightspark and Unity misread.
func (a *Answer) Warnings() []string {
	var out []string
	switch n := a.Size(); {
	case n > policy.SafeSize:
		out = append(out, fmt.Sprintf("the answer has %d bytes: over %d, Lightspark may stop reading in the middle and Unity cuts it off at 5,000", n, policy.SafeSize))
	case n > policy.AdvisedSize:
		out = append(out, fmt.Sprintf("the answer has %d bytes: over %d, it does not fit one TCP segment everywhere", n, policy.AdvisedSize))
	}
	for i := range a.policy.Rules {
		if r := &a.policy.Rules[i]; !r.Ports.Portable() {
			out = append(out, fmt.Sprintf("%s: the range in to-ports=%q is misread by Lightspark (its first port only) and by Unity (without its last)", r.PortsPos, r.Ports))
		}
	}
	return out
}

// Policies are the answers of one listener: one for every local address that
// has its own, and one for all others.
type Policies struct {
	Default *Answer
	// ByAddress is by the local address that the client connected to, IPv4
	// ones not mapped into IPv6. It costs one system call an exchange where
	// it is not empty. The map must not be changed after it was handed over.
	ByAddress map[netip.Addr]*Answer
}

// forLocal returns the answer for a connection to a local address, which is
// looked up only where it matters.
func (p *Policies) forLocal(local func() netip.Addr) *Answer {
	if len(p.ByAddress) > 0 {
		if a := p.ByAddress[local().Unmap().WithZone("")]; a != nil {
			return a
		}
	}
	return p.Default
}
