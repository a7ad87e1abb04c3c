package policy

import (
	"strings"
	"testing"
)

func TestTidy(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"attributes", "<cross-domain-policy><allow-access-from\n  secure = 'true' to-ports='81,80-82' x='a\"b' domain='WWW.Example.com'></allow-access-from></cross-domain-policy>",
			"<cross-domain-policy>\n  <allow-access-from domain=\"www.example.com\" to-ports=\"80,81,82\" secure=\"true\" x=\"a&quot;b\"/>\n</cross-domain-policy>\n"},
		{"headers and a reference", `<cross-domain-policy><allow-http-request-headers-from headers="SOAPAction, X-Foo*" domain="&#42;"/></cross-domain-policy>`,
			"<cross-domain-policy>\n  <allow-http-request-headers-from domain=\"*\" headers=\"SOAPAction,X-Foo*\"/>\n</cross-domain-policy>\n"},
		{"what is wrong stays", `<cross-domain-policy><allow-access-from domain=" * " to-ports="80, 81" secure="Yes"/></cross-domain-policy>`,
			"<cross-domain-policy>\n  <allow-access-from domain=\" * \" to-ports=\"80, 81\" secure=\"Yes\"/>\n</cross-domain-policy>\n"},
		{"comments and blank lines", "\ufeff<?xml version='1.0'?>\r\n<!DOCTYPE cross-domain-policy SYSTEM \"a.dtd\">\r\n\r\n\r\n<!-- one\r\n     two -->\r\n<cross-domain-policy>\r\n\r\n<site-control permitted-cross-domain-policies=\"none\"/><!-- why -->\r\n\r\n<!-- below -->\r\n\r\n</cross-domain-policy>\r\n<!-- end -->\x00",
			"<?xml version='1.0'?>\n<!DOCTYPE cross-domain-policy SYSTEM \"a.dtd\">\n\n<!-- one\n     two -->\n<cross-domain-policy>\n  <site-control permitted-cross-domain-policies=\"none\"/> <!-- why -->\n\n  <!-- below -->\n</cross-domain-policy>\n<!-- end -->\n"},
		{"text", "<a> some\n text <![CDATA[<b/>]]>&amp;<?pi x?></a >", "<a>\n  some\n text\n  <![CDATA[<b/>]]>\n  &amp;\n  <?pi x?>\n</a>\n"},
		{"Silverlight", "<access-policy><cross-domain-access><policy><allow-from><domain uri='*'/></allow-from></policy></cross-domain-access></access-policy>",
			"<access-policy>\n  <cross-domain-access>\n    <policy>\n      <allow-from>\n        <domain uri=\"*\"/>\n      </allow-from>\n    </policy>\n  </cross-domain-access>\n</access-policy>\n"},
		{"only a comment inside", "<a><!-- c --></a>", "<a> <!-- c -->\n</a>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Tidy([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s(%v)", got, c.want, err)
			}
			if again, err := Tidy(got); err != nil || string(again) != string(got) {
				t.Errorf("again\n%s(%v)", again, err)
			}
		})
	}
}

func TestTidyRefuses(t *testing.T) {
	for _, in := range []string{"", "<a>", "<a/><a/>", "<a b=1/>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a/>", "<a>&b;</a>"} {
		got, err := Tidy([]byte(in))
		if got != nil || len(ProblemsOf(err)) == 0 || !ProblemsOf(err)[0].Pos.IsValid() {
			t.Errorf("Tidy(%q) is %q, %v", in, got, err)
		}
	}
}

func FuzzTidy(f *testing.F) {
	for _, seed := range []string{adobeExample, "<a> b <!-- c --> <d e='\"'/>\r\n</a>", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a b='\xe9'>\xe9</a>",
		wrap(`<allow-access-from domain="*" to-ports="9-8"/><allow-http-request-headers-from domain="a.example" headers="X, Y*"/>`)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tidy, err := Tidy(data)
		if err != nil {
			return
		}
		again, err := Tidy(tidy)
		if err != nil || string(again) != string(tidy) {
			t.Fatalf("not the same again (%v):\n%q\n%q\n%q", err, data, tidy, again)
		}
		before, _ := Parse(data)
		after, _ := Parse(tidy)
		if before.Void != after.Void || before.Meta != after.Meta || !before.Grants(MasterPort).Equal(after.Grants(MasterPort)) {
			t.Fatalf("the meaning has changed:\n%q\n%q", data, tidy)
		}
		if len(before.Rules) != len(after.Rules) || len(before.Headers) != len(after.Headers) || len(before.Identities) != len(after.Identities) || len(before.Doc.Comments) != len(after.Doc.Comments) {
			t.Fatalf("something is lost:\n%q\n%q", data, tidy)
		}
		for i := range before.Headers {
			a, b := before.Headers[i], after.Headers[i]
			if a.Domain != b.Domain || a.Dead != b.Dead || a.Secure != b.Secure || strings.Join(a.Headers, ",") != strings.Join(b.Headers, ",") {
				t.Fatalf("a header rule has changed: %+v, %+v", a, b)
			}
		}
		for i := range before.Rules {
			a, b := before.Rules[i], after.Rules[i]
			if a.Domain != b.Domain || a.Dead != b.Dead || a.NoPorts != b.NoPorts || a.Secure != b.Secure || !a.Ports.Equal(b.Ports) {
				t.Fatalf("a rule has changed: %+v, %+v", a, b)
			}
		}
	})
}
