package aggregate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// Source is a place in a file that an input came from. The zero value is no
// place: made by a program, not read.
type Source struct {
	File string // as it was named to whoever read it
	Pos  policy.Pos
}

// String returns file:line:column, as far as it is known.
func (s Source) String() string {
	switch {
	case !s.Pos.IsValid():
		return s.File
	case s.File == "":
		return s.Pos.String()
	}
	return fmt.Sprintf("%s:%s", s.File, s.Pos)
}

// At returns another place in the same file, or the same where p is no place.
func (s Source) At(p policy.Pos) Source {
	if !p.IsValid() {
		return s
	}
	return Source{s.File, p}
}

// Owner is a department: what it may open, to whom, and on which addresses.
type Owner struct {
	Name      string // unique
	Addresses []netip.Addr
	Hosts     []string        // its virtual hosts; may be empty
	Ports     policy.PortSet  // what it may open
	Domains   []policy.Domain // whom it may let in; "*" must be among them to let in anyone
	Source    Source
}

// Service is something that listens, as the table of the machine names it.
type Service struct {
	Name    string     // unique
	Host    string     // the virtual host it belongs to; may be empty
	Address netip.Addr // the zero value: each of its owner's addresses
	Ports   policy.PortSet
	Allow   []policy.Domain
	Secure  bool // only requestors over HTTPS

	Source     Source // of the service; the places below are in the same file
	HostPos    policy.Pos
	AddressPos policy.Pos
	PortsPos   policy.Pos
	AllowPos   []policy.Pos // parallel to Allow; may be shorter
}

// Fragment is a policy file of an owner, read with [ReadFragment].
type Fragment struct {
	File  string
	rules []fileRule
	bad   []*Refusal // why it grants nothing; without the owner
	notes []*Warning // what of it means nothing here; without the owner
}

type fileRule struct {
	grant                    policy.Grant
	pos, domainPos, portsPos policy.Pos
}

// ReadFragment reads a policy file that is called file. It never fails: what
// is wrong with the file is refused when its owner's version is taken.
func ReadFragment(file string, data []byte) Fragment {
	p, err := policy.Parse(data)
	f := Fragment{File: file}
	at := func(pos policy.Pos) Source { return Source{file, pos} }
	refuse := func(problems policy.Problems) {
		for _, x := range problems {
			f.bad = append(f.bad, &Refusal{Code: CodeParse, Source: at(x.Pos), Value: x.Value, Problem: x, Msg: withoutPos(x)})
		}
	}
	problems := policy.ProblemsOf(err)
	if p.Void { // what else is wrong follows from that
		problems = slices.DeleteFunc(problems, func(x *policy.Problem) bool { return x.Effect != policy.EffectVoid })
	} else {
		refuse(p.CheckSocket())
	}
	refuse(problems.Refusing())
	for _, x := range problems {
		if x.Effect == policy.EffectIgnored {
			f.note(WarnIgnored, at(x.Pos), withoutPos(x))
		}
	}
	switch {
	case p.Meta == policy.MetaNone && len(p.Rules) > 0 && !p.Void:
		f.bad = append(f.bad, &Refusal{Code: CodeMeta, Source: at(p.MetaPos), Msg: `the meta-policy "none" takes back every rule of the file`})
	case p.Meta != policy.MetaUnset && p.Meta != policy.MetaNone:
		f.note(WarnMeta, at(p.MetaPos), "the meta-policy is the machine's, not a fragment's: it is left out")
	}
	if len(p.Headers) > 0 {
		f.note(WarnIgnored, at(p.Headers[0].Pos), "rules for HTTP headers mean nothing to sockets: they are left out")
	}
	if len(p.Identities) > 0 {
		f.note(WarnIgnored, at(p.Identities[0].Pos), "identities mean nothing to sockets: they are left out")
	}
	f.rules = make([]fileRule, 0, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.Dead && !r.NoPorts && !p.Void {
			f.rules = append(f.rules, fileRule{policy.Grant{Domain: r.Domain, Secure: r.Secure == policy.SecureTrue, Ports: r.Ports}, r.Pos, r.DomainPos, r.PortsPos})
		}
	}
	return f
}

func (f *Fragment) note(code WarningCode, at Source, msg string) {
	f.notes = append(f.notes, &Warning{Code: code, Source: at, Msg: msg})
}

// withoutPos is the text of a problem without the place that its Source says.
func withoutPos(x *policy.Problem) string {
	y := *x
	y.Pos = policy.Pos{}
	return y.Error()
}

// UnreadFragment stands for a file that could not be read, err says why: its
// owner's version is refused for it.
func UnreadFragment(file string, err error) Fragment {
	return Fragment{File: file, bad: []*Refusal{{Code: CodeRead, Source: Source{File: file}, Err: err, Msg: err.Error()}}}
}

// Version is everything that an owner says at one time. Whoever makes one
// leaves its slices alone afterwards.
type Version struct {
	Owner     Owner
	Services  []Service
	Fragments []Fragment
}

// Input is one statement of an owner: a rule of a fragment, or a domain that a
// service allows. It is read only.
type Input struct {
	Owner   string
	Service string // empty: a rule of a fragment
	Grant   policy.Grant
	Address netip.Addr // the zero value: every address of the machine
	Source  Source

	lo, hi string // the interval of the domain
}

// String returns who says it: owner, service and place.
func (in *Input) String() string {
	parts := make([]string, 0, 3)
	if in.Owner != "" {
		parts = append(parts, in.Owner)
	}
	if in.Service != "" {
		parts = append(parts, "service "+in.Service)
	}
	if at := in.Source.String(); at != "" {
		parts = append(parts, at)
	}
	return strings.Join(parts, ", ")
}
