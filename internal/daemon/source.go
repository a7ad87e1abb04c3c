package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/table"
	"github.com/port843/port843/policy"
	"github.com/port843/port843/server"
)

// Source is where the policies of one or more listeners come from. It is used
// from one goroutine at a time.
type Source interface {
	// Load reads everything anew. An error refuses the whole: what was in
	// service stays.
	Load() (Loaded, error)
	// Paths returns the files that Load reads, such as there are now; a
	// change in any of them calls for a Load.
	Paths() []string
	// Folders returns the folders that must stay readable for a Load, though
	// there may be no file in them yet.
	Folders() []string
	// String says where the policies come from, for logs and status.
	String() string
}

// Loaded is what a source yields.
type Loaded struct {
	Policies server.Policies
	// Warnings are for the administrator: size, ranges, unknown elements.
	Warnings []string
	// Refused are parts, such as one department's file, that were refused
	// while the rest is served; the service is then not fully healthy.
	Refused []string
	// Fronts are those that the source says itself: a config's services with
	// a backend.
	Fronts []Front
	// Tables are what the policies were built from; nil where they are files.
	Tables *table.Tables
}

// fixed is a source that never changes: flags, or the built-in policy.
type fixed struct {
	answer   *server.Answer
	name     string
	warnings []string
}

// DenyAll returns the source that permits nothing, promptly.
func DenyAll(name string) Source { return &fixed{answer: server.DenyAll(), name: name} }

// Fixed returns a source of one policy that a program has made.
func Fixed(p *policy.Policy, name string, warnings ...string) (Source, error) {
	a, err := server.PolicyAnswer(p)
	if err != nil {
		return nil, err
	}
	return &fixed{answer: a, name: name, warnings: append(warnings, warningsIn(name, a)...)}, nil
}

func (f *fixed) Load() (Loaded, error) {
	return Loaded{Policies: server.Policies{Default: f.answer}, Warnings: f.warnings}, nil
}
func (f *fixed) Paths() []string   { return nil }
func (f *fixed) Folders() []string { return nil }
func (f *fixed) String() string    { return f.name }

// file is a source that is one policy file, served as it is.
type file struct{ path string }

// File returns the source of a policy file.
func File(path string) Source { return &file{path} }

func (f *file) Paths() []string   { return []string{f.path} }
func (f *file) Folders() []string { return foldersOf(f.path) }
func (f *file) String() string    { return f.path }

func (f *file) Load() (Loaded, error) {
	data, err := bounded.ReadFile(f.path, policy.MaxSize)
	if err != nil {
		return Loaded{}, err
	}
	a, err := server.NewAnswer(data)
	if err != nil {
		return Loaded{}, &FileError{Path: f.path, Err: err}
	}
	return Loaded{Policies: server.Policies{Default: a}, Warnings: warningsIn(f.path, a)}, nil
}

func warningsIn(path string, a *server.Answer) []string {
	var out []string
	for _, p := range a.Warnings() {
		out = append(out, p.In(path))
	}
	return out
}

// FileError is a policy file with mistakes. As an error it has a line
// file:line:column: … for each.
type FileError struct {
	Path string
	Err  error // policy.Problems
}

func (e *FileError) Unwrap() error { return e.Err }

func (e *FileError) Error() string {
	ps := policy.ProblemsOf(e.Err)
	if len(ps) == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.In(e.Path)
	}
	return strings.Join(lines, "\n")
}

// foldersOf returns the folders that the paths, and what they lead to as
// symbolic links, lie in.
func foldersOf(paths ...string) []string {
	var out []string
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			out = append(out, filepath.Dir(abs))
		}
		if real, err := filepath.EvalSymlinks(p); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				out = append(out, filepath.Dir(real))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// signature changes when any of the files does: its content by time and size,
// its existence, or where its path leads, as when a symbolic link is swapped.
func signature(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			continue
		}
		info, err := os.Stat(real)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			continue
		}
		fmt.Fprintf(&b, "%s %s %d %d %v\n", path, real, info.Size(), info.ModTime().UnixNano(), identity(info))
	}
	return b.String()
}
