package policy

import "testing"

func mustDomain(t *testing.T, s string) Domain {
	t.Helper()
	d, err := ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The intervals of two patterns lie as Covers says, for every pair of forms.
func TestIntervalNests(t *testing.T) {
	patterns := []string{"*", "*.example.com", "example.com", "www.example.com", "*.www.example.com", "badexample.com", "*.example.org", "192.0.2.1", "[::1]", "com", "a-b.example.com"}
	for _, a := range patterns {
		for _, b := range patterns {
			d, e := mustDomain(t, a), mustDomain(t, b)
			dlo, dhi := d.Interval()
			elo, ehi := e.Interval()
			within := dlo <= elo && ehi <= dhi
			if within != d.Covers(e) {
				t.Errorf("%s within %s: %v, but Covers says %v", b, a, within, d.Covers(e))
			}
			apart := dhi <= elo || ehi <= dlo
			if !apart && !within && !e.Covers(d) {
				t.Errorf("%s and %s overlap by half", a, b)
			}
		}
	}
	if lo, hi := (Domain{}).Interval(); lo < hi {
		t.Error("the zero Domain's interval is not empty")
	}
}

func TestWithScheme(t *testing.T) {
	d := mustDomain(t, "*.example.com").WithScheme(SchemeHTTPS)
	if d.String() != "https://*.example.com" || d != mustDomain(t, "https://*.example.com") {
		t.Errorf("got %v", d)
	}
	if d.WithScheme(SchemeAny) != mustDomain(t, "*.example.com") {
		t.Error("SchemeAny takes the restriction away")
	}
}
