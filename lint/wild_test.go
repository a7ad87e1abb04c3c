package lint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWild holds what is found in policies as they are in the field against
// testdata/wild/golden.txt: for each file the codes, each with how often. The
// folder says what a file is for. -update writes the table; read its diff.
func TestWild(t *testing.T) {
	files, err := filepath.Glob("testdata/wild/*/*.xml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	var b bytes.Buffer
	for _, name := range files {
		kind, ok := ParseKind(filepath.Base(filepath.Dir(name)))
		if !ok {
			t.Fatalf("%s: the folder names no kind", name)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("Facts from:")) && !strings.Contains(name, "connect-crossdomain") {
			t.Errorf("%s does not say where it comes from", name)
		}
		count := map[string]int{}
		for _, f := range Check(data, Options{File: name, Kind: kind}) {
			count[f.Code]++
		}
		var codes []string
		for code, n := range count {
			if n > 1 {
				code = fmt.Sprintf("%s x%d", code, n)
			}
			codes = append(codes, code)
		}
		slices.Sort(codes)
		fmt.Fprintf(&b, "%s/%s: %s\n", kind, strings.TrimSuffix(filepath.Base(name), ".xml"), strings.Join(codes, ", "))
	}
	const golden = "testdata/wild/golden.txt"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the findings are no longer those of %s:\n%s", golden, b.String())
	}
}
