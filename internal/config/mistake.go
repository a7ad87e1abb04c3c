package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Code names a kind of mistake. Codes are stable: programs may depend on them.
type Code string

// The mistakes of a config. Besides these, a domain or a port set that is
// refused has policy's code for it.
const (
	CodeTOML      Code = "not-toml"         // not TOML; nothing behind it was looked at
	CodeTooLarge  Code = "too-large"        // over MaxSize
	CodeUnknown   Code = "unknown-key"      // a key that nothing reads
	CodeKind      Code = "wrong-kind"       // such as a number where a list was meant
	CodeMissing   Code = "missing-key"      // a key that must be there
	CodeEmpty     Code = "empty"            // an empty value
	CodeName      Code = "bad-name"         // of an owner or service
	CodeTwice     Code = "twice"            // a second owner, service, listener or value of that name
	CodeAddress   Code = "bad-address"      // no IP address, or no address and port
	CodeHost      Code = "bad-host"         // no host name
	CodeChoice    Code = "not-a-choice"     // not one of the words that are allowed
	CodeLimit     Code = "bad-limit"        // a number or duration out of bounds
	CodePath      Code = "bad-path"         // a glob that does not parse
	CodeNoOwner   Code = "no-such-owner"    // a service of an owner that is not there
	CodeTwoTables Code = "policy-and-table" // a policy file and owners: two answers to one question
	CodeMore      Code = "and-more"         // more than MaxMistakes
	CodeSharing   Code = "host-of-two"      // a host of two owners
	CodeBounds    Code = "out-of-bounds"    // more than the owner may
	CodeOrigin    Code = "bad-origin"       // not a page's scheme and host
	CodePairs     Code = "not-in-pairs"     // certificates without keys, or the other way round
	CodeAlone     Code = "goes-with"        // a key that says nothing without another
	CodeOnePort   Code = "one-port"         // a service with a backend and several ports
)

// MaxMistakes is how many mistakes are reported; after these only "and more".
const MaxMistakes = 1000

// Mistake is one mistake in a config file.
type Mistake struct {
	File  string
	Pos   policy.Pos
	Key   string // such as owner[2].ports, counted from 1; empty where the file is no TOML
	Code  Code
	Value string // as written, where a value is wrong; escape it before it is shown
	Msg   string // fit to be shown
}

// Error returns file:line:column: key: what is wrong, fit to be shown.
func (m *Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Pos.IsValid() {
		fmt.Fprintf(&b, ":%s", m.Pos)
	}
	b.WriteString(": ")
	if m.Key != "" {
		fmt.Fprintf(&b, "%s: ", m.Key)
	}
	if m.Value != "" {
		fmt.Fprintf(&b, "\"%s\": ", escape.Text(m.Value, 80))
	}
	b.WriteString(m.Msg)
	return b.String()
}

// Mistakes are the mistakes of a file in the order of their places. As an
// error it has a line for each.
type Mistakes []*Mistake

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.As find the single mistakes.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}

// MistakesOf returns the mistakes in err, which may be nil.
func MistakesOf(err error) Mistakes {
	var ms Mistakes
	if errors.As(err, &ms) {
		return ms
	}
	return nil
}

func (ms Mistakes) sorted() Mistakes {
	slices.SortStableFunc(ms, func(a, b *Mistake) int { return int(a.Pos.Offset) - int(b.Pos.Offset) })
	return ms
}
