package player

import (
	"context"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

// TestNearestRule wants the advice to be about the rule that a careful person
// would change: never to open one for everybody where another is meant.
func TestNearestRule(t *testing.T) {
	const rules = `<cross-domain-policy>
<site-control permitted-cross-domain-policies="master-only"/>
<allow-access-from domain="*" to-ports="7000"/>
<allow-access-from domain="*.physics.example.edu" to-ports="9000"/>
<allow-access-from domain="lab.physics.example.edu" to-ports="9010,9011" secure="true"/>
</cross-domain-policy>`
	for _, x := range []struct{ from, to, says, line string }{
		{"http://lab.physics.example.edu/a.swf", "192.0.2.7:9010", "load the SWF over https", "line 5"},
		{"https://lab.physics.example.edu/a.swf", "192.0.2.7:9012", "add 9012 to the ports of the rule", "line 5"},
		{"http://lab.physics.example.edu/a.swf", "192.0.2.7:9012", "add 9012 to the ports of the rule", "line 4"},
		{"http://www.physics.example.edu/a.swf", "192.0.2.7:9012", "add 9012 to the ports of the rule", "line 4"},
		{"http://www.example.com/a.swf", "192.0.2.7:9012", `add <allow-access-from domain="www.example.com" to-ports="9012"/>`, "xmlsocket://192.0.2.7:843"},
	} {
		from, err := policy.ParseRequestor(x.from)
		if err != nil {
			t.Fatal(err)
		}
		target, err := ParseTarget(x.to)
		if err != nil {
			t.Fatal(err)
		}
		q := Question{From: from, Target: target, Client: Profiles()[0]}
		table, err := Given{Policy: []byte(rules), ServedFrom: policy.MasterPort}.Apply(&q)
		if err != nil {
			t.Fatal(err)
		}
		advice := Advise(Decide(context.Background(), table, q))
		if len(advice) == 0 || !strings.Contains(advice[0].What, x.says) || !strings.Contains(advice[0].Where, x.line) {
			t.Errorf("%s to %s: %+v, want %q at %s", x.from, x.to, advice, x.says, x.line)
		}
	}
}
