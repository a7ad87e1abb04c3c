package policy

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func readVectors[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDecisionVectors decides what one policy alone decides. Vectors with a
// master policy, a client of its own or a scope need the whole procedure, and
// Silverlight's schema is another: package player decides every one of them.
func TestDecisionVectors(t *testing.T) {
	type vector struct {
		Name, Transport       string
		Policy, Master_Policy *string
		Served_From_Port      *uint16
		Target_Port           uint16
		Target_URL, Client    string
		Policy_URL            string
		Requestor, Expect     string
	}
	ran := 0
	for _, v := range readVectors[vector](t, "decisions.json") {
		if v.Policy == nil || v.Master_Policy != nil || v.Client != "" || v.Policy_URL != "" || v.Transport == "silverlight-tcp" {
			continue
		}
		ran++
		p, _ := Parse([]byte(*v.Policy))
		from, err := ParseRequestor(v.Requestor)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		var d Decision
		if v.Transport == "socket" {
			d = p.Allows(from, v.Target_Port, *v.Served_From_Port)
		} else {
			d = p.AllowsURL(from, v.Transport == "https")
		}
		if d.Allowed != (v.Expect == "allow") {
			t.Errorf("%s: allowed %v (%+v), want %s", v.Name, d.Allowed, d, v.Expect)
		}
		if d.Allowed && d.Rule == nil {
			t.Errorf("%s: allowed, and no rule named", v.Name)
		}
	}
	if ran < 35 {
		t.Fatalf("only %d vectors ran", ran)
	}
	t.Logf("%d vectors decided by one policy", ran)
}

func TestAttributeVectors(t *testing.T) {
	type vector struct {
		Attribute, Value string
		Valid            bool
	}
	// Where two projects disagree: white space among ports is refused here,
	// since Adobe says nothing about it.
	ours := map[string]bool{" 80 , 100-200": false}
	vectors := readVectors[vector](t, "attributes.json")
	for _, v := range vectors {
		var err error
		switch {
		case v.Attribute == "domain":
			_, err = ParseDomain(v.Value)
		case v.Attribute == "to-ports":
			_, err = ParsePorts(v.Value)
		case strings.HasPrefix(v.Attribute, "site-control"):
			_, err = ParseMetaPolicy(v.Value)
		default:
			t.Fatalf("a vector for %q, which no parser reads", v.Attribute)
		}
		want := v.Valid
		if reading, differs := ours[v.Value]; differs {
			want = reading
		}
		if (err == nil) != want {
			t.Errorf("%s=%q: %v, want valid %v", v.Attribute, v.Value, err, want)
		}
	}
	if len(vectors) < 25 {
		t.Fatalf("only %d vectors", len(vectors))
	}
}
