package report

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// schema checks JSON against the part of JSON Schema (draft 4) that SARIF's
// schema uses. A keyword that it does not know fails the test: nothing is
// passed over in silence.
type schema struct {
	t    *testing.T
	root map[string]any
}

func loadSchema(t *testing.T) *schema {
	t.Helper()
	data, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	return &schema{t, root}
}

func (s *schema) validate(data []byte) []string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return []string{err.Error()}
	}
	return s.check(s.root, v, "$")
}

func (s *schema) check(rule map[string]any, v any, at string) []string {
	if ref, ok := rule["$ref"].(string); ok {
		target := any(s.root)
		for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			target = target.(map[string]any)[part]
		}
		return s.check(target.(map[string]any), v, at)
	}
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, at+": "+fmt.Sprintf(format, args...)) }
	for keyword, want := range rule {
		switch keyword {
		case "$schema", "id", "title", "description", "default", "definitions", "additionalProperties":
		case "type":
			if !isType(want.(string), v) {
				fail("%v is no %v", v, want)
			}
		case "enum":
			found := false
			for _, x := range want.([]any) {
				found = found || reflect.DeepEqual(x, v)
			}
			if !found {
				fail("%v is not among %v", v, want)
			}
		case "required":
			for _, name := range want.([]any) {
				if o, ok := v.(map[string]any); ok {
					if _, there := o[name.(string)]; !there {
						fail("%v is missing", name)
					}
				}
			}
		case "properties":
			bad = append(bad, s.properties(rule, v, at)...)
		case "items":
			if list, ok := v.([]any); ok {
				for i, x := range list {
					bad = append(bad, s.check(want.(map[string]any), x, fmt.Sprintf("%s[%d]", at, i))...)
				}
			}
		case "minItems":
			if list, ok := v.([]any); ok && len(list) < int(want.(float64)) {
				fail("%d items", len(list))
			}
		case "uniqueItems":
			if list, ok := v.([]any); ok && want.(bool) {
				for i := range list {
					for k := range i {
						if reflect.DeepEqual(list[i], list[k]) {
							fail("items %d and %d are the same", k, i)
						}
					}
				}
			}
		case "minimum":
			if n, ok := v.(float64); ok && n < want.(float64) {
				fail("%v is below %v", n, want)
			}
		case "maximum":
			if n, ok := v.(float64); ok && n > want.(float64) {
				fail("%v is above %v", n, want)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				fail("%q does not match %v", text, want)
			}
		case "format":
			if text, ok := v.(string); ok && (want == "uri" || want == "uri-reference") {
				if u, err := url.Parse(text); err != nil || want == "uri" && !u.IsAbs() {
					fail("%q is no %v", text, want)
				}
			}
		case "anyOf", "oneOf":
			n := 0
			for _, x := range want.([]any) {
				if len(s.check(x.(map[string]any), v, at)) == 0 {
					n++
				}
			}
			if n == 0 || keyword == "oneOf" && n != 1 {
				fail("%d of %s hold", n, keyword)
			}
		default:
			s.t.Fatalf("the schema has the keyword %q, which this test does not know", keyword)
		}
	}
	return bad
}

func (s *schema) properties(rule map[string]any, v any, at string) []string {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	var bad []string
	known := rule["properties"].(map[string]any)
	for name, x := range object {
		if sub, ok := known[name].(map[string]any); ok {
			bad = append(bad, s.check(sub, x, at+"."+name)...)
		} else if rule["additionalProperties"] == false {
			bad = append(bad, at+"."+name+": no such property")
		}
	}
	return bad
}

func isType(want string, v any) bool {
	switch x := v.(type) {
	case map[string]any:
		return want == "object"
	case []any:
		return want == "array"
	case string:
		return want == "string" && utf8.ValidString(x)
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && x == float64(int64(x))
	}
	return want == "null"
}

// TestSchemaRefuses holds that the check can fail.
func TestSchemaRefuses(t *testing.T) {
	s := loadSchema(t)
	for _, in := range []string{
		`{`, `[]`, `{"version":"2.1.0"}`, `{"version":"2.2.0","runs":[]}`, `{"version":"2.1.0","runs":[{}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{}}}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"m"},"level":"fatal"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a"},"region":{"startLine":0}}}]}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x","informationUri":"nowhere"}}}]}`,
		`{"version":"2.1.0","other":1,"runs":[]}`,
	} {
		if len(s.validate([]byte(in))) == 0 {
			t.Errorf("%s passes", in)
		}
	}
	if bad := s.validate([]byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}}}]}`)); len(bad) > 0 {
		t.Error(bad)
	}
}
