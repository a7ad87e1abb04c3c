package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

// TestCheck is about what the rules' own examples do not show.
func TestCheck(t *testing.T) {
	socket := Options{Kind: KindSocket}
	const exact = `<allow-access-from domain="www.example.com" to-ports="9000"/>`
	for _, c := range []struct {
		name string
		in   string
		opt  Options
		want string
	}{
		{"a wildcard in a comment", socketExample("<!-- <allow-access-from domain=\"*\" to-ports=\"*\"/>", "-->"), socket, "[]"},
		{"a wildcard behind a reference", socketExample(`<allow-access-from domain="&#42;" to-ports="&#x2A;"/>`), socket,
			"[shipped-default@1:1 any-domain-any-port@3:22 character-reference@3:30 character-reference@3:47]"},
		{"a wildcard in CDATA", socketExample(`<![CDATA[<allow-access-from domain="*" to-ports="*"/>]]>`), socket, "[stray-text@3:3]"},
		{"the whole range spelled out", socketExample(`<allow-access-from domain="a.example.com" to-ports="1-65535"/>`), socket, "[any-port@3:55]"},
		{"a scheme before everyone", socketExample(`<allow-access-from domain="https://*" to-ports="9000"/>`), socket, "[any-domain@3:30]"},
		{"a padded wildcard", socketExample(`<allow-access-from domain=" * " to-ports="9000"/>`), socket, "[padding@3:30]"},
		{"ports for to-ports", socketExample(`<allow-access-from domain="www.example.com" ports="9000"/>`), Options{}, "[missing-to-ports@3:3 unknown-attribute@3:47]"},
		{"a single label", socketExample(`<allow-access-from domain="*.com" to-ports="9000"/>`), socket, "[public-suffix@3:30]"},
		{"a private suffix", socketExample(`<allow-access-from domain="*.github.io" to-ports="9000"/>`), socket, "[public-suffix@3:30]"},
		{"many sensitive ports", socketExample(`<allow-access-from domain="www.example.com" to-ports="22,25,445,1433,3306,3389,5432,6379"/>`), socket, "[sensitive-port@3:57]"},
		{"private addresses", socketExample(`<allow-access-from domain="10.1.2.3" to-ports="9000"/>`, `<allow-access-from domain="[::1]" to-ports="9000"/>`, `<allow-access-from domain="printer.local" to-ports="9000"/>`), socket,
			"[private-host@3:30 private-host@4:30 private-host@5:30]"},
		{"needed ports", socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`), Options{Kind: KindSocket, Needed: policy.Ports(9000)}, "[wide-range@3:57]"},
		{"shadowed by a suffix", socketExample(`<allow-access-from domain="*.example.com" to-ports="9000"/>`, exact), socket, "[suffix-wildcard@3:30 shadowed-rule@4:3]"},
		{"shadowed by a later one", socketExample(exact, `<allow-access-from domain="*" to-ports="9000"/>`), socket, "[shadowed-rule@3:3 any-domain@4:30]"},
		{"secure does not shadow", socketExample(`<allow-access-from domain="*" to-ports="9000" secure="true"/>`, exact), socket, "[any-domain@3:30]"},
		{"a socket's secure default", socketExample(exact, `<allow-access-from domain="www.example.com" to-ports="9000" secure="false"/>`), socket, "[duplicate-rule@4:3]"},
		{"a URL's secure default differs", flashFile(`<allow-access-from domain="www.example.com" secure="true"/>`, `<allow-access-from domain="www.example.com"/>`), Options{Kind: KindURL}, "[shadowed-rule@2:3]"},
		{"by name", flashFile(`<allow-access-from domain="*"/>`), Options{File: `C:\inetpub\CrossDomain.xml`}, "[shipped-default@1:1 any-domain@2:30]"},
		{"by content", flashFile(`<allow-access-from domain="www.example.com"/>`), Options{}, "[]"},
		{"to-ports for a URL", flashFile(`<allow-access-from domain="www.example.com" to-ports="80"/>`), Options{Kind: KindURL}, "[dead-rule@2:47]"},
		{"plain HTTP has no secure", flashFile(`<allow-access-from domain="www.example.com" secure="false"/>`), Options{URL: "http://example.org/crossdomain.xml"}, "[]"},
		{"no Content-Type", flashFile(`<allow-access-from domain="www.example.com"/>`), Options{URL: "http://example.org/crossdomain.xml", Fetched: true}, "[content-type@1:1]"},
		{"not at the root", flashFile(`<site-control permitted-cross-domain-policies="by-content-type"/>`), Options{URL: "http://example.org/a/crossdomain.xml", Fetched: true, ContentType: "text/xml"}, "[content-type@1:1 meta-not-master@2:3]"},
		{"a web page", "<html><body>404</body></html>", socket, "[wrong-root@1:1]"},
		{"above one segment", socketExample("<!-- " + strings.Repeat("why ", 300) + "-->"), socket, "[too-long@1:1]"},
		{"a policy without rules", flashFile(), Options{}, "[meta-absent@1:1]"},
		{"deny all", flashFile(`<site-control permitted-cross-domain-policies="none"/>`), Options{}, "[]"},
		{"http and secure", socketExample(`<allow-access-from domain="http://a.example.com" to-ports="9000" secure="true"/>`), socket, "[dead-rule@3:3]"},
		{"Silverlight for everyone", silverlightExample(`<allow-from http-request-headers="*"><domain uri="http://*"/></allow-from>`, `<grant-to><resource path="/" include-subpaths="true"/></grant-to>`), Options{},
			"[headers-from-anyone@4:41 any-domain@4:57]"},
		{"Silverlight, misspelled", silverlightExample(`<allow-from><domain url="*"/></allow-from>`, `<grant-to><socket-resource ports="4502" protocol="tcp"/></grant-to>`), Options{},
			"[missing-attribute@4:19 unknown-attribute@4:27 missing-attribute@5:17 unknown-attribute@5:34]"},
		{"Silverlight, all ports", silverlightExample(`<allow-from><domain uri="*"/></allow-from>`, `<grant-to><socket-resource port="*" protocol="tcp"/></grant-to>`), Options{}, "[any-domain-any-port@4:27]"},
		{"Silverlight over HTTPS", silverlightExample(`<allow-from><domain uri="http://www.example.com:8080/"/></allow-from>`, `<grant-to><resource path="/a"/></grant-to>`), Options{URL: "https://example.org/clientaccesspolicy.xml"}, "[insecure@4:32]"},
		{"Silverlight, nobody", silverlightExample(`<allow-from/>`, `<grant-to><resource path="/a"/></grant-to>`), Options{}, "[dead-rule@3:5]"},
		{"Silverlight, another root", flashFile(), Options{Kind: KindSilverlight}, "[wrong-root@1:1]"},
		{"Silverlight, unknown and misplaced", "<access-policy><policy/><x><y/></x>a</access-policy>", Options{}, "[misplaced-element@1:16 unknown-element@1:25 stray-text@1:36]"},
		{"two identical Silverlight domains", silverlightExample(`<allow-from><domain uri="http://a.example.com"/><domain uri="http://a.example.com"/></allow-from>`, `<grant-to><resource path="/a"/></grant-to>`), Options{}, "[duplicate-rule@4:55]"},
		{"nothing", "", Options{}, "[not-well-formed@1:1]"},
		{"minimum", socketExample(`<allow-access-from domain="*.example.com" to-ports="9000"/>`), Options{Minimum: Warning}, "[]"},
		{"the reason on another line", socketExample("<!-- port843:ignore any-domain,range-misread\n  the scores are public -->", `<allow-access-from domain="*" to-ports="9000-9001"/>`), socket, "[]"},
		{"one code too many", socketExample("<!-- port843:ignore any-domain,any-port the scores are public -->", `<allow-access-from domain="*" to-ports="9000"/>`), socket, "[ignore-unused@3:3]"},
		{"no such code", socketExample("<!-- port843:ignore all of them -->", `<allow-access-from domain="*" to-ports="9000"/>`), socket, "[ignore-malformed@3:3 any-domain@4:30]"},
		{"no code at all", socketExample("<!-- port843:ignore -->"), socket, "[ignore-malformed@3:3]"},
		{"another word", socketExample("<!-- port843:ignored -->"), socket, "[]"},
		{"only the next element", socketExample("<!-- port843:ignore any-domain the scores are public -->", exact, `<allow-access-from domain="*" to-ports="9001"/>`), socket, "[ignore-unused@3:3 any-domain@5:30]"},
		{"behind the last element", socketExample(exact, "<!-- port843:ignore any-domain the scores are public -->"), socket, "[ignore-unused@4:3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := codesAt(Check([]byte(c.in), c.opt)); got != c.want {
				t.Errorf("got  %s\nwant %s\n%s", got, c.want, c.in)
			}
		})
	}
}

// TestMessages holds the words for some findings, and that nothing of the
// file reaches them unescaped.
func TestMessages(t *testing.T) {
	for in, want := range map[string]string{
		socketExample(`<allow-access-from domain="www.example.com" ports="80"/>`): `ports="80": <allow-access-from> has no such attribute: it is ignored; did you mean to-ports?`,
		socketExample(`<allow-acces-from/>`):                                      `<allow-acces-from>: no such element: it is ignored; did you mean allow-access-from?`,
		socketExample(`<x/>`):                                                     `<x>: no such element: it is ignored`,
		"<html/>":                                                                 `<html>: the root element is not cross-domain-policy; this is a web page, perhaps one that says that the file was not found`,
		socketExample("<allow-access-from domain=\"a\u202eb\u009b\" to-ports=\"80\"/>"):           `domain="a\u202eb\u009b": only ASCII: write an international name in its xn-- form`,
		socketExample(`<allow-access-from domain="www.example.com" to-ports="22,6379"/>`):         `granted: 22 (SSH), 6379 (Redis)`,
		socketExample(`<allow-access-from domain="a.example.com" to-ports="20-150"/>`):            `granted: 22 (SSH), 23 (Telnet), 25 (SMTP), 53 (DNS), 110 (POP3), and 4 more`,
		socketExample(`<allow-access-from domain="*" to-ports="9000"/>`):                          `every site may connect to port 9000`,
		socketExample(`<allow-access-from domain="*" to-ports="*"/>`):                             `every site may connect to every port`,
		socketExample(`<allow-access-from domain="a.example.com" to-ports="9000" to_ports="1"/>`): `to_ports="1": <allow-access-from> has no such attribute: it is ignored; did you mean to-ports?`,
	} {
		findings := Check([]byte(in), Options{Kind: KindSocket})
		if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Message == want }) {
			t.Errorf("no message %q in %+v", want, findings)
		}
		for _, f := range findings {
			if strings.ContainsFunc(f.Message, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is not fit to be shown", f.Message)
			}
		}
	}
}

// TestFindingsEnd holds the ends of findings, which editors underline.
func TestFindingsEnd(t *testing.T) {
	in := "<cross-domain-policy><!-- \u00fc --><allow-access-from domain=\"*\"\n to-ports=\"*\"/></cross-domain-policy>"
	got := map[string]string{}
	for _, f := range Check([]byte(in), Options{}) {
		got[f.Code] = fmt.Sprintf("%s-%s %q", f.Pos, f.End, in[f.Pos.Offset:f.End.Offset])
	}
	for code, want := range map[string]string{
		"any-domain-any-port": `1:51-2:14 "domain=\"*\"\n to-ports=\"*\""`,
		"non-ascii":           `1:27-1:28 "ü"`,
		"meta-absent":         `1:1-1:22 "<cross-domain-policy>"`,
	} {
		if got[code] != want {
			t.Errorf("%s is at %s, want %s", code, got[code], want)
		}
	}
}

// TestManyFindings holds the bound, and that duplicates do not make it slow in
// the number of rules.
func TestManyFindings(t *testing.T) {
	var b strings.Builder
	b.WriteString("<cross-domain-policy>\n")
	for i := range 20000 {
		fmt.Fprintf(&b, "<allow-access-from domain=\"*\" to-ports=\"%d\"/>\n", i+1)
	}
	b.WriteString("</cross-domain-policy>")
	if got := len(Check([]byte(b.String()), Options{})); got != MaxFindings {
		t.Errorf("%d findings, want %d", got, MaxFindings)
	}
}

func TestApply(t *testing.T) {
	const head, tail = "<cross-domain-policy>\n", "</cross-domain-policy>\n"
	for _, c := range []struct {
		name, in, want string
		n              int
	}{
		{"a byte order mark", "\ufeff" + head + tail, head + tail, 1},
		{"a duplicate with its line",
			head + "\t<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/>\n\t<allow-access-from domain=\"A.example.com\" to-ports=\"80\"/> \r\n" + tail,
			head + "\t<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/>\n" + tail, 1},
		{"a duplicate on the line",
			head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/><allow-access-from domain=\"a.example.com\" to-ports=\"80\"/><!-- x -->\n" + tail,
			head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/><!-- x -->\n" + tail, 1},
		{"a range", head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80-82\"/>\n" + tail, head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80,81,82\"/>\n" + tail, 1},
		{"a reference", head + "<allow-access-from domain=\"&#97;.example.com\" to-ports=\"80\"/>\n" + tail, head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/>\n" + tail, 1},
		{"a long range stays", head + "<allow-access-from domain=\"a.example.com\" to-ports=\"9000-9050\"/>\n" + tail, head + "<allow-access-from domain=\"a.example.com\" to-ports=\"9000-9050\"/>\n" + tail, 0},
		{"a duplicate with children stays", head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/><allow-access-from domain=\"a.example.com\" to-ports=\"80\"><!-- x --></allow-access-from>\n" + tail,
			head + "<allow-access-from domain=\"a.example.com\" to-ports=\"80\"/><allow-access-from domain=\"a.example.com\" to-ports=\"80\"><!-- x --></allow-access-from>\n" + tail, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			findings := Check([]byte(c.in), Options{Kind: KindSocket})
			got, applied := Apply([]byte(c.in), findings)
			if n := len(applied); string(got) != c.want || n != c.n {
				t.Errorf("%d fixes give %q, want %d and %q", n, got, c.n, c.want)
			}
		})
	}
}

// TestApplyOverlapping holds that of two overlapping fixes the first counts,
// and that edits outside the text are refused.
func TestApplyOverlapping(t *testing.T) {
	fix := func(edits ...Edit) Finding { return Finding{Fix: &Fix{Edits: edits}} }
	got, applied := Apply([]byte("abcdef"), []Finding{fix(Edit{3, 5, "X"}), fix(Edit{0, 1, ""}, Edit{4, 6, "Y"}), fix(Edit{5, 9, "Z"}), fix(Edit{1, 2, "BB"})})
	if n := len(applied); string(got) != "aBBcXf" || n != 2 {
		t.Errorf("%q with %d fixes", got, n)
	}
}

func TestNames(t *testing.T) {
	for _, s := range []Severity{Note, Warning, Error} {
		if got, ok := ParseSeverity(s.String()); !ok || got != s {
			t.Errorf("%s reads as %s", s, got)
		}
	}
	for k := KindAuto; k <= KindSilverlight; k++ {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%s reads as %s", k, got)
		}
	}
	if _, ok := ParseSeverity("fatal"); ok {
		t.Error("a severity that there is not")
	}
	if _, ok := ParseKind("xml"); ok {
		t.Error("a kind that there is not")
	}
}
