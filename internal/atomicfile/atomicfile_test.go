package atomicfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.xml")
	if err := os.WriteFile(name, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Write(name, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		link := filepath.Join(dir, "link.xml")
		if err := os.Symlink("a.xml", link); err != nil {
			t.Fatal(err)
		}
		if err := Write(link, []byte("newer")); err != nil {
			t.Fatal(err)
		}
		if target, err := os.Readlink(link); err != nil || target != "a.xml" {
			t.Errorf("the link is %q, %v", target, err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("the mode is %v, %v", info.Mode(), err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != "newer" {
			t.Errorf("%q, %v", got, err)
		}
	}
	created := filepath.Join(dir, "created.xml")
	if err := Write(created, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(created); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none", "a.xml")} {
		if Write(bad, nil) == nil {
			t.Errorf("%s was written", bad)
		}
	}
	there, err := os.ReadDir(dir)
	for _, f := range there {
		if n := f.Name(); n != "a.xml" && n != "link.xml" && n != "created.xml" {
			t.Errorf("left behind: %s", n)
		}
	}
	if err != nil || len(there) < 2 {
		t.Errorf("%d files, %v", len(there), err)
	}
}
