package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/policy"
)

func TestEmbeddedFiles(t *testing.T) {
	ref, err := Parse("/etc/port843/port843.toml", Reference())
	if err != nil {
		t.Fatal(err)
	}
	if len(ref.Owners) != 1 || len(ref.Services) != 1 || len(ref.Serve.Listeners) != 2 {
		t.Errorf("the reference file: %+v", ref)
	}
	if got := ref.Owners[0].Policies[0]; got != "/etc/port843/policies.d/physics/*.xml" {
		t.Errorf("policies are relative to the file: %s", got)
	}
	min, err := Parse("port843.toml", Minimal())
	if err != nil {
		t.Fatal(err)
	}
	if min.Owners[0].Name != "games" || min.Services[0].Ports.String() != "9000" || min.ServedFrom() != 843 {
		t.Errorf("the minimal file: %+v", min)
	}
}

// commented matches a key that the reference file shows behind "#".
var commented = regexp.MustCompile(`(?m)^# ([a-z_]+ *= )`)

func TestReferenceShowsEveryKey(t *testing.T) {
	all := commented.ReplaceAllString(string(Reference()), "$1")
	c, err := Parse("port843.toml", []byte(all))
	if c != nil || len(MistakesOf(err)) != 1 || MistakesOf(err)[0].Code != CodeTwoTables {
		t.Fatalf("with all keys in force only policy and owners disagree, not: %v", err)
	}
	all = strings.Replace(all, "policy          = \"one.xml\"", "", 1)
	c, err = Parse("port843.toml", []byte(all))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{c.Serve, c.Serve.Listeners[1], c.Services[0], c.Services[0].Front, c.Sites[0]} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			name := rv.Type().Field(i).Name
			if rv.Field(i).IsZero() && name != "Policy" && name != "ServerFirst" && name != "Pos" {
				t.Errorf("the reference file says nothing of %T.%s", v, name)
			}
		}
	}
	if c.Serve.Deadline != 5*time.Second || c.Serve.Meta != policy.MetaMasterOnly {
		t.Errorf("%+v", c.Serve)
	}
}

func TestMistakes(t *testing.T) {
	const owner = "[[owner]]\nname = \"a\"\nports = \"1\"\ndomains = [\"*\"]\n"
	for _, c := range []struct {
		name, in string
		want     []string // "line:col key code", in order
	}{
		{"not toml", "[serve\n", []string{"1:7  not-toml"}},
		{"key twice", "[serve]\nuser = \"a\"\nuser = \"b\"\n", []string{"3:1  not-toml"}},
		{"unknown keys", "nope = 1\n[serve]\nlisen = []\n[other]\nx = 1\n", []string{"1:1 nope unknown-key", "3:1 serve.lisen unknown-key", "4:2 other unknown-key"}},
		{"site", owner + "[[site]]\nhost = \"*\"\n[[site]]\nhost = \"h\"\nowner = \"b\"\nallow = [\"*.com\"]\nheaders = [\"a b\"]\n[[site]]\nhost = \"h\"\nowner = \"a\"\nallow = [\"*\"]\n", []string{
			"5:3 site[1].owner missing-key", "5:3 site[1].allow missing-key", "6:8 site[1].host bad-host", "9:9 site[2].owner no-such-owner", "10:10 site[2].allow domain-top-level", "11:12 site[2].headers bad-name", "13:8 site[3].host twice",
		}},
		{"site beyond its owner", "[[owner]]\nname = \"a\"\nports = \"1\"\ndomains = [\"*.a.example\"]\nhosts = [\"a.example\"]\n[[site]]\nhost = \"b.example\"\nowner = \"a\"\nallow = [\"x.a.example\", \"*\"]\n", []string{"7:8 site[1].host out-of-bounds", "9:25 site[1].allow out-of-bounds"}},
		{"kinds", "owner = 3\n[serve]\nlisten = 843\nadmin = [\"x\"]\nmax_connections = \"many\"\n", []string{"1:9 owner wrong-kind", "3:10 serve.listen wrong-kind", "4:1 serve.admin wrong-kind", "5:19 serve.max_connections wrong-kind"}},
		{"one table for many", "[owner]\nname = \"a\"\n", []string{"1:2 owner wrong-kind"}},
		{"many tables for one", "[[serve]]\n", []string{"1:3 serve wrong-kind"}},
		{"serve", "[serve]\nlisten = [\"x\", \"localhost:843\", \":843\", \":843\"]\nadmin = \"8430\"\nuser = \"a b\"\nlog = \"loud\"\ndeadline = \"5\"\nmax_connections = 0\nmax_per_address = -1\npublic_port = 70000\nmeta_policy = \"none\"\n", []string{
			"2:11 serve.listen bad-address", "2:16 serve.listen bad-address", "2:41 serve.listen twice", "3:9 serve.admin bad-address", "4:8 serve.user bad-name", "5:7 serve.log not-a-choice",
			"6:12 serve.deadline bad-limit", "7:19 serve.max_connections bad-limit", "8:19 serve.max_per_address bad-limit", "9:15 serve.public_port bad-limit", "10:15 serve.meta_policy not-a-choice"}},
		{"fast path", "[serve]\nfastpath = [\"eth0\", \"a b\", \"off\", \"eth1:native\"]\n", []string{"2:21 serve.fastpath bad-name", "2:28 serve.fastpath not-a-choice", "2:35 serve.fastpath bad-name"}},
		{"listener", "[[listener]]\npolicy = \"x.xml\"\n[[listener]]\naddress = \"1\"\n", []string{"1:3 listener[1].address missing-key", "4:11 listener[2].address bad-address"}},
		{"owner without anything", "[[owner]]\n", []string{"1:3 owner[1].name missing-key", "1:3 owner[1].ports missing-key", "1:3 owner[1].domains missing-key"}},
		{"empty values", "[[owner]]\nname = \"\"\nports = \"\"\ndomains = []\n", []string{"2:8 owner[1].name empty", "3:9 owner[1].ports empty", "4:1 owner[1].domains empty"}},
		{"owner values", "[[owner]]\nname = \"a/b\"\nports = \"9000-\"\ndomains = [\"*.com\", \"a b\"]\naddresses = [\"::\", \"x\", \"::1\", \"::1\"]\nhosts = [\"*.a.b\", \"1.2.3.4\", \"http://a.b\"]\npolicies = [\"[\"]\n", []string{
			"2:8 owner[1].name bad-name", "3:9 owner[1].ports ports-syntax", "4:12 owner[1].domains domain-top-level", "4:21 owner[1].domains domain-syntax",
			"5:14 owner[1].addresses bad-address", "5:20 owner[1].addresses bad-address", "5:32 owner[1].addresses twice",
			"6:10 owner[1].hosts bad-host", "6:19 owner[1].hosts bad-host", "6:30 owner[1].hosts bad-host", "7:13 owner[1].policies bad-path"}},
		{"owner twice, host of two", owner + "hosts = [\"h.x\"]\n" + owner + "hosts = [\"H.x\"]\n", []string{"7:8 owner[2].name twice", "10:10 owner[2].hosts host-of-two"}},
		{"service", owner + "[[service]]\nname = \"s\"\nowner = \"b\"\nports = \"0\"\nallow = [\"\"]\nspeaks = \"both\"\nbackend = \"x\"\nsecure = 1\n[[service]]\nname = \"s\"\nowner = \"a\"\nports = \"1\"\nallow = \"*\"\nhost = \"*\"\naddress = \"a\"\n", []string{
			"7:9 service[1].owner no-such-owner", "8:9 service[1].ports ports-range", "9:10 service[1].allow empty", "10:10 service[1].speaks not-a-choice", "11:11 service[1].backend bad-address", "12:10 service[1].secure wrong-kind",
			"14:8 service[2].name twice", "18:8 service[2].host bad-host", "19:11 service[2].address bad-address"}},
		{"front", owner + "[[service]]\nname = \"s\"\nowner = \"a\"\nports = \"1-2\"\nallow = \"*\"\nbackend = [\"h:1\", \"h\", \":1\", \"h:0\"]\norigins = [\"x.y\", \"https://*.com\"]\ncert = [\"a\", \"b\"]\nkey = \"a\"\nproxy_from = [\"h\", \"::/200\"]\nsend_proxy = 3\nidle = \"1\"\ntotal = \"-1h\"\nmax_connections = 0\nmax_per_address = -1\ntargets = \"all\"\ntargets_also = [\"10.0.0.0/8\"]\n", []string{
			"8:9 service[1].ports one-port", "10:19 service[1].backend bad-address", "10:24 service[1].backend bad-address", "10:30 service[1].backend bad-address",
			"11:12 service[1].origins bad-origin", "11:19 service[1].origins bad-origin", "12:9 service[1].cert not-in-pairs", "14:15 service[1].proxy_from bad-address", "14:20 service[1].proxy_from bad-address",
			"15:14 service[1].send_proxy bad-limit", "16:8 service[1].idle bad-limit", "17:9 service[1].total bad-limit", "18:19 service[1].max_connections bad-limit", "19:19 service[1].max_per_address bad-limit",
			"20:11 service[1].targets not-a-choice", "21:17 service[1].targets_also goes-with"}},
		{"front without a backend", owner + "[[service]]\nname = \"s\"\nowner = \"a\"\nports = \"1-2\"\nallow = \"*\"\nspeaks = \"server\"\norigins = [\"*\"]\ncert = [\"a\"]\nkey = \"a\"\nproxy_from = \"::1\"\nsend_proxy = 1\nidle = \"1h\"\ntotal = \"1h\"\nmax_connections = 1\nmax_per_address = 1\ntargets = \"policy\"\ntargets_also = [\"10.0.0.0/8\"]\nfiles = \"x\"\n", []string{
			"10:10 service[1].speaks goes-with", "11:12 service[1].origins goes-with", "12:9 service[1].cert goes-with", "13:7 service[1].key goes-with", "14:14 service[1].proxy_from goes-with", "15:14 service[1].send_proxy goes-with",
			"16:8 service[1].idle goes-with", "17:9 service[1].total goes-with", "18:19 service[1].max_connections goes-with", "19:19 service[1].max_per_address goes-with", "20:11 service[1].targets goes-with", "21:17 service[1].targets_also goes-with", "22:9 service[1].files goes-with"}},
		{"two on a port", "[serve]\nlisten = [\"127.0.0.1:1\"]\n" + owner + "[[service]]\nname = \"s\"\nowner = \"a\"\nports = \"1\"\nallow = \"*\"\nbackend = \"h:1\"\n[[service]]\nname = \"t\"\nowner = \"a\"\nports = \"2\"\nallow = \"*\"\nbackend = \"h:1\"\n[[service]]\nname = \"u\"\nowner = \"a\"\naddress = \"::1\"\nports = \"2\"\nallow = \"*\"\nbackend = \"h:1\"\n[[service]]\nname = \"v\"\nowner = \"a\"\nports = \"2\"\nallow = \"*\"\n[[service]]\nname = \"w\"\nowner = \"a\"\naddress = \"127.0.0.2\"\nports = \"3\"\nallow = \"*\"\nbackend = \"h:1\"\n[[service]]\nname = \"x\"\nowner = \"a\"\naddress = \"127.0.0.3\"\nports = \"3\"\nallow = \"*\"\nbackend = \"h:1\"\n", []string{"10:9 service[1].ports twice", "23:9 service[3].ports twice"}},
		{"policy and owners", "[serve]\npolicy = \"x.xml\"\n" + owner, []string{"2:10 serve.policy policy-and-table"}},
		{"characters, not bytes", "[serve]\n\"ü\".x = 1\nadmin = [\"é\", 2]\n", []string{"2:1 serve.\\u00fc unknown-key", "3:1 serve.admin wrong-kind"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := Parse("f.toml", []byte(c.in))
			var got []string
			for _, m := range MistakesOf(err) {
				got = append(got, fmt.Sprintf("%s %s %s", m.Pos, m.Key, m.Code))
				if !strings.HasPrefix(m.Error(), "f.toml:"+m.Pos.String()+": ") {
					t.Errorf("the error does not begin with its place: %v", m)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s\n\n%v", strings.Join(got, "\n"), strings.Join(c.want, "\n"), err)
			}
			if conf != nil {
				t.Error("there is a Config beside the mistakes")
			}
			var one *Mistake
			if !errors.As(err, &one) {
				t.Error("errors.As finds no *Mistake")
			}
		})
	}
}

func TestFastPath(t *testing.T) {
	for in, want := range map[string][]string{
		`"eth0:generic"`: {"eth0:generic"}, `["eth0", "eth1"]`: {"eth0", "eth1"}, `"auto"`: {"auto"}, `"off"`: nil,
	} {
		c, err := Parse("f.toml", []byte("[serve]\nfastpath = "+in+"\n"))
		if err != nil || !slices.Equal(c.Serve.FastPath, want) {
			t.Errorf("%s: %v, %v", in, c, err)
		}
	}
}

func TestTOMLForms(t *testing.T) {
	c, err := Parse("x/f.toml", []byte(`serve.listen = ":10843" # a single value is a list of one
owner = [{name = "a", ports = "*", domains = "*", policies = '/abs/*.xml'}]
[[listener]]
address = "[::ffff:127.0.0.1]:843"
policy = "../p.xml"
`))
	if err != nil {
		t.Fatal(err)
	}
	l := c.Serve.Listeners
	if len(l) != 2 || !l[0].Any() || l[0].Port != 10843 || l[1].Any() || l[1].Policy != "p.xml" {
		t.Errorf("listeners: %+v", l)
	}
	if c.Owners[0].Policies[0] != "/abs/*.xml" || !c.Owners[0].Ports.IsAll() {
		t.Errorf("owners: %+v", c.Owners)
	}
	if c.ServedFrom() != 10843 {
		t.Errorf("the table is served from %d: the listener with a file of its own does not count", c.ServedFrom())
	}
}

func TestFront(t *testing.T) {
	c, err := Parse("/etc/port843/f.toml", []byte(`owner = [{name = "a", ports = "*", domains = "*"}]
[[service]]
name = "s"
owner = "a"
ports = "9000"
allow = "*"
backend = ["h:1", "[::1]:2"]
cert = ["a.pem", "/b.pem"]
key = ["a.key", "/b.key"]
proxy_from = ["::ffff:192.0.2.1", "198.51.100.7/24"]
files = "../srv"
idle = "90s"
targets = "table"
`))
	if err != nil {
		t.Fatal(err)
	}
	f := c.Services[0].Front
	want := []KeyPair{{"/etc/port843/a.pem", "/etc/port843/a.key"}, {"/b.pem", "/b.key"}}
	if !reflect.DeepEqual(f.Certificates, want) || fmt.Sprint(f.ProxyFrom) != "[192.0.2.1/32 198.51.100.0/24]" || f.Files != "/etc/srv" || f.Idle != 90*time.Second || f.AnyTarget {
		t.Errorf("%+v", f)
	}
}

func TestLoadAndFragments(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"d/b.xml", "d/a.xml", "d/c.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "port843.toml")
	text := "[[owner]]\nname = \"a\"\nports = \"1\"\ndomains = \"*\"\npolicies = [\"d/*.xml\", \"d/a*\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "d/a.xml"), filepath.Join(dir, "d/b.xml")}
	if got := c.Owners[0].Fragments(); !reflect.DeepEqual(got, want) {
		t.Errorf("fragments: %v, want %v", got, want)
	}
	if _, err := Load(filepath.Join(dir, "none.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAdmin(t *testing.T) {
	c, err := Parse("/etc/port843/port843.toml", []byte("[serve]\nadmin = \"unix:admin.sock\"\nadmin_token_file = \"/run/token\"\nadmin_cert = \"c.pem\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Serve; s.Admin != "unix:/etc/port843/admin.sock" || s.AdminTokenFile != "/run/token" || s.AdminCert != "/etc/port843/c.pem" {
		t.Errorf("%+v", s)
	}
	if _, err := Parse("x.toml", []byte("[serve]\nadmin = \"unix:\"\n")); len(MistakesOf(err)) != 1 {
		t.Errorf("a socket without a path: %v", err)
	}
}

func TestMistakesAreBounded(t *testing.T) {
	_, err := Parse("f", []byte(strings.Repeat("[[service]]\n", 2*MaxMistakes)))
	if n := len(MistakesOf(err)); n != MaxMistakes+1 {
		t.Errorf("%d mistakes", n)
	}
}

func TestNearest(t *testing.T) {
	_, err := Parse("f", []byte("[serve]\nlisten_on = [\":1\"]\nusr = \"x\"\n"))
	if err == nil || !strings.Contains(err.Error(), `did you mean "listen"`) || !strings.Contains(err.Error(), `did you mean "user"`) {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Reference())
	f.Add(Minimal())
	f.Add([]byte("serve.listen = \":1\"\nowner = [{name='a'}]\n[[owner.x]]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.toml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		for _, m := range MistakesOf(err) {
			if m.Pos.Line < 0 || m.Error() == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}

// TestDocsNameEveryKey: whoever owns a site finds every key of a service with a
// backend, and of a site, in the page about the front door; and the configs that
// stand in the pages are good ones.
func TestDocsNameEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/frontdoor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, front, ok := strings.Cut(string(Reference()), "# With a backend,")
	if !ok {
		t.Fatal("the reference file says nothing of fronts")
	}
	keys := regexp.MustCompile(`(?m)^(?:# )?([a-z_]+) *= `).FindAllStringSubmatch(front, -1)
	if len(keys) < 15 {
		t.Fatalf("only %d keys: %v", len(keys), keys)
	}
	for _, k := range keys {
		if !strings.Contains(string(page), "`"+k[1]+"`") {
			t.Errorf("docs/frontdoor.md does not name %s", k[1])
		}
	}
	configs := 0
	for _, name := range []string{"frontdoor.md", "ruffle.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^```toml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			configs++
			if _, err := Parse(name, []byte(block[1])); err != nil {
				t.Error(err)
			}
		}
	}
	if configs < 2 {
		t.Errorf("only %d configs", configs)
	}
}
