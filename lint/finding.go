package lint

import (
	"cmp"
	"slices"

	"github.com/port843/port843/policy"
)

// Severity is how grave a finding is.
type Severity uint8

const (
	Note    Severity = iota // worth knowing
	Warning                 // grants more than is likely meant, or some client misreads it
	Error                   // opens what should be closed, or grants nothing where something was meant
)

var severityNames = [...]string{Note: "note", Warning: "warning", Error: "error"}

func (s Severity) String() string { return severityNames[s] }

// ParseSeverity reads a severity by its name.
func ParseSeverity(name string) (Severity, bool) {
	i := slices.Index(severityNames[:], name)
	return Severity(max(i, 0)), i >= 0
}

// Kind is what a policy file is for.
type Kind uint8

const (
	KindAuto        Kind = iota // found out from the file's name and content
	KindSocket                  // cross-domain-policy, served by a socket policy server
	KindURL                     // cross-domain-policy, served over HTTP, HTTPS or FTP
	KindSilverlight             // access-policy, for URLs and sockets
)

var kindNames = [...]string{KindAuto: "auto", KindSocket: "socket", KindURL: "url", KindSilverlight: "silverlight"}

func (k Kind) String() string { return kindNames[k] }

// ParseKind reads a kind by its name.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}

// Options says what is known about a file beside its bytes. The zero value is
// right for a file about which nothing is known.
type Options struct {
	File string // its name, as findings show it; crossdomain.xml tells its kind
	Kind Kind

	// ServedFrom is the port that a socket policy is served from; 0: unknown.
	ServedFrom uint16
	// URL is where a URL policy came from, or is to be served at; "": unknown.
	URL string
	// ContentType and Redirect are what a web server said: the Content-Type
	// header, and the URL that it redirected to. Fetched says that it was asked,
	// so that an empty ContentType means that there was none.
	Fetched     bool
	ContentType string
	Redirect    string

	// Trusted are the domains that may be let in; empty: no list.
	Trusted []policy.Domain
	// Needed are the ports that have a service behind them; empty: unknown.
	Needed policy.PortSet

	// Minimum is the least severity that is returned.
	Minimum Severity
}

// Finding is one place where a rule is broken.
type Finding struct {
	Code     string // of the Rule
	Severity Severity
	File     string
	Pos      policy.Pos // no place: it concerns how the file was served
	End      policy.Pos // just behind it
	Message  string     // what is wrong here; one line, fit to be shown
	Gain     string     // what an attacker gains
	Hint     string     // what to do about it
	Fix      *Fix       // nil where no fix is certain
}

// Fix is a change that no known client can tell, except those that
// misread the file before.
type Fix struct {
	Message string // what it does
	Edits   []Edit // ascending, not overlapping
}

// Edit replaces the bytes Start up to End by New.
type Edit struct {
	Start, End int
	New        string
}

// MaxFindings bounds what Check returns. The largest file that is read has
// policy.MaxElements rules; nobody reads more findings than this.
const MaxFindings = 1000

func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Pos.Offset, b.Pos.Offset),
		-cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.End.Offset, b.End.Offset),
		cmp.Compare(a.Message, b.Message),
	)
}

// Apply carries out the certain fixes of findings, which Check returned for
// data, and returns the new text and the findings whose fixes it holds. Of two
// that overlap the first counts; check again for the other. data is not
// changed.
func Apply(data []byte, findings []Finding) (fixed []byte, applied []Finding) {
	var edits []Edit
	for _, f := range findings {
		if f.Fix == nil || slices.ContainsFunc(f.Fix.Edits, func(e Edit) bool {
			return e.Start < 0 || e.Start > e.End || e.End > len(data) || slices.ContainsFunc(edits, e.overlaps)
		}) {
			continue
		}
		edits = append(edits, f.Fix.Edits...)
		applied = append(applied, f)
	}
	slices.SortFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	at := 0
	for _, e := range edits {
		fixed = append(fixed, data[at:e.Start]...)
		fixed = append(fixed, e.New...)
		at = e.End
	}
	return append(fixed, data[at:]...), applied
}

func (e Edit) overlaps(f Edit) bool { return e.Start < f.End && f.Start < e.End || e.Start == f.Start }
