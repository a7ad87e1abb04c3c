package aggregate

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Code names why an input is refused. Codes are stable: programs may depend on
// them.
type Code string

// Why an input is refused.
const (
	CodeRead       Code = "unreadable"        // the file could not be read
	CodeParse      Code = "bad-policy"        // the file has a mistake; Refusal.Problem says which
	CodeMeta       Code = "grants-taken-back" // the meta-policy none beside rules
	CodePorts      Code = "port-not-owners"   // a port that the owner may not open
	CodeDomain     Code = "domain-not-owners" // a domain that the owner may not let in
	CodeAnyone     Code = "anyone"            // "*", and the owner may not let in anyone
	CodeAddress    Code = "address-not-owners"
	CodeHost       Code = "host-not-owners"
	CodePrivileged Code = "port-below-1024" // and the policy is served from 1024 or above
	CodeNothing    Code = "matches-nothing" // http:// and only HTTPS
	CodeNoPorts    Code = "no-ports"        // a service without a port
	CodeTooMuch    Code = "too-much"        // the rules of one owner, over Options.MaxShare
	CodeMore       Code = "and-more"        // beyond MaxRefusals
	CodeNoDomains  Code = "no-domains"      // a service that allows nobody
)

// MaxRefusals is how many refusals of one owner are said, and how many of its
// warnings; then only how many more refusals there are. So a department cannot
// flood a log.
const MaxRefusals = 100

// Refusal is one reason for which an owner's version is not taken.
type Refusal struct {
	Owner   string
	Service string // where it concerns one
	Code    Code
	Source  Source
	Value   string          // what is refused, as written; escape it before it is shown
	Problem *policy.Problem // for CodeParse
	Err     error           // for CodeRead
	Msg     string          // fit to be shown
}

// Error returns place, owner and reason, fit to be shown.
func (r *Refusal) Error() string {
	var b strings.Builder
	if at := r.Source.String(); at != "" {
		b.WriteString(escape.Text(at, 1024) + ": ")
	}
	b.WriteString(r.Owner)
	if r.Service != "" {
		b.WriteString(", service " + r.Service)
	}
	return b.String() + ": " + r.Msg
}

// Unwrap returns the problem or error beneath.
func (r *Refusal) Unwrap() error {
	if r.Problem != nil {
		return r.Problem
	}
	return r.Err
}

// WarningCode names a kind of [Warning]. Codes are stable.
type WarningCode string

// The kinds of warnings.
const (
	WarnIgnored WarningCode = "ignored"       // a part of a fragment that means nothing to sockets
	WarnMeta    WarningCode = "meta-policy"   // a fragment's meta-policy, which is left out
	WarnRange   WarningCode = "range"         // a range of ports stays, which Lightspark and Unity misread
	WarnAdvised WarningCode = "over-advised"  // longer than policy.AdvisedSize: more than one segment
	WarnSafe    WarningCode = "over-safe"     // longer than policy.SafeSize: some clients lose the end
	WarnMax     WarningCode = "over-max"      // longer than policy.MaxSize: no reader here takes it
	WarnShared  WarningCode = "shared-policy" // virtual hosts of several owners share an address
)

// Warning is something to know that refuses nothing.
type Warning struct {
	Code    WarningCode
	Owner   string     // where it concerns one
	Address netip.Addr // of the table, for those that concern one; the zero value: every other address
	Source  Source     // where there is one
	Msg     string     // fit to be shown
}

// String returns place and text, fit to be shown.
func (w *Warning) String() string {
	switch {
	case w.Source.File != "":
		return fmt.Sprintf("%s: %s: %s", escape.Text(w.Source.String(), 1024), w.Owner, w.Msg)
	case w.Owner != "":
		return w.Owner + ": " + w.Msg
	}
	return AddressName(w.Address) + ": " + w.Msg
}

// AddressName names the address of a table in a message.
func AddressName(a netip.Addr) string {
	if !a.IsValid() {
		return "all addresses"
	}
	return a.String()
}
