package player

import (
	"net/netip"
	"time"

	"github.com/port843/port843/policy"
)

// Answer is what a verdict says.
type Answer uint8

const (
	Undetermined Answer = iota // policies do not tell, or could not be had
	Permitted
	Denied
)

var answerNames = [...]string{"undetermined", "permitted", "denied"}

func (a Answer) String() string { return answerNames[a] }

// Reason is why a verdict is as it is: a closed set of stable names.
type Reason string

const (
	ReasonRule       Reason = "rule"        // permitted: a rule grants
	ReasonExempt     Reason = "exempt"      // permitted: the client needs no policy for this
	ReasonNoRule     Reason = "no-rule"     // denied: policies were read, and no rule grants
	ReasonMasterOnly Reason = "master-only" // denied: so by the master, and no other file counts
	ReasonMetaNone   Reason = "meta-none"   // denied: the meta-policy is none
	ReasonNoPolicy   Reason = "no-policy"   // denied: no policy could be had
	ReasonPort       Reason = "port"        // denied: a port to which the client never connects
	ReasonAddress    Reason = "address"     // denied: an address that the client cannot use
	ReasonHangs      Reason = "hangs"       // denied: the client waits for ever
	ReasonNeverAsks  Reason = "never-asks"  // undetermined: the client asks no policies
	ReasonUnknown    Reason = "unknown"     // undetermined: what the client does is not known
	ReasonDiffers    Reason = "differs"     // undetermined: it depends on the address that is taken
	ReasonUnresolved Reason = "unresolved"  // undetermined: the name has no address
	ReasonUnroutable Reason = "unroutable"  // undetermined: this machine has no way to the address
	ReasonFailed     Reason = "failed"      // undetermined: this machine could not ask
	ReasonCancelled  Reason = "cancelled"   // undetermined: the context ended
)

// Role is what a policy is to the question.
type Role uint8

const (
	RoleMaster      Role = iota // port 843 (943), or /crossdomain.xml
	RoleDestination             // the destination port itself
	RoleLoaded                  // named by Security.loadPolicyFile
	RoleOldHTTP                 // /crossdomain.xml on port 80, for sockets before 9.0.124
)

var roleNames = [...]string{"master", "destination", "loaded", "old-http"}

func (r Role) String() string { return roleNames[r] }

// NoteCode is the kind of a [Note].
type NoteCode string

const (
	NoteSilent   NoteCode = "silent"   // the documentation is silent: the stricter reading was taken
	NoteDisputed NoteCode = "disputed" // two sources disagree: which was taken
	NoteClient   NoteCode = "client"   // what this client makes of it
	NoteOffline  NoteCode = "offline"  // what had to be assumed without a network
	NoteProblem  NoteCode = "problem"  // a mistake in a policy
)

// Note is a remark on a verdict; its text is fit to be shown.
type Note struct {
	Code NoteCode `json:"code"`
	Text string   `json:"text"`
}

// Source is a policy that was looked for, and what the client makes of it.
type Source struct {
	Role        Role
	Location    Location
	Addr        netip.Addr // that was asked; not valid offline
	Observation *Observation
	Counts      bool   // the client decides by it
	Why         string // why not; fit to be shown
	Cut         bool   // the client has read the beginning of it only

	Policy *policy.Policy // nil where none came, or an access-policy
	Access *AccessPolicy  // Silverlight's
}

// StepKind is the kind of a [Step].
type StepKind string

const (
	StepClient  StepKind = "client"  // a rule of the client that needs no policy
	StepResolve StepKind = "resolve" // the name was looked up
	StepAsk     StepKind = "ask"     // a policy was asked for
	StepMeta    StepKind = "meta"    // a meta-policy was applied
	StepRule    StepKind = "rule"    // a rule was applied, or none
	StepIgnore  StepKind = "ignore"  // a location was left out
	StepConnect StepKind = "connect" // the destination was tried
)

// Step is one thing that the client does. Times are the client's: it gives up
// where its limit says, even where this package listens on.
type Step struct {
	Kind   StepKind
	At     time.Duration // since the beginning
	Took   time.Duration
	Addr   netip.Addr // whose steps these are; not valid before the look-up
	Source *Source    // with StepAsk, StepMeta and StepRule
	Meta   policy.MetaPolicy
	Place  Location // with StepIgnore
	Text   string   // one line, fit to be shown
}

// Finding is the answer at one address.
type Finding struct {
	Addr    netip.Addr
	Answer  Answer
	Reason  Reason
	Because string       // one line, fit to be shown
	Rule    *policy.Rule // that grants, or that came nearest; may be nil
	Miss    policy.Miss  // why the nearest does not grant
	By      *Source      // whose rule or meta-policy decided; may be nil
	Sources []*Source
	Wait    time.Duration // what the client waits before it knows
	Reach   *Observation  // of the destination; nil where it was not tried
}

// answers reports whether anything at the address accepts a connection.
func (f *Finding) answers() bool {
	for _, s := range f.Sources {
		if s.Observation.Outcome.Connects() {
			return true
		}
	}
	return f.Reach != nil && f.Reach.Outcome.Connects()
}

// Verdict is the answer to a [Question]. It embeds the finding that decided;
// where addresses differ, Addresses has each.
type Verdict struct {
	Finding
	Question  Question
	Client    *Profile
	Addresses []*Finding
	Steps     []Step
	Notes     []Note
}

// note adds a remark once.
func (v *Verdict) note(code NoteCode, text string) {
	for _, n := range v.Notes {
		if n.Text == text {
			return
		}
	}
	v.Notes = append(v.Notes, Note{code, text})
}

// Event is what the program in the client sees, or empty.
func (v *Verdict) Event() string {
	switch {
	case v.Client == nil:
	case v.Answer == Denied && v.Reason != ReasonHangs:
		return v.Client.Denied
	case v.Answer == Permitted && v.Reach != nil && v.Reach.Outcome != OutcomeUnknown && v.Reach.Outcome != OutcomeConnected:
		return v.Client.Unreachable
	}
	return ""
}
