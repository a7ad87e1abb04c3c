package policy

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// documented returns the literal lines of the permitted and prohibited blocks
// in a function's comment, so that what is documented is what is tested.
func documented(t *testing.T, file, function string) (permitted, prohibited []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != function {
			continue
		}
		into := &permitted
		for _, c := range fn.Doc.List {
			line, literal := strings.CutPrefix(c.Text, "//\t")
			if strings.HasPrefix(c.Text, "// Prohibited") {
				into = &prohibited
			}
			if literal {
				line, _, _ = strings.Cut(line, " (")
				if line == "(empty)" {
					line = ""
				}
				*into = append(*into, line)
			}
		}
	}
	if len(permitted) < 3 || len(prohibited) < 3 {
		t.Fatalf("%s documents %d permitted and %d prohibited lines", function, len(permitted), len(prohibited))
	}
	return permitted, prohibited
}

func TestDocumentedDomains(t *testing.T) {
	permitted, prohibited := documented(t, "domain.go", "ParseDomain")
	for _, s := range permitted {
		d, err := ParseDomain(s)
		if err != nil || d.String() != s {
			t.Errorf("ParseDomain(%q) = %v, %v", s, d, err)
		}
	}
	for _, s := range prohibited {
		d, err := ParseDomain(s)
		var v *ValueError
		if !errors.As(err, &v) || v.Value != s || d != (Domain{}) {
			t.Errorf("ParseDomain(%q) = %v, %v; want a ValueError and the zero Domain", s, d, err)
		}
	}
}

func TestDocumentedPorts(t *testing.T) {
	permitted, prohibited := documented(t, "ports.go", "ParsePorts")
	for _, s := range permitted {
		if p, err := ParsePorts(s); err != nil || p.IsEmpty() {
			t.Errorf("ParsePorts(%q) = %v, %v", s, p, err)
		}
	}
	for _, s := range prohibited {
		p, err := ParsePorts(s)
		var v *ValueError
		if !errors.As(err, &v) || !p.IsEmpty() {
			t.Errorf("ParsePorts(%q) = %v, %v; want a ValueError", s, p, err)
		}
	}
}

func TestDomainCodes(t *testing.T) {
	for _, c := range []struct {
		in   string
		code Code
	}{
		{"", CodeDomainEmpty},
		{" * ", CodeDomainPadding},
		{"*\t", CodeDomainPadding},
		{"ftp://a.example", CodeDomainScheme},
		{"*.com", CodeDomainTopLevel},
		{"*.localhost", CodeDomainTopLevel},
		{"*.0.34.166", CodeDomainWildcard},
		{"*.example.*", CodeDomainWildcard},
		{"**", CodeDomainWildcard},
		{"a..b", CodeDomainSyntax},
		{"example.com.", CodeDomainSyntax},
		{".example.com", CodeDomainSyntax},
		{"300.1.2.3", CodeDomainSyntax},
		{"1.2.3", CodeDomainSyntax},
		{"[::1", CodeDomainSyntax},
		{"[127.0.0.1]", CodeDomainSyntax},
		{"fe80::1%eth0", CodeDomainSyntax},
		{strings.Repeat("a", 64) + ".example", CodeDomainSyntax},
		{strings.Repeat("a.", 127) + "ab", CodeDomainSyntax},
		{"http://", CodeDomainSyntax},
		{"exa mple.com", CodeDomainSyntax},
	} {
		_, err := ParseDomain(c.in)
		var v *ValueError
		if !errors.As(err, &v) || v.Code != c.code {
			t.Errorf("ParseDomain(%q): %v, want code %s", c.in, err, c.code)
		}
	}
}

func TestDomainMatches(t *testing.T) {
	for _, c := range []struct {
		domain, from string
		want         bool
	}{
		{"*", "http://anything.test/a.swf", true},
		{"*", "http://192.0.2.1/a.swf", true},
		{"*", "file:///a.swf", true},
		{"*", "app:/a.swf", true},
		{"*.example.com", "http://example.com/a.swf", true},
		{"*.example.com", "http://a.b.example.com/a.swf", true},
		{"*.example.com", "http://badexample.com/a.swf", false},
		{"*.example.com", "file:///a.swf", false},
		{"WWW.Example.COM", "http://www.EXAMPLE.com:8080/a.swf", true},
		{"www.example.com", "http://example.com/a.swf", false},
		{"127.0.0.1", "http://localhost/", false},
		{"localhost", "file:///a.swf", false},
		{"::1", "http://[0:0:0:0:0:0:0:1]/a.swf", true},
		{"[2001:DB8::1]", "https://[2001:db8:0::1]:8443/a.swf", true},
		{"http://*.example.com", "https://www.example.com/a.swf", false},
		{"https://*", "https://www.example.com/a.swf", true},
		{"https://*", "file:///a.swf", false},
		{"exam-ple_1.com", "http://exam-ple_1.com/", true},
	} {
		d, err := ParseDomain(c.domain)
		if err != nil {
			t.Errorf("ParseDomain(%q): %v", c.domain, err)
			continue
		}
		from, err := ParseRequestor(c.from)
		if err != nil {
			t.Errorf("ParseRequestor(%q): %v", c.from, err)
			continue
		}
		if got := d.Matches(from); got != c.want {
			t.Errorf("%s matches %s: %v, want %v", c.domain, c.from, got, c.want)
		}
	}
	if (Domain{}).Matches(Requestor{Scheme: "http", Host: ""}) {
		t.Error("the zero Domain matches")
	}
}

func TestParseRequestor(t *testing.T) {
	for _, bad := range []string{"", "www.example.com", "http://", "http:///a.swf", "mailto:a@b", "http://b\xc3\xbccher.example/", "http://%ff/", "http://a b/", "://x"} {
		if r, err := ParseRequestor(bad); err == nil {
			t.Errorf("ParseRequestor(%q) = %v, want an error", bad, r)
		}
	}
	for in, want := range map[string]string{
		"HTTP://WWW.Example.Com:80/x?y#z": "http://www.example.com",
		"https://[::0001]/":               "https://[::1]",
		"app:/a.swf":                      "app://",
		"file:///c:/a.swf":                "file://",
	} {
		r, err := ParseRequestor(in)
		if err != nil || r.String() != want {
			t.Errorf("ParseRequestor(%q) = %v, %v; want %s", in, r, err, want)
		}
	}
}

func TestPortSetStrings(t *testing.T) {
	for _, c := range []struct {
		in, short, enumerated string
		portable              bool
	}{
		{"*", "*", "*", true},
		{"1-65535", "*", "*", true},
		{"80", "80", "80", true},
		{"516-523,507,507", "507,516-523", "507,516,517,518,519,520,521,522,523", true},
		{"9000-9015", "9000-9015", "9000,9001,9002,9003,9004,9005,9006,9007,9008,9009,9010,9011,9012,9013,9014,9015", true},
		{"9000-9016", "9000-9016", "9000-9016", false},
		{"3,2,1", "1-3", "1,2,3", true},
		{"8-11,98-101,998-1001,9998-10001,20000-20016", "8-11,98-101,998-1001,9998-10001,20000-20016", "8,9,10,11,98,99,100,101,998,999,1000,1001,9998,9999,10000,10001,20000-20016", false},
		{"65535,65534", "65534-65535", "65534,65535", true},
	} {
		p, err := ParsePorts(c.in)
		if err != nil {
			t.Errorf("ParsePorts(%q): %v", c.in, err)
			continue
		}
		if p.String() != c.short || p.Enumerated() != c.enumerated || p.Portable() != c.portable {
			t.Errorf("%q: %q, %q, portable %v", c.in, p.String(), p.Enumerated(), p.Portable())
		}
		if n := p.EnumeratedLen(); n != len(c.enumerated) {
			t.Errorf("%q: %q has %d bytes, not %d", c.in, c.enumerated, len(c.enumerated), n)
		}
		if !slices.Equal(slices.Collect(p.All()), p.Ranges()) {
			t.Errorf("%q: All and Ranges differ", c.in)
		}
	}
	if got := PortRanges(PortRange{0, 5}, PortRange{9, 7}).String(); got != "1-5" {
		t.Errorf("PortRanges leaves out what is no port: got %q", got)
	}
	if n := AllPorts().Len(); n != 65535 {
		t.Errorf("AllPorts has %d ports", n)
	}
}

func TestDomainAbove(t *testing.T) {
	for in, want := range map[string]string{
		"*":                   "*",
		"a.example.com":       "a.example.com *.a.example.com *.example.com *.com *",
		"*.example.com":       "*.example.com *.com *",
		"192.0.2.1":           "192.0.2.1 *",
		"https://example.com": "https://example.com example.com https://*.example.com *.example.com https://*.com *.com https://* *",
	} {
		d, err := ParseDomain(in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for above := range d.Above() {
			got = append(got, above.String())
			if !above.Covers(d) {
				t.Errorf("%s does not cover %s", above, d)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("above %s: %s, want %s", in, strings.Join(got, " "), want)
		}
		for range d.Above() {
			break
		}
	}
	for above := range (Domain{}).Above() {
		t.Errorf("the zero value is covered by %s", above)
	}
}

func TestPortSetAll(t *testing.T) {
	s := Ports(80, 443, 81)
	if got, want := slices.Collect(s.All()), s.Ranges(); !slices.Equal(got, want) || len(got) != 2 {
		t.Errorf("All yields %v, Ranges returns %v", got, want)
	}
}
