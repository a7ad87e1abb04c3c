package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const adobeExample = `<?xml version="1.0"?>
<!DOCTYPE cross-domain-policy SYSTEM "https://www.adobe.com/xml/dtds/cross-domain-policy.dtd">
<!-- Policy file for xmlsocket://socks.mysite.com -->
<cross-domain-policy>
	<allow-access-from domain="*" to-ports="507" />
	<allow-access-from domain="*.example.com" to-ports="507,516" />
	<allow-access-from domain='adobe.com' to-ports = "507,516-523" secure="true"/>
</cross-domain-policy>
`

func TestParsePositions(t *testing.T) {
	p, err := Parse([]byte(adobeExample))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) != 3 || p.Void || p.Meta != MetaUnset {
		t.Fatalf("%+v", p)
	}
	r := p.Rules[2]
	if r.Pos.String() != "7:2" || r.DomainPos.String() != "7:29" || r.PortsPos.String() != "7:52" {
		t.Errorf("positions: rule %s, domain %s, ports %s", r.Pos, r.DomainPos, r.PortsPos)
	}
	if r.Domain.String() != "adobe.com" || r.Ports.String() != "507,516-523" || r.Secure != SecureTrue {
		t.Errorf("rule: %v %v %v", r.Domain, r.Ports, r.Secure)
	}
	if len(p.Doc.Comments) != 1 || p.Doc.Comments[0].Pos.String() != "3:1" || p.Doc.Doctype.String() != "2:1" {
		t.Errorf("comments %+v, doctype %s", p.Doc.Comments, p.Doc.Doctype)
	}
}

func TestPositionsCountCharacters(t *testing.T) {
	p, _ := Parse([]byte("<cross-domain-policy><!-- ü\r\n éé --><allow-access-from domain=\"x\"/>\n<nope/></cross-domain-policy>"))
	if got := p.Rules[0].Pos.String(); got != "2:8" {
		t.Errorf("the rule is at %s, want 2:8", got)
	}
}

// wrap puts rules into a file, one line below the root.
func wrap(rules string) string {
	return "<cross-domain-policy>\n" + rules + "\n</cross-domain-policy>"
}

func TestParseProblems(t *testing.T) {
	const rule = `<allow-access-from domain="a.example" to-ports="80"/>`
	deep := strings.Repeat("<x>", MaxDepth+1)
	for _, c := range []struct {
		name, in string
		want     []string // "code effect line:col", in order
	}{
		{"nothing", "", []string{"empty void 1:1"}},
		{"only white space", " \n\x00", []string{"empty void 1:1"}},
		{"no element", "<!-- x -->", []string{"empty void 1:1"}},
		{"bom", "\xef\xbb\xbf" + wrap(rule), []string{"bom noted 1:1"}},
		{"utf-16 be", "\xfe\xff\x00<", []string{"utf-16 void 1:1"}},
		{"utf-16 le", "<\x00c\x00", []string{"utf-16 void 1:1"}},
		{"space before the declaration", "\n <?xml version=\"1.0\"?>" + wrap(rule), []string{"leading-bytes void 1:1"}},
		{"bytes before", "HTTP/1.1 200 OK\r\n\r\n" + wrap(rule), []string{"leading-bytes void 1:1"}},
		{"declaration late", "<!-- --><?xml version=\"1.0\"?>" + wrap(rule), []string{"leading-bytes void 1:9"}},
		{"not xml", "hello", []string{"not-well-formed void 1:1"}},
		{"declared encoding", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" + wrap(rule), []string{"encoding void 1:31"}},
		{"latin 1 in a comment", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!-- \xe9 -->" + wrap(rule), []string{"non-ascii noted 1:49"}},
		{"not utf-8", wrap("<!-- \xe9 -->" + rule), []string{"non-ascii noted 2:6", "encoding void 2:6"}},
		{"control character", wrap("<!-- \x01 -->" + rule), []string{"not-well-formed void 2:6"}},
		{"NUL within", wrap("\x00" + rule), []string{"not-well-formed void 2:1", "text ignored 2:1"}},
		{"two roots", "<cross-domain-policy/>\n<cross-domain-policy/>", []string{"second-root void 2:1"}},
		{"text behind", "<cross-domain-policy/>x", []string{"trailing-content void 1:23"}},
		{"text within", wrap("x" + rule), []string{"text ignored 2:1"}},
		{"cdata within", wrap("<![CDATA[<allow-access-from domain=\"*\" to-ports=\"*\"/>]]>"), []string{"text ignored 2:1"}},
		{"other root", "<other-root/>", []string{"root void 1:1"}},
		{"case of the root", "<Cross-Domain-Policy/>", []string{"root void 1:1"}},
		{"never closed", "<cross-domain-policy>\n" + rule, []string{"not-well-formed void 1:1"}},
		{"closed by another", wrap("<allow-access-from domain=\"a.example\" to-ports=\"80\">"), []string{"not-well-formed void 2:1"}},
		{"closes nothing", wrap("</allow-access-from>"), []string{"not-well-formed void 2:1"}},
		{"less-than in a value", wrap(`<allow-access-from domain="a<b"/>`), []string{"domain-syntax no-grant 2:28", "not-well-formed void 2:29"}},
		{"duplicate attribute", wrap(`<allow-access-from domain="a.example" domain="*" to-ports="80"/>`), []string{"duplicate-attribute void 2:39"}},
		{"no quotes", wrap(`<allow-access-from domain=* to-ports="80"/>`), []string{"missing-attribute no-grant 2:1", "not-well-formed void 2:27"}},
		{"no space between", wrap(`<allow-access-from domain="a.example"to-ports="80"/>`), []string{"not-well-formed void 2:38"}},
		{"two hyphens", "<!-- a -- b -->" + wrap(rule), []string{"not-well-formed void 1:1"}},
		{"entity", wrap(`<allow-access-from domain="&all;" to-ports="80"/>`), []string{"entity void 2:28", "domain-empty no-grant 2:28"}},
		{"internal subset", "<!DOCTYPE cross-domain-policy [<!ENTITY all \"*]>\">\n]>" + wrap(rule), []string{"internal-subset void 1:31"}},
		{"too deep", deep, []string{"root void 1:1", "too-deep void 1:49"}},
		{"unknown element", wrap("<allow/>" + rule), []string{"unknown-element ignored 2:1"}},
		{"within unknown", wrap("<x>" + rule + "</x>"), []string{"unknown-element ignored 2:1"}},
		{"misplaced", wrap("<certificate fingerprint=\"a\" fingerprint-algorithm=\"sha-1\"/>"), []string{"misplaced-element ignored 2:1"}},
		{"unknown attribute", wrap(`<allow-access-from domain="a.example" ports="80"/>`), []string{"unknown-attribute ignored 2:39"}},
		{"no domain", wrap(`<allow-access-from to-ports="80"/>`), []string{"missing-attribute no-grant 2:1"}},
		{"bad ports", wrap(`<allow-access-from domain="a.example" to-ports="80, 90"/>`), []string{"ports-padding no-grant 2:49"}},
		{"secure", wrap(`<allow-access-from domain="a.example" to-ports="80" secure="yes"/>`), []string{"secure-value no-grant 2:61"}},
		{"two mistakes in a rule", wrap(`<allow-access-from domain="*.com" to-ports="0"/>`), []string{"domain-top-level no-grant 2:28", "ports-range no-grant 2:45"}},
		{"meta-policy", wrap(`<site-control permitted-cross-domain-policies="some"/>`), []string{"meta-policy-value no-grant 2:48"}},
		{"meta-policy twice", wrap(`<site-control permitted-cross-domain-policies="all"/>` + "\n" + `<site-control permitted-cross-domain-policies="none"/>`), []string{"meta-policy-twice no-grant 3:1"}},
		{"headers", wrap(`<allow-http-request-headers-from domain="*" headers="X-A,,B"/>`), []string{"headers-value no-grant 2:54"}},
		{"declaration without version", "<?xml encoding=\"utf-8\"?>" + wrap(rule), []string{"not-well-formed void 1:7"}},
		{"doctype after the root", wrap(rule) + "<!DOCTYPE x>", []string{"not-well-formed void 3:23"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse([]byte(c.in))
			var got []string
			for _, x := range ProblemsOf(err) {
				effect := map[Effect]string{EffectNoted: "noted", EffectIgnored: "ignored", EffectNoGrant: "no-grant", EffectVoid: "void"}[x.Effect]
				got = append(got, fmt.Sprintf("%s %s %s", x.Code, effect, x.Pos))
			}
			if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
				t.Errorf("got  %s\nwant %s\n%v", strings.Join(got, "; "), strings.Join(c.want, "; "), err)
			}
			void := strings.Contains(strings.Join(c.want, " "), " void ")
			if p.Void != void {
				t.Errorf("void is %v, want %v", p.Void, void)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for _, in := range []string{
		adobeExample,
		"\r\n<cross-domain-policy/>",
		"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<cross-domain-policy></cross-domain-policy >",
		`<!DOCTYPE cross-domain-policy PUBLIC "-//x" 'y>z'><cross-domain-policy/>`,
		`<!DOCTYPE cross-domain-policy><cross-domain-policy/><!-- after --><?pi x?>` + "\n\x00",
		`<cross-domain-policy xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.adobe.com/xml/schemas/PolicyFile.xsd"/>`,
		wrap(`<allow-access-from domain="&#42;" to-ports="&#x38;0"></allow-access-from>`),
		wrap(`<allow-access-from-identity><signatory><certificate fingerprint="01:23" fingerprint-algorithm="sha-1"/></signatory></allow-access-from-identity>`),
		wrap(`<allow-http-request-headers-from domain="*.example.com" headers="Authorization, X-Foo*" secure="false"/>`),
		wrap(`<site-control permitted-cross-domain-policies="by-content-type"/>`),
	} {
		if _, err := Parse([]byte(in)); err != nil {
			t.Errorf("%s:\n%v", in, err)
		}
	}
	p, _ := Parse([]byte(wrap(`<allow-access-from domain="&#42;" to-ports="&#x38;0"/>`)))
	if p.Rules[0].Domain != AnyDomain() || p.Rules[0].Ports.String() != "80" {
		t.Errorf("character references are not expanded: %+v", p.Rules[0])
	}
}

func TestParseBounds(t *testing.T) {
	large := append([]byte("<cross-domain-policy>"), make([]byte, MaxSize)...)
	if p, err := Parse(large); !p.Void || ProblemsOf(err)[0].Code != CodeTooLarge {
		t.Errorf("a file over MaxSize: %v", err)
	}
	many := "<cross-domain-policy>" + strings.Repeat("<a/>", MaxElements) + "</cross-domain-policy>"
	p, err := Parse([]byte(many))
	ps := ProblemsOf(err)
	if !p.Void || ps[len(ps)-1].Code != CodeTooMany || len(ps) > MaxProblems+2 {
		t.Errorf("%d elements: %d problems, void %v", MaxElements, len(ps), p.Void)
	}
	var attrs strings.Builder
	for i := range MaxAttributes + 1 {
		fmt.Fprintf(&attrs, " a%d='x'", i)
	}
	if p, err := Parse([]byte("<cross-domain-policy" + attrs.String() + "/>")); !p.Void {
		t.Errorf("too many attributes: %v", err)
	}
}

func TestBillionLaughsIsNotExpanded(t *testing.T) {
	var b strings.Builder
	b.WriteString("<!DOCTYPE cross-domain-policy [\n<!ENTITY a0 \"*\">\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "<!ENTITY a%d \"&a%d;&a%d;\">\n", i, i-1, i-1)
	}
	b.WriteString("]>" + wrap(`<allow-access-from domain="&a29;" to-ports="*"/>`))
	p, err := Parse([]byte(b.String()))
	if !p.Void || ProblemsOf(err)[0].Code != CodeInternalSubset {
		t.Errorf("void %v, %v", p.Void, err)
	}
	from := Requestor{Scheme: "http", Host: "x.example"}
	if p.Allows(from, 80, MasterPort).Allowed {
		t.Error("a policy with an internal subset grants")
	}
}

func TestRefusing(t *testing.T) {
	_, err := Parse([]byte("\xef\xbb\xbf" + wrap(`<allow-access-from domain="*.com" ports="80"/><x/>`)))
	var codes []Code
	for _, p := range ProblemsOf(err).Refusing() {
		codes = append(codes, p.Code)
	}
	if len(codes) != 2 || codes[0] != CodeBOM || codes[1] != CodeDomainTopLevel {
		t.Errorf("refusing: %v of %v", codes, err)
	}
	var one *Problem
	if !errors.As(err, &one) {
		t.Error("errors.As finds no *Problem in Problems")
	}
}

func TestCheckSocket(t *testing.T) {
	p, err := Parse([]byte(wrap(`<site-control permitted-cross-domain-policies="by-content-type"/>` + "\n" + `<allow-access-from domain="a.example"/>`)))
	if err != nil {
		t.Fatal(err)
	}
	got := p.CheckSocket()
	if len(got) != 2 || got[0].Code != CodeMetaKind || got[1].Code != CodeMissingAttribute || got[1].Pos.String() != "3:1" {
		t.Errorf("%v", got)
	}
}

// TestDocumentIsWhole holds that elements, comments and others leave nothing
// but white space and end tags uncovered.
func TestDocumentIsWhole(t *testing.T) {
	in := "<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"a.dtd\">\n<?pi x?><!-- c -->\n<a>\n text <b></b>\n<c d=\"e\"/><![CDATA[x]]>\n</a>\n<!-- end -->\n"
	doc, problems := ParseDocument([]byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, o := range doc.Others {
		got = append(got, fmt.Sprintf("%d %s %q", o.Kind, o.Pos, in[o.Pos.Offset:o.End]))
	}
	want := []string{`0 1:1 "<?xml version=\"1.0\"?>"`, `1 2:1 "<!DOCTYPE a SYSTEM \"a.dtd\">"`, `2 3:1 "<?pi x?>"`, `3 5:2 "text"`, `4 6:11 "<![CDATA[x]]>"`}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
	for i, want := range []string{"7:5", "5:14", "6:11"} {
		if got := doc.Elements[i].End.String(); got != want {
			t.Errorf("<%s> ends at %s, want %s", doc.Elements[i].Name, got, want)
		}
	}
	open, _ := ParseDocument([]byte("<a><b></a>"))
	if open.Elements[1].End.IsValid() || !open.Elements[0].End.IsValid() {
		t.Error("an element that is never closed has an end, or one that is has none")
	}
}
