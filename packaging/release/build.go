package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// platform is an operating system and a processor, by Go's names.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// binary is what the program is called there.
func (p platform) binary() string {
	if p.os == "windows" {
		return "port843.exe"
	}
	return "port843"
}

// allPlatforms is what is published.
func allPlatforms() []platform {
	var out []platform
	for _, o := range []string{"linux", "darwin", "windows", "freebsd"} {
		out = append(out, platform{o, "amd64"}, platform{o, "arm64"})
	}
	return out
}

// parsePlatforms reads a list with commas; an empty one means all.
func parsePlatforms(s string) ([]platform, error) {
	all := allPlatforms()
	if s == "" {
		return all, nil
	}
	var out []platform
	for one := range strings.SplitSeq(s, ",") {
		i := slices.IndexFunc(all, func(p platform) bool { return p.String() == one })
		if i < 0 {
			return nil, fmt.Errorf("%q is none of the platforms %v", one, all)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func linuxOf(platforms []platform) []platform {
	return slices.DeleteFunc(slices.Clone(platforms), func(p platform) bool { return p.os != "linux" })
}

// file is one that goes into an archive, a package or an image.
type file struct {
	name string // with slashes, relative
	mode fs.FileMode
	data []byte
}

// release is one version to be built. Its methods must not be called at the
// same time: they write the same files.
type release struct {
	root    string // of the sources
	out     string // for the results
	version string
	epoch   time.Time
	scratch string
	extras  []file
}

// newRelease makes the folder for the results, and the extras, by running the
// program once on this machine. close removes what it keeps in between.
func newRelease(ctx context.Context, root, out, version string, epoch time.Time) (*release, error) {
	scratch, err := os.MkdirTemp("", "port843-release-")
	if err != nil {
		return nil, err
	}
	r := &release{root: root, out: out, version: version, epoch: epoch, scratch: scratch}
	if err = os.MkdirAll(out, 0o755); err == nil {
		err = r.makeExtras(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *release) close() { os.RemoveAll(r.scratch) }

// build returns the path of the binary for a platform. It holds no path of
// this machine, no build ID and no state of the repository beside the version.
func (r *release) build(ctx context.Context, p platform) (string, error) {
	out, err := filepath.Abs(filepath.Join(r.scratch, p.os+"_"+p.arch, p.binary()))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.buildVersion="+r.version, "-o", out, "./cmd/port843")
	cmd.Dir = r.root
	// What tunes a build on this machine alone has no say.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off",
		"GOOS="+p.os, "GOARCH="+p.arch)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building for %s: %w\n%s", p, err, text)
	}
	return out, nil
}

// makeExtras builds the program for this machine, and has it write its man
// pages, completions and config.
func (r *release) makeExtras(ctx context.Context) error {
	program, err := r.build(ctx, platform{runtime.GOOS, runtime.GOARCH})
	if err != nil {
		return err
	}
	man := filepath.Join(r.scratch, "man")
	if _, err := r.say(ctx, program, "manual", man); err != nil {
		return err
	}
	entries, err := os.ReadDir(man)
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(man, e.Name()))
		if err != nil {
			return err
		}
		r.extras = append(r.extras, file{path.Join("man", e.Name()), 0o644, data})
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := r.say(ctx, program, "completion", shell)
		if err != nil {
			return err
		}
		r.extras = append(r.extras, file{"completions/port843." + shell, 0o644, text})
	}
	reference, err := r.say(ctx, program, "init")
	if err != nil {
		return err
	}
	r.extras = append(r.extras, file{"port843.toml", 0o644, quiet(reference)})
	return errors.Join(
		r.addFolder("packaging/systemd", "systemd"),
		r.addFolder("packaging/sysusers", "sysusers"),
		r.addFolder("contrib/prometheus", "contrib/prometheus"),
		r.addFolder("contrib/grafana", "contrib/grafana"),
		r.addFolder("contrib/kubernetes", "contrib/kubernetes"),
		r.addFolder("contrib/launchd", "contrib/launchd"),
	)
}

// say runs the program and returns what it prints.
func (r *release) say(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("port843 %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// addFolder adds the files of a folder of the sources under another name.
func (r *release) addFolder(dir, as string) error {
	entries, err := os.ReadDir(filepath.Join(r.root, dir))
	if err != nil {
		return err
	}
	found := 0
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(r.root, dir, e.Name()))
		if err != nil {
			return err
		}
		r.extras = append(r.extras, file{path.Join(as, e.Name()), 0o644, data})
		found++
	}
	if found == 0 {
		return fmt.Errorf("%s has no file", dir)
	}
	return nil
}

// source reads one file of the sources.
func (r *release) source(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
}

// compressed is gzip's best, without a name or a time.
func compressed(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}
