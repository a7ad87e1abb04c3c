package server_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

func TestNewAnswerRefuses(t *testing.T) {
	for _, doc := range []string{
		"", "<cross-domain-policy>", "\xef\xbb\xbf<cross-domain-policy/>",
		`<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>`,
		`<cross-domain-policy><allow-access-from domain="*.com" to-ports="80"/></cross-domain-policy>`,
		`<cross-domain-policy><site-control permitted-cross-domain-policies="by-content-type"/></cross-domain-policy>`,
	} {
		a, err := server.NewAnswer([]byte(doc))
		if ps := policy.ProblemsOf(err); a != nil || len(ps) == 0 || !ps[0].Pos.IsValid() {
			t.Errorf("%q: %v, %v; want problems with places", doc, a, err)
		}
	}
	if _, err := server.New(server.Options{}).Start(nil, server.Policies{}); !errors.Is(err, server.ErrNoPolicy) {
		t.Errorf("no policy: %v", err)
	}
}

func TestAnswerWarnings(t *testing.T) {
	for _, c := range []struct {
		rules string
		want  string
	}{
		{ruleA, ""},
		{strings.Repeat(ruleA, 25), "TCP segment"},
		{strings.Repeat(ruleA, 90), "Lightspark may stop"},
		{`<allow-access-from domain="a.example" to-ports="9000-9099"/>`, "Unity leaves the last one out"},
		{`<unknown/>`, "no such element"},
	} {
		got := answer(t, c.rules).Warnings().Error()
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%.60s: warnings %q, want one with %q", c.rules, got, c.want)
		}
	}
}

func TestDenyAll(t *testing.T) {
	a := server.DenyAll()
	p := a.Policy()
	if p.Meta != policy.MetaNone || len(p.Rules) != 0 || a.Size() > policy.AdvisedSize || len(a.Digest()) != 64 {
		t.Errorf("%s", a.Document())
	}
	if d := p.Allows(policy.Requestor{Scheme: "http", Host: "a.example"}, 80, policy.MasterPort); d.Allowed || d.Reason != policy.ReasonMeta {
		t.Errorf("%+v", d)
	}
}
