package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// nfpm is the program that writes the deb and the rpm. No newer one can be
// had from every proxy; it needs nothing but Go.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

// packages writes a deb and an rpm for each platform and returns their names.
func (r *release) packages(ctx context.Context, platforms []platform) ([]string, error) {
	var names []string
	for _, p := range platforms {
		stage := filepath.Join(r.scratch, "stage_"+p.arch)
		if err := r.stage(ctx, p, stage); err != nil {
			return names, err
		}
		for _, kind := range []string{"deb", "rpm"} {
			name := fmt.Sprintf("port843_%s_%s.%s", packageVersion(r.version), p.arch, kind)
			target, err := filepath.Abs(filepath.Join(r.out, name))
			if err != nil {
				return names, err
			}
			cmd := exec.CommandContext(ctx, "go", "run", nfpm, "package", "--config", "nfpm.yaml", "--packager", kind, "--target", target)
			cmd.Dir = stage
			cmd.Env = append(os.Environ(), "GOFLAGS=", "ARCH="+p.arch, "VERSION="+packageVersion(r.version),
				fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.epoch.Unix()))
			if out, err := cmd.CombinedOutput(); err != nil {
				return names, fmt.Errorf("%s: %w\n%s", name, err, out)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// stage lays out what nfpm.yaml names.
func (r *release) stage(ctx context.Context, p platform, stage string) error {
	program, err := r.build(ctx, p)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files := []file{{"port843", 0o755, data}}
	for _, f := range r.extras {
		if path.Dir(f.name) == "man" {
			f.name += ".gz"
			if f.data, err = compressed(f.data); err != nil {
				return err
			}
		}
		files = append(files, f)
	}
	changelog, err := compressed(debianChangelog(r.version, r.epoch))
	if err != nil {
		return err
	}
	files = append(files, file{"changelog.Debian.gz", 0o644, changelog})
	for from, to := range map[string]string{
		"LICENSE": "LICENSE", "packaging/nfpm.yaml": "nfpm.yaml",
		"packaging/deb/copyright": "copyright", "packaging/deb/lintian-overrides": "lintian-overrides",
		"packaging/deb/postinst": "deb/postinst", "packaging/deb/prerm": "deb/prerm", "packaging/deb/postrm": "deb/postrm",
		"packaging/rpm/post": "rpm/post", "packaging/rpm/preun": "rpm/preun", "packaging/rpm/postun": "rpm/postun",
	} {
		if data, err = r.source(from); err != nil {
			return err
		}
		files = append(files, file{to, 0o644, data})
	}
	for _, f := range files {
		target := filepath.Join(stage, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, f.data, f.mode); err != nil {
			return err
		}
		if err := os.Chtimes(target, r.epoch, r.epoch); err != nil {
			return err
		}
	}
	return nil
}

// described is git's description of a commit: a tag, how many commits since,
// the commit, and whether something was changed.
var described = regexp.MustCompile(`^v(\d[0-9.]*)(?:-((?:alpha|beta|rc)[0-9.]*))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)

// packageVersion turns a version into one that dpkg and rpm order as it is
// meant: v1.2.3-rc1 before v1.2.3 before v1.2.3-4-gabc, and a commit without
// any tag before all of them.
func packageVersion(v string) string {
	m := described.FindStringSubmatch(v)
	if m == nil {
		return "0~git." + strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz.", r) {
				return r
			}
			return '.'
		}, strings.ToLower(v))
	}
	out := m[1]
	if m[2] != "" {
		out += "~" + m[2]
	}
	if m[3] != "" {
		out += "+" + m[3] + ".g" + m[4]
	}
	if m[5] != "" {
		out += "+dirty"
	}
	return out
}

// debianChangelog is the one entry that Debian's tools ask for.
func debianChangelog(version string, epoch time.Time) []byte {
	return fmt.Appendf(nil, `port843 (%s-1) stable; urgency=medium

  * See https://github.com/port843/port843/blob/main/CHANGELOG.md

 -- port843 maintainers <port843@users.noreply.github.com>  %s
`, packageVersion(version), epoch.Format(time.RFC1123Z))
}
