package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// TestFrontsOfAConfig: every key reaches the door, and what the flags say of
// every front holds where the service says nothing else.
func TestFrontsOfAConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port843.toml")
	text := `
owner = [{name = "a", ports = "*", domains = "*"}]
[[service]]
name = "all"
owner = "a"
address = "127.0.0.1"
ports = "9000"
allow = "*"
backend = ["127.0.0.1:1", "127.0.0.1:2"]
speaks = "server"
origins = "https://play.example.com"
files = "htdocs"
cert = "c.pem"
key = "k.pem"
proxy_from = "192.0.2.1"
send_proxy = 2
idle = "1m"
total = "2m"
max_connections = 3
max_per_address = 4
targets = "policy"
targets_also = "10.0.0.0/8"
[[service]]
name = "little"
owner = "a"
ports = "9001"
allow = "*"
backend = "127.0.0.1:3"
[[service]]
name = "none"
owner = "a"
ports = "9002-9003"
allow = "*"
[[site]]
host = "www.example.com"
owner = "a"
allow = "*"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	friend, err := frontdoor.ParseOrigin("https://friend.example")
	if err != nil {
		t.Fatal(err)
	}
	base := Front{Origins: []frontdoor.Origin{friend}, Files: "/flags", SendProxy: 1, Limits: frontdoor.Limits{Idle: time.Hour}, Certificates: []config.KeyPair{{Certificate: "f", Key: "g"}}}
	s, _, err := Table(path, base)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := s.Load()
	if err != nil || len(loaded.Fronts) != 2 {
		t.Fatalf("%d fronts, %v", len(loaded.Fronts), err)
	}
	all, little := loaded.Fronts[0], loaded.Fronts[1]
	got := fmt.Sprintln(all.Address, all.Backends, all.ServerFirst, len(all.Origins), filepath.Base(all.Files), len(all.Certificates), all.ProxyFrom, all.SendProxy, all.Limits.Idle, all.Limits.Total, all.Limits.MaxConnections, all.Limits.MaxPerAddress, all.AnyTarget, all.AnyTargetAlso, all.Sites != nil)
	if want := "127.0.0.1:9000 [127.0.0.1:1 127.0.0.1:2] true 2 htdocs 1 [192.0.2.1/32] 2 1m0s 2m0s 3 4 true [10.0.0.0/8] true\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if filepath.Base(all.Certificates[0].Key) != "k.pem" || little.Certificates[0].Key != "g" {
		t.Errorf("%v, %v", all.Certificates, little.Certificates)
	}
	if little.Address != ":9001" || little.ServerFirst || little.Files != "/flags" || little.SendProxy != 1 || little.Limits.Idle != time.Hour || little.AnyTarget || len(little.Origins) != 1 || little.Sites != all.Sites {
		t.Errorf("%+v", little)
	}
	if len(base.Origins) != 1 || !slices.Equal(base.ProxyFrom, nil) {
		t.Errorf("the base was changed: %+v", base)
	}
	again, err := s.Load()
	if err != nil || &again.Fronts[0] != &loaded.Fronts[0] {
		t.Error("an unchanged config makes its fronts anew")
	}

	f := &front{address: all.Address, now: frontState{Front: all}}
	a, err := server.PolicyAnswer(&policy.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	limits := server.Limits{MaxConnections: 100, MaxPerAddress: 10}
	o := f.options(frontState{Front: all, backends: all.Backends}, server.Policies{Default: a}, nil, limits)
	if o.Limits.MaxConnections != 3 || o.Limits.MaxPerAddress != 4 || o.Limits.Idle != time.Minute || o.Port != 9000 || !o.ServerFirst || o.SendProxy != 2 || o.HTTP == nil || o.TLS != nil || o.Gateway != nil {
		t.Errorf("%+v", o)
	}
	o = f.options(frontState{Front: little}, server.Policies{Default: a}, nil, limits)
	if o.Limits.MaxConnections != 100 || o.Limits.MaxPerAddress != 10 {
		t.Errorf("without limits of its own: %+v", o.Limits)
	}
}
