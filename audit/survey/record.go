package survey

import (
	"net/netip"
	"slices"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/internal/dial"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// Record is one line of a scan's output: an observation with what follows from
// it. All texts in it that came from the other side are fit to be shown, except
// those of conversations and of policy, which JSON escapes.
type Record struct {
	Version       int                  `json:"v"`
	Time          time.Time            `json:"time"`
	IP            netip.Addr           `json:"ip"`
	Port          uint16               `json:"port"`
	Name          string               `json:"name,omitempty"` // as the target was given
	Class         audit.Class          `json:"class"`
	Confidence    float64              `json:"confidence"`
	Faults        []audit.Fault        `json:"faults"`
	Product       string               `json:"product"`
	ICMP          *dial.ICMP           `json:"icmp"`
	Timing        audit.Timing         `json:"timing"` // milliseconds
	Findings      []Finding            `json:"findings"`
	Policy        *Policy              `json:"policy,omitempty"`
	Life          *audit.Life          `json:"life,omitempty"`
	Inside        audit.Class          `json:"inside,omitempty"`
	HTTP          *audit.HTTP          `json:"http,omitempty"`
	RPC           *audit.RPC           `json:"rpc,omitempty"`
	Banner        string               `json:"banner,omitempty"`
	Why           string               `json:"why"`
	Change        *Change              `json:"change,omitempty"` // against a baseline
	Conversations []audit.Conversation `json:"conversations,omitempty"`
}

// RecordVersion is the version of Record's fields. It grows when one changes
// its meaning, not when one is added.
const RecordVersion = 1

// Severity is how grave a finding is: "note", "warning" or "error".
type Severity string

const (
	Note    Severity = "note"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Rank orders severities: 0 for none, then note, warning, error.
func (s Severity) Rank() int {
	switch s {
	case Note:
		return 1
	case Warning:
		return 2
	case Error:
		return 3
	}
	return 0
}

// Finding is one thing that is wrong with a policy.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Message  string   `json:"message"`
	Gain     string   `json:"gain,omitempty"` // what an attacker gains
	Hint     string   `json:"hint,omitempty"` // what to do about it
}

// MaxFindings bounds the findings of a record: a hostile policy has thousands.
const MaxFindings = 100

// Linter finds what is wrong with a policy document. web says that it is a
// crossdomain.xml, silverlight that it is an access-policy; servedFrom is the
// port that it came from.
type Linter func(document []byte, web, silverlight bool, servedFrom uint16) []Finding

// Policy is a policy file with the field names that Censys uses.
type Policy struct {
	SiteControl     string   `json:"site_control"`
	AllowAccessFrom []Access `json:"allow_access_from"`
}

// Access is one allow-access-from. Secure is as written: "", "true" or "false".
type Access struct {
	Domain  string `json:"domain"`
	ToPorts string `json:"to_ports"`
	Secure  string `json:"secure"`
}

// MaxAccess bounds the rules that a record lists.
const MaxAccess = 1000

func newPolicy(document []byte) *Policy {
	p, _ := policy.Parse(document)
	out := &Policy{AllowAccessFrom: []Access{}}
	if p.Meta != policy.MetaUnset {
		out.SiteControl = p.Meta.String()
	}
	if p.Doc == nil {
		return out
	}
	for i := range p.Doc.Elements {
		e := &p.Doc.Elements[i]
		if e.Name != "allow-access-from" || len(out.AllowAccessFrom) == MaxAccess {
			continue
		}
		out.AllowAccessFrom = append(out.AllowAccessFrom, Access{Domain: value(e, "domain"), ToPorts: value(e, "to-ports"), Secure: value(e, "secure")})
	}
	return out
}

func value(e *policy.Element, name string) string {
	if a := e.Attr(name); a != nil {
		return escape.Text(a.Value, 1000)
	}
	return ""
}

// NewRecord makes a record of an observation. lint may be nil: then only what
// the policy's grammar says is found.
func NewRecord(o *audit.Observation, lint Linter, now time.Time) Record {
	r := Record{
		Version: RecordVersion, Time: now.UTC().Truncate(time.Millisecond),
		IP: o.Target.Addr.Addr().Unmap(), Port: o.Target.Addr.Port(), Name: o.Target.Name,
		Class: o.Class, Confidence: o.Confidence, Faults: o.Faults, Product: o.Product, ICMP: o.ICMP, Timing: o.Timing,
		Inside: o.Inside, HTTP: o.HTTP, RPC: o.RPC, Banner: o.Banner, Why: o.Why, Conversations: o.Conversations,
		Findings: []Finding{},
	}
	if r.Faults == nil {
		r.Faults = []audit.Fault{}
	}
	if len(o.Document) == 0 {
		r.Conversations = shortened(o.Conversations)
		return r
	}
	silverlight := o.Class == audit.ClassSilverlight
	web := !o.Class.IsPolicy()
	if !silverlight {
		r.Policy = newPolicy(o.Document)
	}
	if lint == nil {
		lint = Grammar
	}
	if found := lint(o.Document, web, silverlight, r.Port); found != nil {
		r.Findings = found
	}
	return r
}

// recordData bounds what a record keeps of a conversation that is no policy: the
// longest signature, RTMP's, has 1,537 bytes.
const recordData = 4096

func shortened(cs []audit.Conversation) []audit.Conversation {
	cs = slices.Clone(cs)
	for i := range cs {
		if c := &cs[i]; len(c.Data) > recordData {
			if len(c.Tail) == 0 {
				c.Tail = c.Data[len(c.Data)-256:]
			}
			c.Data = c.Data[:recordData]
		}
	}
	return cs
}

// Grammar is the Linter that knows the grammar only: what grants nothing.
func Grammar(document []byte, web, silverlight bool, _ uint16) []Finding {
	if silverlight {
		return nil
	}
	p, err := policy.Parse(document)
	problems := policy.ProblemsOf(err)
	if !web {
		problems = append(problems, p.CheckSocket()...)
	}
	var out []Finding
	for _, each := range problems {
		severity := Warning
		switch each.Effect {
		case policy.EffectNoted:
			severity = Note
		case policy.EffectVoid:
			severity = Error
		}
		out = append(out, Finding{Code: string(each.Code), Severity: severity, Line: int(each.Pos.Line), Column: int(each.Pos.Col), Message: each.Msg})
	}
	return out
}

// Worst returns the gravest severity among the findings, "" without any.
func (r *Record) Worst() Severity {
	var worst Severity
	for _, f := range r.Findings {
		if f.Severity.Rank() > worst.Rank() {
			worst = f.Severity
		}
	}
	return worst
}

// Anyone reports whether the policy lets pages from anywhere reach some port.
// One that Flash Player does not get lets nobody in.
func (r *Record) Anyone() bool {
	if slices.ContainsFunc(r.Faults, audit.Fault.Fatal) {
		return false
	}
	if r.Policy == nil || r.Class != audit.ClassPolicy && (r.HTTP == nil || r.HTTP.Crossdomain != "policy") {
		return false
	}
	for _, a := range r.Policy.AllowAccessFrom {
		if a.Domain == "*" && (a.ToPorts != "" || r.Class != audit.ClassPolicy) && r.Policy.SiteControl != "none" {
			return true
		}
	}
	return false
}
