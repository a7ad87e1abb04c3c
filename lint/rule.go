package lint

import (
	"slices"
	"strings"

	"github.com/port843/port843/policy"
)

// Group is what a rule is about.
type Group uint8

const (
	Grants Group = iota // what is granted to whom
	Meta                // which other policy files count
	Form                // whether clients read the file as it is meant
)

var groupNames = [...]string{Grants: "Grants", Meta: "Meta-policy", Form: "Form"}

func (g Group) String() string { return groupNames[g] }

// Rule is one rule with its documentation. It is read only.
type Rule struct {
	Code     string // stable
	Name     string // a few words
	Group    Group
	Severity Severity // of its findings, unless Finds says otherwise
	Finds    string   // what it finds, and where it is silent
	Gain     string   // what an attacker gains
	Clients  string   // which clients still honour what it is about
	Fix      string   // what to do
	Bad      Example  // breaks this rule and no other
	Good     Example  // the same without a finding

	on       kinds
	check    func(*subject)                         // nil where the reader finds it all
	problems []policy.Code                          // what of the reader's findings are its own
	extra    func(*subject, *policy.Problem) string // more to say about such a finding
}

// Kinds returns the kinds of policy file that the rule applies to.
func (r *Rule) Kinds() []Kind {
	var out []Kind
	for k := KindSocket; k <= KindSilverlight; k++ {
		if r.on&(1<<k) != 0 {
			out = append(out, k)
		}
	}
	return out
}

// Example is a file with what is known about it.
type Example struct {
	Text    string
	Options Options
	At      string // line:column of the finding; "" in a good one
}

// kinds is a set of Kind, as bits.
type kinds uint8

const (
	onSocket      kinds = 1 << KindSocket
	onURL         kinds = 1 << KindURL
	onSilverlight kinds = 1 << KindSilverlight
	onFlash             = onSocket | onURL
	onAll               = onFlash | onSilverlight
)

// Rules returns all rules, by group and in the order of the documentation.
func Rules() []*Rule { return slices.Clone(ruleList[:]) }

// RuleByCode returns the rule of that code, or nil.
func RuleByCode(code string) *Rule {
	for _, r := range ruleList {
		if r.Code == code {
			return r
		}
	}
	return nil
}

// problemRules says which rule reports what the reader found.
var problemRules = func() map[policy.Code]*Rule {
	m := make(map[policy.Code]*Rule)
	for _, r := range ruleList {
		for _, code := range r.problems {
			m[code] = r
		}
	}
	return m
}()

// Which clients honour what. Silverlight and Flash Player have ended; what
// runs today is what old installations, kiosks and Acrobat keep alive.
const (
	clientsSocket      = "Flash Player 9.0.124 and later, AIR outside its application sandbox, Lightspark, the Unity Web Player; Ruffle asks for no policy"
	clientsURL         = "Acrobat and Reader today, for scripts and forms in PDF; Flash Player and Lightspark where they still run"
	clientsFlash       = "over HTTP Acrobat and Reader today; over sockets and HTTP Flash Player, AIR outside its application sandbox and Lightspark where they still run"
	clientsSilverlight = "Silverlight 2 and later, and Moonlight, where they still run"
	clientsAll         = clientsFlash + "; Silverlight's file: Silverlight and Moonlight"
	clientsNone        = "none: it is about how people read the file"
)

// The examples' frames.
func socketExample(rules ...string) string {
	return flashFile(append([]string{`<site-control permitted-cross-domain-policies="master-only"/>`}, rules...)...)
}

func flashFile(rules ...string) string {
	return "<cross-domain-policy>\n  " + strings.Join(rules, "\n  ") + "\n</cross-domain-policy>\n"
}

func silverlightExample(allow, grant string) string {
	return "<access-policy>\n  <cross-domain-access>\n    <policy>\n      " + allow + "\n      " + grant + "\n    </policy>\n  </cross-domain-access>\n</access-policy>\n"
}
