// Package university holds the example against what its comments promise.
package university

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/table"
)

func load(t *testing.T, name string) *table.Tables {
	t.Helper()
	got, err := table.New(name).Load()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Each of the three mistakes is named at its line, and the rest is built.
func TestMistakesAreNamedAndTheRestIsBuilt(t *testing.T) {
	got := load(t, "port843.toml")
	want := []struct{ file, text string }{
		{"policies.d/classics/library.xml", `domain="*"`},
		{"policies.d/geology/seismograph.xml", `ports="9230"`},
		{"port843.toml", `ports = "9312"`},
	}
	if len(got.Result.Refusals) != len(want) {
		t.Fatalf("refused: %q", got.Refused())
	}
	for i, r := range got.Result.Refusals {
		data, err := os.ReadFile(want[i].file)
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Split(string(data), "\n")[r.Source.Pos.Line-1]
		if r.Source.File != want[i].file || !strings.Contains(line, want[i].text) {
			t.Errorf("%v is at %q, want the line with %s in %s", r, line, want[i].text, want[i].file)
		}
	}
	if n := len(got.Result.Owners); n != 40 {
		t.Errorf("%d departments", n)
	}
	if n := len(got.Result.Tables); n != 7 {
		t.Errorf("%d tables, want six addresses and all others", n)
	}
	silent := []string{}
	for _, o := range got.Result.Owners {
		if o.Inputs == 0 {
			silent = append(silent, o.Name)
		}
		if (o.Standing == aggregate.StandingCurrent) != (len(o.Refusals) == 0) {
			t.Errorf("%s: %s with %d refusals", o.Name, o.Standing, len(o.Refusals))
		}
	}
	if !slices.Equal(silent, []string{"classics"}) {
		t.Errorf("nothing is granted by %v: only classics has nothing but a mistake", silent)
	}
	if c := got.Result.Conflicts(); len(c) != 1 || c[0].Ports.String() != "9370" || len(c[0].Sides) != 2 {
		t.Errorf("conflicts: %v", c)
	}
}

func TestSecondEdition(t *testing.T) {
	old, new := load(t, "port843.toml"), load(t, "../university-next/port843.toml")
	if r := new.Refused(); len(r) != 0 {
		t.Errorf("the second edition has mistakes: %q", r)
	}
	var got []string
	for i, a := range old.Result.Tables {
		b := new.Result.Tables[i]
		c := aggregate.Compare(a.Grants(), b.Grants())
		for _, term := range c.Granted {
			got = append(got, fmt.Sprintf("%s + %s", b.Address, term))
		}
		for _, term := range c.Revoked {
			got = append(got, fmt.Sprintf("%s - %s", a.Address, term))
		}
	}
	want := []string{
		"127.0.0.11 + *.medicine.example.edu may reach 9301",
		"127.0.0.13 - games.example.com may reach 9080",
		"127.0.0.15 + *.classics.example.edu may reach 9100",
		"127.0.0.15 + *.accelerator.example.org may reach 9342",
		"127.0.0.16 + *.geology.example.edu may reach 9230",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What is committed is what the generator writes.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "./gen", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := 0
	for _, edition := range []string{"university", "university-next"} {
		made := tree(t, filepath.Join(dir, edition))
		here := tree(t, filepath.Join("..", edition))
		for name, text := range made {
			if n++; here[name] != text {
				t.Errorf("%s/%s is not what the generator writes", edition, name)
			}
		}
		for name := range here {
			if _, ok := made[name]; !ok {
				t.Errorf("%s/%s is no longer written", edition, name)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d files were compared", n)
	}
}

// tree returns the example's files, which are TOML and XML.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".toml") && !strings.HasSuffix(path, ".xml") {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
