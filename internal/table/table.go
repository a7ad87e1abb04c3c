// Package table turns a config file into the policies to serve, and keeps them
// true while files change.
//
// # Call these first
//
// [New] names the config, [Loader.Load] reads it and every file it names:
//
//	l := table.New("/etc/port843/port843.toml")
//	t, err := l.Load() // and again whenever something in l.Paths() changed
//	for _, one := range t.Result.Tables {
//		serve(one.Address, one.Policy()) // the zero Address: every other one
//	}
//
// # Guarantees
//
//   - A Load that fails changes nothing: the Tables of the last one are as good
//     as before, and so is the Loader. It fails where the config itself is
//     refused or cannot be read, never for a department's file.
//   - A department's file with a mistake leaves its owner's last good version
//     in force and touches nobody else; see package aggregate. What was refused
//     is in [Tables.Refused].
//   - Only what changed is read and built: a file by its identity, size and
//     time. A table that nothing touched is the same *aggregate.Table as
//     before, so that a caller may keep what it made of it.
//   - A file is read up to policy.MaxSize, and only if it is a regular one; an
//     owner has at most [MaxFragments] of them, and [MaxBytes] together.
//
// A Loader is for one goroutine at a time; Tables are read only.
package table

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

// Bounds of one owner's policy files, so that none can keep the reader busy.
const (
	MaxFragments = 1000     // a hundred times what a large department has
	MaxBytes     = 16 << 20 // of all of them: sixteen of policy.MaxSize
)

// Tables is what a config says at one time.
type Tables struct {
	Config *config.Config
	Result *aggregate.Result
	Read   int // policy files that were read for it; the others were known
}

// Refused returns a line for each mistake that keeps something out of service,
// fit to be shown.
func (t *Tables) Refused() []string {
	out := make([]string, len(t.Result.Refusals))
	for i, r := range t.Result.Refusals {
		out[i] = r.Error()
	}
	return out
}

// Warnings returns a line for each warning and conflict, fit to be shown.
// That owners share an address is left to explanations: it is so on most
// machines, and where it matters there is a conflict.
func (t *Tables) Warnings() []string {
	var out []string
	for _, w := range t.Result.Warnings {
		if w.Code != aggregate.WarnShared {
			out = append(out, w.String())
		}
	}
	for _, c := range t.Result.Conflicts() {
		out = append(out, c.String())
	}
	return out
}

// ServicesAt returns the services of a table's address, by name.
func (t *Tables) ServicesAt(one *aggregate.Table) []aggregate.Service {
	everywhere := map[string]bool{}
	at := map[string]bool{}
	for i := range t.Config.Owners {
		o := &t.Config.Owners[i]
		everywhere[o.Name] = len(o.Addresses) == 0
		at[o.Name] = slices.Contains(o.Addresses, one.Address)
	}
	var out []aggregate.Service
	for i := range t.Config.Services {
		s := &t.Config.Services[i]
		if s.Address == one.Address && s.Address.IsValid() || !s.Address.IsValid() && (everywhere[s.Owner] || at[s.Owner]) {
			out = append(out, s.Service)
		}
	}
	slices.SortFunc(out, func(a, b aggregate.Service) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Loader reads a config again and again. Make it with [New].
type Loader struct {
	path    string
	text    []byte // of the config, as it was last taken
	config  *config.Config
	options aggregate.Options
	builder *aggregate.Builder
	owners  map[string]*ownerFiles
}

// ownerFiles is what an owner's last version was made of.
type ownerFiles struct {
	owner    aggregate.Owner
	services []aggregate.Service
	files    []*file
}

// file is a policy file as it was last read.
type file struct {
	name     string
	info     os.FileInfo // nil: it could not be read
	at       time.Time   // when
	fragment aggregate.Fragment
}

// New returns a Loader of the config of that name, which has read nothing yet.
func New(path string) *Loader {
	return &Loader{path: path, owners: map[string]*ownerFiles{}}
}

// Load reads what changed since the last Load, and builds. The error is the
// config's ([config.Mistakes]) or the file system's.
func (l *Loader) Load() (*Tables, error) {
	c, text, err := l.readConfig()
	if err != nil {
		return nil, err
	}
	same := c == l.config
	l.config, l.text = c, text
	o := aggregate.Options{ServedFrom: c.ServedFrom(), Meta: c.Serve.Meta}
	switch {
	case l.builder == nil:
		l.builder = aggregate.NewBuilder(o)
	case o != l.options:
		l.builder.SetOptions(o)
	}
	l.options = o
	t := &Tables{Config: c}
	t.Read = l.update(same)
	t.Result = l.builder.Build()
	return t, nil
}

// Paths returns the config and the policy files that its owners' patterns
// match now. A change in any of them, or of the list, calls for a Load.
func (l *Loader) Paths() []string {
	out := []string{l.path}
	if l.config != nil {
		for i := range l.config.Owners {
			names := l.config.Owners[i].Fragments()
			out = append(out, names[:min(len(names), MaxFragments+1)]...)
		}
	}
	return out
}

// String returns the name of the config.
func (l *Loader) String() string { return l.path }

// readConfig reads the config, and parses it where it changed.
func (l *Loader) readConfig() (*config.Config, []byte, error) {
	text, err := bounded.ReadFile(l.path, config.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	if l.config != nil && bytes.Equal(text, l.text) {
		return l.config, l.text, nil
	}
	c, err := config.Parse(l.path, text)
	return c, text, err
}

// update gives the builder every owner that changed, and returns how many
// files were read for that.
func (l *Loader) update(sameConfig bool) (read int) {
	services := map[string][]aggregate.Service{}
	for i := range l.config.Services {
		s := &l.config.Services[i]
		services[s.Owner] = append(services[s.Owner], s.Service)
	}
	present := make(map[string]bool, len(l.config.Owners))
	for i := range l.config.Owners {
		o := &l.config.Owners[i]
		present[o.Name] = true
		last := l.owners[o.Name]
		next := &ownerFiles{owner: o.Owner, services: services[o.Name]}
		n := next.look(o.Fragments(), last)
		read += n
		if last != nil && n == 0 && len(last.files) == len(next.files) &&
			(sameConfig || reflect.DeepEqual(last.owner, next.owner) && reflect.DeepEqual(last.services, next.services)) {
			continue
		}
		l.owners[o.Name] = next
		l.builder.Set(next.version())
	}
	for name := range l.owners {
		if !present[name] {
			delete(l.owners, name)
			l.builder.Remove(name)
		}
	}
	return read
}

// look fills in the files of that name: those of last that did not change, and
// the others read anew. It returns how many it read.
func (f *ownerFiles) look(names []string, last *ownerFiles) (read int) {
	known := map[string]*file{}
	if last != nil {
		for _, x := range last.files {
			known[x.name] = x
		}
	}
	tooMuch := func(name, format string, args ...any) int {
		f.files = []*file{{name: name, fragment: aggregate.UnreadFragment(name, fmt.Errorf(format, args...))}}
		return 1
	}
	if len(names) > MaxFragments {
		return tooMuch(names[MaxFragments], "with this it has more than %d policy files, the most of one owner", MaxFragments)
	}
	size := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil {
			size += info.Size()
		}
		if size > MaxBytes {
			return tooMuch(name, "with this its policy files are larger than %d bytes, the most of one owner", MaxBytes)
		}
		x := known[name]
		if x == nil || err != nil || !x.same(info) {
			x = readFile(name)
			read++
		}
		f.files = append(f.files, x)
	}
	return read
}

// settled is how old a file must be when it is read for its time to tell it
// from what replaces it: file systems count in steps of up to two seconds.
const settled = 2 * time.Second

// same reports whether the file is as it was read.
func (x *file) same(info os.FileInfo) bool {
	return x.info != nil && os.SameFile(x.info, info) && x.info.Size() == info.Size() &&
		x.info.ModTime().Equal(info.ModTime()) && x.at.Sub(info.ModTime()) > settled
}

func readFile(name string) *file {
	x := &file{name: name, at: time.Now()}
	info, err := os.Stat(name)
	var data []byte
	if err == nil {
		data, err = bounded.ReadFile(name, policy.MaxSize)
	}
	if err != nil {
		x.fragment = aggregate.UnreadFragment(name, err)
		return x
	}
	x.info, x.fragment = info, aggregate.ReadFragment(name, data)
	return x
}

func (f *ownerFiles) version() aggregate.Version {
	v := aggregate.Version{Owner: f.owner, Services: f.services}
	for _, x := range f.files {
		v.Fragments = append(v.Fragments, x.fragment)
	}
	return v
}
