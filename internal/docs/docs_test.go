package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for script, want := range map[string][][]string{
		`port843 serve --allow '*.example.com:8080' --listen "[::1]:843" &`: {{"port843", "serve", "--allow", "*.example.com:8080", "--listen", "[::1]:843"}},
		`printf '<x/>\0' | nc -N 127.0.0.1 843`:                             {{"printf", `<x/>\0`}, {"nc", "-N", "127.0.0.1", "843"}},
		"port843 build > out.xml 2>&1 && echo $? # done":                    {{"port843", "build"}, {"echo", "$?"}},
		"port843 serve 2>serve.log":                                         {{"port843", "serve"}},
		"A=b sudo port843 lint \\\n  x":                                     {{"port843", "lint", "x"}},
		"port843 lint $(git diff --name-only | sort)":                       {{"git", "diff", "--name-only"}, {"sort"}, {"port843", "lint", "$(git diff --name-only | sort)"}},
		"for s in a b; do echo $s; done":                                    {{"for", "s", "in", "a", "b"}, {"echo", "$s"}, {"done"}},
		"port843 serve --front :9000=127.0.0.1:19000":                       {{"port843", "serve", "--front", ":9000=127.0.0.1:19000"}},
		"# nothing":              nil,
		"echo a#b":               {{"echo", "a#b"}},
		"cmd >/dev/null &>all x": {{"cmd", "x"}},
	} {
		got, err := Words(script)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%q, %v\nwant\n%q", script, got, err, want)
		}
	}
	for _, bad := range []string{"echo 'x", `echo "x`, "echo $(x"} {
		if got, err := Words(bad); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\nb", true},
		{"a\n", "a\n\x00", true},
		{"a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"a\n…\nd\n", "a\nd\n", true},
		{"a\n…\n", "a\n", true},
		{"took … s\n", "took 0.4 s\n", true},
		{"took … s\n", "took 0.4\n s\n", false},
		{"a.c\n", "abc\n", false},
		{"a\n", "a\nb\n", false},
		{"", "a\n", false},
		{"", "", true},
	} {
		if Match(c.want, c.got) != c.ok {
			t.Errorf("Match(%q, %q) is %v", c.want, c.got, !c.ok)
		}
	}
}

const page = "# Title\n\nSee `port843 lint\nFILE`, and\n\n    port843 check X\n\n" +
	"<!-- not run: it needs a package manager -->\n```sh\napt install x\n```\n\n" +
	"```toml\n# port843.toml\n[serve]\n```\n\n" +
	"```console\n$ port843 a \\\n> b\nout\n$ true\n```\n"

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.md")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(page)
	p, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Blocks) != 3 || p.Blocks[0].Mark != NotRun || p.Blocks[0].Reason != "it needs a package manager" || p.Blocks[1].File != "port843.toml" || p.Blocks[1].Line != 13 {
		t.Errorf("%+v", p.Blocks)
	}
	if len(p.Spans) != 1 || p.Spans[0] != (Span{3, "port843 lint FILE"}) {
		t.Errorf("%+v", p.Spans)
	}
	if got := p.Indented(); len(got) != 1 || got[0] != (Span{6, "port843 check X"}) {
		t.Errorf("%+v", got)
	}
	steps := p.Blocks[2].Steps()
	want := []Step{{19, "port843 a \\\nb", "out\n", 20, 21}, {22, "true", "", 22, 22}}
	if !reflect.DeepEqual(steps, want) {
		t.Errorf("%+v\nwant %+v", steps, want)
	}
	for _, s := range steps {
		if shown := strings.Join(p.Lines[s.From:s.To], "\n"); shown != strings.TrimSuffix(s.Want, "\n") {
			t.Errorf("the lines %d to %d are %q, want %q", s.From, s.To, shown, s.Want)
		}
	}
	for _, bad := range []string{"```\nx\n```\n", "- a\n  ```sh\n  x\n  ```\n", "```sh\nx\n", "<!-- not run -->\n```sh\nx\n```\n", "<!-- not run: a\nb -->\n<!-- in tme: x -->\n```sh\nx\n```\n"} {
		write(bad)
		if p, err := Read(path); err == nil {
			t.Errorf("%q is read: %+v", bad, p)
		}
	}
}

func TestGenerated(t *testing.T) {
	const page = "a\n<!-- x: generated, see y.go -->\nold $1\n<!-- end of x -->\nb\n"
	path := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := WriteGenerated(path, "x", "new $1\n", false); !changed || err != nil {
		t.Error(changed, err)
	}
	if changed, err := WriteGenerated(path, "x", "new $1\n", true); !changed || err != nil {
		t.Error(changed, err)
	}
	if changed, err := WriteGenerated(path, "x", "new $1\n", false); changed || err != nil {
		t.Error(changed, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != strings.Replace(page, "old", "new", 1) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"y", ""} {
		if got, err := Generated(page, bad, ""); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
	if _, err := Generated(page+page, "x", ""); err == nil {
		t.Error("of two parts of one name one is taken")
	}
}
