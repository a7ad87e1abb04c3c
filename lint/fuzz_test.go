package lint

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/port843/port843/policy"
)

// FuzzCheck: any bytes give the same findings each time, in order and within
// the file; and carrying out the certain fixes changes nothing that is granted.
func FuzzCheck(f *testing.F) {
	for _, r := range Rules() {
		f.Add([]byte(r.Bad.Text), byte(r.Bad.Options.Kind), r.Bad.Options.ServedFrom)
		f.Add([]byte(r.Good.Text), byte(r.Good.Options.Kind), uint16(0))
	}
	files, err := filepath.Glob("testdata/wild/*/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds (%v)", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, byte(0), uint16(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, kind byte, from uint16) {
		opt := Options{Kind: Kind(kind % 4), ServedFrom: from, Trusted: mustDomains("*.example.com")}
		findings := Check(data, opt)
		if again := Check(data, opt); !reflect.DeepEqual(findings, again) {
			t.Fatalf("not the same twice:\n%+v\n%+v", findings, again)
		}
		for i, x := range findings {
			if x.Pos.Offset < 0 || x.End.Offset < x.Pos.Offset || int(x.End.Offset) > len(data) {
				t.Fatalf("%s lies outside the file: %+v", x.Code, x)
			}
			if RuleByCode(x.Code) == nil {
				t.Fatalf("%s is no rule", x.Code)
			}
			if i > 0 && compare(findings[i-1], x) > 0 {
				t.Fatalf("not in order: %+v before %+v", findings[i-1], x)
			}
		}
		fixed, applied := Apply(data, findings)
		if len(applied) == 0 {
			return
		}
		before, err := policy.Parse(data)
		after, err2 := policy.Parse(fixed)
		if before.Void != after.Void || !before.Grants(from).Equal(after.Grants(from)) || before.Meta != after.Meta || len(before.Headers) != len(after.Headers) {
			t.Fatalf("a certain fix has changed the meaning:\n%q (%v)\n%q (%v)", data, err, fixed, err2)
		}
	})
}
