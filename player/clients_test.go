package player

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

func rules(body string) string { return "<cross-domain-policy>" + body + "</cross-domain-policy>" }

func rule(domain, ports string) string {
	return `<allow-access-from domain="` + domain + `" to-ports="` + ports + `"/>`
}

func meta(m string) string { return `<site-control permitted-cross-domain-policies="` + m + `"/>` }

const accessHead = `<access-policy><cross-domain-access><policy><allow-from><domain uri="*"/></allow-from><grant-to>`
const accessTail = `</grant-to></policy></cross-domain-access></access-policy>`

func access(ports string) string {
	return accessHead + `<socket-resource port="` + ports + `" protocol="tcp"/>` + accessTail
}

// TestClients decides the same question as each client does.
func TestClients(t *testing.T) {
	for _, x := range []struct {
		name, client, from, target string
		files                      map[string]string // location -> policy
		load                       []string
		want                       Answer
		reason                     Reason
		step                       string
	}{
		{name: "the guide: the destination is asked after the master", files: map[string]string{"xmlsocket://h:843": rules(""), "xmlsocket://h:9000": rules(rule("*", "9000"))},
			want: Permitted, reason: ReasonRule},
		{name: "master-only with a rule of its own", files: map[string]string{"xmlsocket://h:843": rules(meta("master-only") + rule("*", "*"))}, want: Permitted, reason: ReasonRule},
		{name: "by-content-type is none for sockets", files: map[string]string{"xmlsocket://h:843": rules(meta("by-content-type") + rule("*", "*"))}, want: Denied, reason: ReasonMetaNone},
		{name: "a void master", files: map[string]string{"xmlsocket://h:843": rules(meta("none")) + "x", "xmlsocket://h:9000": rules(rule("*", "9000"))}, want: Permitted, reason: ReasonRule,
			step: "not well-formed"},
		{name: "none in the destination's own", files: map[string]string{"xmlsocket://h:9000": rules(meta("none") + rule("*", "9000"))}, want: Denied, reason: ReasonNoPolicy,
			step: "its own site-control is none"},
		{name: "loadPolicyFile", files: map[string]string{"xmlsocket://h:5000": rules(rule("*", "9000"))}, load: []string{"xmlsocket://h:5000"}, want: Permitted, reason: ReasonRule},
		{name: "loadPolicyFile of another host", files: map[string]string{"xmlsocket://i:5000": rules(rule("*", "9000"))}, load: []string{"xmlsocket://i:5000"}, want: Denied,
			reason: ReasonNoPolicy, step: "the host that it came from only"},
		{name: "loadPolicyFile over HTTP", files: map[string]string{"http://h/crossdomain.xml": rules(rule("*", "9000"))}, load: []string{"http://h/crossdomain.xml"}, want: Denied,
			reason: ReasonNoPolicy, step: "a policy over HTTP authorises no socket"},
		{name: "loadPolicyFile under master-only", files: map[string]string{"xmlsocket://h:843": rules(meta("master-only")), "xmlsocket://h:5000": rules(rule("*", "9000"))},
			load: []string{"xmlsocket://h:5000"}, want: Denied, reason: ReasonMasterOnly, step: "is left out: the meta-policy is master-only"},
		{name: "a policy from 1023 for port 80", target: "h:80", files: map[string]string{"xmlsocket://h:1023": rules(rule("*", "*"))}, load: []string{"xmlsocket://h:1023"}, want: Permitted, reason: ReasonRule},
		{name: "a policy from 1024 for port 80", target: "h:80", files: map[string]string{"xmlsocket://h:1024": rules(rule("*", "*"))}, load: []string{"xmlsocket://h:1024"}, want: Denied, reason: ReasonNoRule},
		{name: "the target is 843 itself", target: "h:843", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "843"))}, want: Permitted, reason: ReasonRule},
		{name: "a file:// requestor and a name", from: "file:///a.swf", files: map[string]string{"xmlsocket://h:843": rules(rule("*.example.com", "*"))}, want: Denied, reason: ReasonNoRule,
			step: `only "*" matches`},
		{name: "a file:// requestor and *", from: "file:///a.swf", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "*"))}, want: Permitted, reason: ReasonRule},
		{name: "secure", files: map[string]string{"xmlsocket://h:843": rules(`<allow-access-from domain="*" to-ports="*" secure="true"/>`)}, want: Denied, reason: ReasonNoRule, step: "over https"},
		{name: "secure and https", from: "https://www.example.com/a.swf", files: map[string]string{"xmlsocket://h:843": rules(`<allow-access-from domain="*" to-ports="*" secure="true"/>`)}, want: Permitted, reason: ReasonRule},

		{name: "9.0.115 and its own host", client: "flash9.0.115", from: "http://h/a.swf", want: Permitted, reason: ReasonExempt},
		{name: "9.0.115, its own host, a low port", client: "flash9.0.115", from: "http://h/a.swf", target: "h:1023", want: Denied, reason: ReasonNoPolicy},
		{name: "9.0.115 and another host", client: "flash9.0.115", want: Denied, reason: ReasonNoPolicy},
		{name: "9.0.115 and HTTP", client: "flash9.0.115", files: map[string]string{"http://h/crossdomain.xml": rules(rule("*", "1"))}, want: Permitted, reason: ReasonRule},
		{name: "9.0.115 and HTTP for a low port", client: "flash9.0.115", target: "h:80", files: map[string]string{"http://h/crossdomain.xml": rules(rule("*", "*"))}, want: Denied, reason: ReasonNoPolicy},
		{name: "9.0.124 and its own host", client: "flash9.0.124", from: "http://h/a.swf", want: Denied, reason: ReasonNoPolicy},
		{name: "AIR outside", client: "air", from: "http://h/a.swf", want: Denied, reason: ReasonNoPolicy},
		{name: "AIR inside", client: "air-application", from: "app://a.swf", want: Permitted, reason: ReasonExempt},
		{name: "AIR inside, content from the web", client: "air-application", want: Denied, reason: ReasonNoPolicy},

		{name: "Lightspark and a range's first port", client: "lightspark", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "80,9000-9010"))}, want: Permitted, reason: ReasonRule},
		{name: "Lightspark and a range's other ports", client: "lightspark", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "8999-9010"))}, want: Denied, reason: ReasonNoRule},
		{name: "Lightspark and a high policy for a low port", client: "lightspark", target: "h:80", files: map[string]string{"xmlsocket://h:5000": rules(rule("*", "80"))}, load: []string{"xmlsocket://h:5000"}, want: Permitted, reason: ReasonRule},
		{name: "Lightspark and site-control at the destination", client: "lightspark", files: map[string]string{"xmlsocket://h:9000": rules(meta("all") + rule("*", "9000"))}, want: Denied,
			reason: ReasonNoPolicy, step: "voids a policy with site-control"},
		{name: "Lightspark and *.com", client: "lightspark", files: map[string]string{"xmlsocket://h:843": rules(rule("*.com", "9000"))}, want: Permitted, reason: ReasonRule},
		{name: "Flash and *.com", files: map[string]string{"xmlsocket://h:843": rules(rule("*.com", "9000"))}, want: Denied, reason: ReasonNoRule, step: "it has a mistake"},
		{name: "Lightspark, *.com and a mistake besides", client: "lightspark", files: map[string]string{"xmlsocket://h:843": rules(rule("*.com", "9000 "))}, want: Denied, reason: ReasonNoRule},
		{name: "Lightspark and IPv6", client: "lightspark", target: "[::1]:9000", want: Denied, reason: ReasonAddress},

		{name: "Unity and *", client: "unity", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "9000"))}, want: Permitted, reason: ReasonRule},
		{name: "Unity and a name", client: "unity", files: map[string]string{"xmlsocket://h:843": rules(rule("www.example.com", "9000"))}, want: Denied, reason: ReasonNoRule, step: `rules for "*" only`},
		{name: "Unity and http://*", client: "unity", files: map[string]string{"xmlsocket://h:843": rules(rule("http://*", "9000"))}, want: Denied, reason: ReasonNoRule},
		{name: "Unity and a range's last port", client: "unity", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "8990-9000"))}, want: Denied, reason: ReasonNoRule, step: "without its last port"},
		{name: "Unity and a range's other ports", client: "unity", files: map[string]string{"xmlsocket://h:843": rules(rule("*", "8990-9001"))}, want: Permitted, reason: ReasonRule},
		{name: "Unity does not ask the destination", client: "unity", files: map[string]string{"xmlsocket://h:9000": rules(rule("*", "9000"))}, want: Denied, reason: ReasonNoPolicy},
		{name: "Unity and IPv6", client: "unity", target: "[::1]:9000", want: Denied, reason: ReasonAddress},

		{name: "Silverlight", client: "silverlight", target: "h:4502", files: map[string]string{"xmlsocket://h:943": access("4502-4534")}, want: Permitted, reason: ReasonRule},
		{name: "Silverlight and another port", client: "silverlight", target: "h:4503", files: map[string]string{"xmlsocket://h:943": access("4502")}, want: Denied, reason: ReasonNoRule},
		{name: "Silverlight and one bad port", client: "silverlight", target: "h:4502", files: map[string]string{"xmlsocket://h:943": access("4502,4535")}, want: Denied, reason: ReasonNoPolicy, step: "voids the file"},
		{name: "Silverlight outside its ports", client: "silverlight", target: "h:4535", files: map[string]string{"xmlsocket://h:943": access("4502-4534")}, want: Denied, reason: ReasonPort},
		{name: "Silverlight does not read 843", client: "silverlight", target: "h:4502", files: map[string]string{"xmlsocket://h:843": access("4502")}, want: Denied, reason: ReasonNoPolicy},
		{name: "Silverlight and a Flash policy", client: "silverlight", target: "h:4502", files: map[string]string{"xmlsocket://h:943": rules(rule("*", "*"))}, want: Denied, reason: ReasonNoPolicy},

		{name: "Ruffle in a browser", client: "ruffle-web", want: Undetermined, reason: ReasonNeverAsks},
		{name: "Ruffle on a desktop", client: "ruffle-desktop", want: Undetermined, reason: ReasonNeverAsks},
		{name: "Acrobat and a socket", client: "acrobat", want: Undetermined, reason: ReasonUnknown},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.from == "" {
				x.from = "http://www.example.com/a.swf"
			}
			if x.target == "" {
				x.target = "h:9000"
			}
			if x.client == "" {
				x.client = "flash"
			}
			from, err := policy.ParseRequestor(x.from)
			if err != nil {
				t.Fatal(err)
			}
			target, err := ParseTarget(x.target)
			if err != nil {
				t.Fatal(err)
			}
			table := &Table{Files: map[Location]File{}}
			for at, text := range x.files {
				table.Files[mustLocation(t, at)] = File{Data: []byte(text)}
			}
			q := Question{From: from, Target: target, Client: ProfileNamed(x.client)}
			for _, l := range x.load {
				q.Load = append(q.Load, mustLocation(t, l))
			}
			expect(t, Decide(t.Context(), table, q), x.want, x.reason, x.step, "")
		})
	}
}

func mustLocation(t *testing.T, s string) Location {
	t.Helper()
	l, err := ParseLocation(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestNotes holds the disputed readings to their notes.
func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		rules(rule("other.test", "9000")):                   "an older article calls the master final",
		rules(rule("*.com", "9000")):                        "a wildcard over one label",
		rules(rule("*", "9000, 9001")):                      "in to-ports Adobe says nothing",
		rules("") + rules(""):                               "the whole file is taken to grant nothing",
		rules(`<allow-access-from domain="*" to-port=""/>`): "unknown elements and attributes are ignored",
		rules(meta("by-ftp-filename")):                      "for sockets is not documented",
	} {
		table := &Table{Files: map[Location]File{SocketLocation("h", 843): {Data: []byte(text)}}}
		v := Decide(t.Context(), table, Question{From: fromExample, Target: SocketTarget("h", 9000)})
		if !slices.ContainsFunc(v.Notes, func(n Note) bool { return strings.Contains(n.Text, want) }) {
			t.Errorf("%s: no note with %q among %v", text, want, v.Notes)
		}
	}
}

func TestWho(t *testing.T) {
	table := &Table{Files: map[Location]File{
		SocketLocation("h", 843):  {Data: []byte(rules(rule("*.example.com", "9000-9010") + rule("other.test", "80") + `<allow-access-from domain="https://bank.test" to-ports="*" secure="true"/>`))},
		SocketLocation("h", 9000): {Data: []byte(rules(rule("*", "9000")))},
	}}
	r := Who(t.Context(), table, Question{Target: SocketTarget("h", 9000)})
	var got []string
	for _, p := range r.Permits {
		got = append(got, p.Domain)
	}
	if want := []string{"*.example.com", "https://bank.test", "*"}; !slices.Equal(got, want) || !r.Complete {
		t.Errorf("%v (complete: %t), want %v", got, r.Complete, want)
	}
	if !r.Permits[1].Secure || r.Permits[0].Secure {
		t.Error("secure belongs to the second alone")
	}
	r = Who(t.Context(), table, Question{Target: SocketTarget("h", 9000), Client: ProfileNamed("lightspark")})
	if len(r.Permits) != 3 {
		t.Errorf("Lightspark: %d permits, want 3 (9000 is the first of the range)", len(r.Permits))
	}
	r = Who(t.Context(), &Table{}, Question{Target: SocketTarget("h", 9000)})
	if len(r.Permits) != 0 || r.Why == "" {
		t.Errorf("nothing there: %v, %q", r.Permits, r.Why)
	}
	silver := &Table{Files: map[Location]File{SocketLocation("h", AccessPort): {Data: []byte(access("4502"))}}}
	if r = Who(t.Context(), silver, Question{Target: SocketTarget("h", 4502), Client: ProfileNamed("silverlight")}); len(r.Permits) != 1 || r.Permits[0].Domain != "*" {
		t.Errorf("Silverlight: %v", r.Permits)
	}
}

func TestParseAccess(t *testing.T) {
	const open, end = `<access-policy><cross-domain-access><policy>`, `</policy></cross-domain-access></access-policy>`
	for text, void := range map[string]bool{
		access("4502"):                   false,
		access("4502-4534"):              false,
		access("4501"):                   true,
		access("4502-4535"):              true,
		access("*"):                      true,
		access(""):                       true,
		access("80,4502"):                true,
		"<access-policy/>":               false,
		"<cross-domain-policy/>":         true,
		"":                               true,
		access("4502") + access("4502"):  true,
		open + `<domain uri="*"/>` + end: true,
		`<access-policy><domain uri="*"/></access-policy>`:                        true,
		accessHead + `<socket-resource port="4502" protocol="udp"/>` + accessTail: true,
		accessHead + `<socket-resource protocol="tcp"/>` + accessTail:             true,
	} {
		if got := ParseAccess([]byte(text)); (got.Void != "") != void {
			t.Errorf("%s: void %q, want %t", text, got.Void, void)
		}
	}
	for _, x := range []struct {
		uri, from string
		want      bool
	}{
		{"*", "http://a.test/x", true},
		{"*", "https://a.test/x", true},
		{"http://*", "http://a.test/x", true},
		{"http://*", "https://a.test/x", false},
		{"http://a.test", "http://a.test/x", true},
		{"http://a.test:8080", "http://a.test/x", true},
		{"http://A.test/", "http://a.test/x", true},
		{"http://*.a.test", "http://b.a.test/x", true},
		{"http://*.a.test", "http://a.test/x", false},
		{"http://*.", "http://a.test/x", false},
		{"http://[::1]", "http://[::1]/x", true},
		{"http://[::1]:80", "http://[::1]/x", true},
		{"file:///", "file:///a.swf", true},
		{"a.test", "http://a.test/x", false},
		{"", "http://a.test/x", false},
	} {
		from, err := policy.ParseRequestor(x.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := accessMatches(x.uri, from); got != x.want {
			t.Errorf("%q and %s: %t, want %t", x.uri, x.from, got, x.want)
		}
	}
}

func TestGiven(t *testing.T) {
	q := Question{Target: SocketTarget("h", 9000)}
	if _, err := (Given{Policy: []byte{}, Master: []byte{}}).Apply(&q); !errors.Is(err, ErrTwoMasters) {
		t.Errorf("two masters: %v", err)
	}
	if _, err := (Given{Policy: []byte{}, URL: SocketLocation("h", 5000), ServedFrom: 5001}).Apply(&q); !errors.Is(err, ErrTwoPlaces) {
		t.Errorf("two places: %v", err)
	}
	for from, want := range map[uint16]string{0: "xmlsocket://h:843", 843: "xmlsocket://h:843", 9000: "xmlsocket://h:9000", 80: "http://h/crossdomain.xml", 443: "https://h/crossdomain.xml", 5000: "xmlsocket://h:5000"} {
		q := Question{Target: SocketTarget("h", 9000)}
		table, err := Given{Policy: []byte("x"), ServedFrom: from}.Apply(&q)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := table.Files[mustLocation(t, want)]; !ok || len(table.Files) != 1 {
			t.Errorf("served from %d: %v, want %s", from, table.Files, want)
		}
	}
}

func TestLogLines(t *testing.T) {
	v := Decide(t.Context(), &Table{Files: map[Location]File{SocketLocation("h", 9000): {Data: []byte(rules(rule("*", "9000")))}}}, Question{From: fromExample, Target: SocketTarget("h", 9000)})
	want := []string{
		"OK: Root-level SWF loaded: http://www.example.com/a.swf\\x1b",
		"OK: Searching for <allow-access-from> in policy files to authorize data loading from resource at xmlsocket://h:9000 by requestor from http://www.example.com/a.swf\\x1b",
		"Warning: Failed to load policy file from xmlsocket://h:843",
		"OK: Request for resource at xmlsocket://h:9000 by requestor from http://www.example.com/a.swf\\x1b is permitted due to policy file at xmlsocket://h:9000.",
	}
	if got := LogLines(v, "http://www.example.com/a.swf\x1b"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"Game.Example.net:9000": "game.example.net:9000", "[::1]:80": "[::1]:80", "[0:0::1]:80": "[::1]:80", "127.0.0.1:1": "127.0.0.1:1",
		"http://h": "http://h/", "https://h:443/x?q": "https://h/x", "HTTP://H:8080/a b": "http://h:8080/a%20b",
		"h": "", "h:0": "", "h:65536": "", "h:http": "", ":80": "", "a b:80": "", "ftp://h/x": "", "xmlsocket://h:843": "", "http://u@h/": "", "http:///x": "", "::1:80": "", "a/b:80": "",
	} {
		got, err := ParseTarget(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is read as %s", in, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%q: %s, %v, want %s", in, got, err, want)
		}
	}
}

// TestProfiles holds what every profile must say.
func TestProfiles(t *testing.T) {
	names := map[string]bool{}
	for _, p := range Profiles() {
		if p.Title == "" || names[p.Name] {
			t.Errorf("%q: no title, or twice", p.Name)
		}
		names[p.Name] = true
		if (p.Sockets != AsksPolicies || p.URLs != AsksPolicies) && p.Instead == "" {
			t.Errorf("%s does not say what decides instead", p.Name)
		}
		if p.Sockets == AsksPolicies && (p.MasterPort == 0 || p.Request == "" || p.Master.Connect == 0) {
			t.Errorf("%s asks for socket policies, and does not say how", p.Name)
		}
	}
	if len(names) != 11 {
		t.Errorf("%d profiles, want 11", len(names))
	}
	if f := Flash(); f.Master.Answer.Seconds() != 3 || f.Master.Connect.Seconds() != 3 {
		t.Errorf("Flash Player waits 3 s for port 843, not %v", f.Master)
	}
}
