package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// checksums is the file that sha256sum --check reads.
const checksums = "SHA256SUMS"

// archives writes, for each platform, an archive and the list of what the
// binary is made of (SBOM), and one file of checksums over all of them. It
// returns their names.
func (r *release) archives(ctx context.Context, platforms []platform) ([]string, error) {
	shared, err := r.shared()
	if err != nil {
		return nil, err
	}
	var names []string
	var sums strings.Builder
	put := func(name string, data []byte) error {
		names = append(names, name)
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
		return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
	}
	for _, p := range platforms {
		program, err := r.build(ctx, p)
		if err != nil {
			return names, err
		}
		binary, err := os.ReadFile(program)
		if err != nil {
			return names, err
		}
		base := fmt.Sprintf("port843_%s_%s_%s", strings.TrimPrefix(r.version, "v"), p.os, p.arch)
		files := append([]file{{p.binary(), 0o755, binary}}, shared...)
		bom, err := r.sbom(program, binary)
		if err != nil {
			return names, err
		}
		pack, ending := r.tarball, ".tar.gz"
		if p.os == "windows" {
			pack, ending = r.zip, ".zip"
		}
		data, err := pack(base, files)
		if err == nil {
			err = errors.Join(put(base+ending, data), put(base+".cdx.json", bom))
		}
		if err != nil {
			return names, err
		}
	}
	names = append(names, checksums)
	return names, os.WriteFile(filepath.Join(r.out, checksums), []byte(sums.String()), 0o644)
}

// shared returns what goes into every archive beside the binary.
func (r *release) shared() ([]file, error) {
	out := slices.Clone(r.extras)
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := r.source(name)
		if err != nil {
			return nil, err
		}
		out = append(out, file{name, 0o644, data})
	}
	docs, err := filepath.Glob(filepath.Join(r.root, "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		return nil, fmt.Errorf("no docs: %w", err)
	}
	for _, d := range docs {
		data, err := os.ReadFile(d)
		if err != nil {
			return nil, err
		}
		out = append(out, file{"docs/" + filepath.Base(d), 0o644, data})
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// tarball packs files into a folder of the name base. Nobody owns them, and
// all are of the epoch.
func (r *release) tarball(base string, files []file) ([]byte, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(zw)
	for _, f := range files {
		f.name = path.Join(base, f.name)
		if err := r.entry(w, f); err != nil {
			return nil, err
		}
	}
	err = errors.Join(w.Close(), zw.Close())
	return b.Bytes(), err
}

// zip does the same for Windows.
func (r *release) zip(base string, files []file) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: path.Join(base, f.name), Method: zip.Deflate, Modified: r.epoch}
		h.SetMode(f.mode)
		one, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := one.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
