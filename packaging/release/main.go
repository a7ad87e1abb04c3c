// Command release builds what is published of port843: archives, packages and
// the container image.
//
//	go run ./packaging/release [flags] archives|packages|image
//
// # Vocabulary
//
// A platform is an operating system and a processor, such as linux/amd64. The
// extras are the files that go with the binary: man pages, completions, the
// config to begin with. The epoch is the one time that stands in everything
// that is built: the commit's, or SOURCE_DATE_EPOCH.
//
// # Call these first
//
// [newRelease] builds the extras; its methods archives, packages and image
// write into the folder for the results and return the names of the files.
//
// # Guarantees
//
// The same sources, version, epoch and Go give the same bytes, wherever the
// sources lie and whatever the build cache holds.
//
// # Limits
//
// It runs the Go tool, and for packages nfpm, which the Go tool fetches.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(2)
	}
}

// versionRunes may stand in a version: it goes to the linker, and into names of
// files.
const versionRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~-"

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fl := flag.NewFlagSet("release", flag.ContinueOnError)
	root := fl.String("root", ".", "the `folder` of the sources")
	out := fl.String("out", "dist", "write the results into the `folder`")
	version := fl.String("version", "", "the `version`; git's description of the commit by default")
	only := fl.String("platforms", "", "build these `platforms` alone, such as linux/amd64,windows/arm64")
	if err := fl.Parse(args); err != nil {
		return err
	}
	kind := fl.Arg(0)
	if !slices.Contains([]string{"archives", "packages", "image"}, kind) {
		return fmt.Errorf("%q is nothing to build: archives, packages or image", kind)
	}
	platforms, err := parsePlatforms(*only)
	if err != nil {
		return err
	}
	epoch, err := epochOf(*root)
	if err != nil {
		return err
	}
	if *version == "" {
		if *version, err = git(*root, "describe", "--tags", "--always", "--dirty"); err != nil {
			return err
		}
	}
	if strings.ContainsFunc(*version, func(r rune) bool { return !strings.ContainsRune(versionRunes, r) }) {
		return fmt.Errorf("the version %q has characters beside %s", *version, versionRunes)
	}
	r, err := newRelease(ctx, *root, *out, *version, epoch)
	if err != nil {
		return err
	}
	defer r.close()
	var names []string
	switch kind {
	case "archives":
		names, err = r.archives(ctx, platforms)
	case "packages":
		names, err = r.packages(ctx, linuxOf(platforms))
	case "image":
		names, err = r.image(ctx, linuxOf(platforms))
	}
	for _, n := range names {
		fmt.Println(filepath.Join(*out, n))
	}
	return err
}

// epochOf returns SOURCE_DATE_EPOCH, or the time of the commit.
func epochOf(root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = git(root, "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("%w; without git, set SOURCE_DATE_EPOCH", err)
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the epoch %q is no number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func git(root string, args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
