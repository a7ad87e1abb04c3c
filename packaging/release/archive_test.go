package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allOfThem, where the environment sets it, has the tests build every
// platform, the second time with an empty build cache: make dist-check.
const allOfThem = "PORT843_DIST_ALL"

// TestTwoBuildsAreIdentical builds from two copies of the sources, at paths of
// different length, and compares every byte of every file.
func TestTwoBuildsAreIdentical(t *testing.T) {
	t.Parallel()
	platforms := []platform{{"linux", "amd64"}, {"windows", "arm64"}}
	var env []string
	if os.Getenv(allOfThem) != "" {
		platforms = allPlatforms()
		env = []string{"GOCACHE=" + t.TempDir()}
	}
	first := buildArchives(t, "../..", platforms)
	second := buildArchives(t, copyOfSources(t), platforms, env...)
	names := slices.Sorted(maps.Keys(first))
	if len(first) != len(second) || len(names) != 2*len(platforms)+1 {
		t.Fatalf("%d and %d files, of %d platforms", len(first), len(second), len(platforms))
	}
	for _, n := range names {
		if !bytes.Equal(first[n], second[n]) {
			t.Errorf("%s differs: %d and %d bytes", n, len(first[n]), len(second[n]))
		}
		t.Logf("%x  %s", sha256.Sum256(first[n]), n)
	}
	checkSums(t, first)
	for n, data := range first {
		switch {
		case strings.HasSuffix(n, ".tar.gz"):
			checkArchive(t, n, untar(t, data), "port843")
		case strings.HasSuffix(n, ".zip"):
			checkArchive(t, n, unzip(t, data), "port843.exe")
		}
	}
	checkSBOM(t, first["port843_9.8.7_linux_amd64.cdx.json"], untar(t, first["port843_9.8.7_linux_amd64.tar.gz"]))
}

// buildArchives returns the files that a release writes, by name.
func buildArchives(t *testing.T, root string, platforms []platform, env ...string) map[string][]byte {
	t.Helper()
	var list []string
	for _, p := range platforms {
		list = append(list, p.String())
	}
	paths, err := makeRelease(env, "-root", root, "-out", t.TempDir(), "-version", "v9.8.7", "-platforms", strings.Join(list, ","), "archives")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		if files[filepath.Base(p)], err = os.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// copyOfSources copies what a build reads to a longer path.
func copyOfSources(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "a", "rather", "longer", "path")
	count := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("../..", path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if rel != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || rel == "bin" || rel == "dist") {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !e.Type().IsRegular() {
			return nil
		}
		count++
		data, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), data, 0o644))
	})
	if err != nil || count < 100 {
		t.Fatalf("%d files copied: %v", count, err)
	}
	return to
}

func checkSums(t *testing.T, files map[string][]byte) {
	t.Helper()
	lines := 0
	for line := range strings.Lines(string(files[checksums])) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if data, ok := files[name]; !ok || fmt.Sprintf("%x", sha256.Sum256(data)) != sum {
			t.Errorf("%s has another checksum than %s", name, sum)
		}
		lines++
	}
	if lines != len(files)-1 {
		t.Errorf("%d checksums of %d files", lines, len(files)-1)
	}
}

// checkArchive looks for what must be in each of them.
func checkArchive(t *testing.T, name string, files map[string][]byte, binary string) {
	t.Helper()
	base := strings.TrimSuffix(strings.TrimSuffix(name, ".tar.gz"), ".zip")
	for _, want := range []string{binary, "LICENSE", "README.md", "docs/serving.md", "man/port843-serve.1", "completions/port843.zsh", "port843.toml", "systemd/port843.socket", "contrib/grafana/port843.json"} {
		if len(files[base+"/"+want]) == 0 {
			t.Errorf("%s lacks %s", name, want)
		}
	}
	for n := range files {
		if !strings.HasPrefix(n, base+"/") {
			t.Errorf("%s would unpack %s outside its folder", name, n)
		}
	}
}

// checkSBOM compares the list with what the Go tool reads from the binary.
func checkSBOM(t *testing.T, text []byte, archive map[string][]byte) {
	t.Helper()
	binary := archive["port843_9.8.7_linux_amd64/port843"]
	var got bom
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "port843")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "version", "-m", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "dep" {
			want = append(want, "pkg:golang/"+f[1]+"@"+f[2])
		}
	}
	var have []string
	for _, c := range got.Components[1:] {
		have = append(have, c.PURL)
	}
	if len(want) < 5 || !slices.Equal(have, want) {
		t.Errorf("the list has\n%v\nthe binary\n%v", have, want)
	}
	if std := got.Components[0]; std.Name != "std" || !strings.Contains(string(out), "go"+std.Version) {
		t.Errorf("the standard library is %+v", std)
	}
	if got.Metadata.Component.Hashes[0].Content != fmt.Sprintf("%x", sha256.Sum256(binary)) || got.Metadata.Component.Version != "v9.8.7" {
		t.Errorf("the list is of another binary: %+v", got.Metadata.Component)
	}
	if strings.Contains(string(binary), "/rather/longer/path") {
		t.Error("the binary holds the path of the sources")
	}
}

func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(zr); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(epoch) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s is of %v, and owned by %d %q", h.Name, h.ModTime, h.Uid, h.Uname)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func unzip(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range r.File {
		one, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(one); err != nil {
			t.Fatal(err)
		}
		one.Close()
	}
	return files
}
