//go:build linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package xdp

import (
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A take-over. The program stays on the interface all the while, and goes on
// with the doors and the book that it has: a successor inherits the
// descriptors of the link, which keep it there, and of the maps, and needs no
// privilege for that. From then on only the successor may call Set.

// Inherited is one descriptor that a predecessor handed over.
type Inherited struct {
	Name string // as [Path.Files] says it
	File *os.File
}

// Files returns duplicates of the descriptors that a successor needs, for
// [Adopt]. Whoever asks closes them. No name has a comma in it, or an equals
// sign.
func (p *Path) Files() (out []Inherited, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	add := func(what string, fd int) {
		if err != nil {
			return
		}
		var f *os.File
		if f, err = fileOf(fd, what); err == nil {
			out = append(out, Inherited{strings.Join([]string{p.o.String(), abi(), what}, "/"), f})
		}
	}
	for name, m := range p.maps.all() {
		add(name, (*m).FD())
	}
	for _, f := range p.hold {
		raw, err := f.SyscallConn()
		if err != nil {
			return out, err
		}
		if err := raw.Control(func(fd uintptr) { add("link", int(fd)) }); err != nil {
			return out, err
		}
	}
	if p.raw.v4 > 0 {
		add("raw4", p.raw.v4)
	}
	if p.raw.v6 > 0 {
		add("raw6", p.raw.v6)
	}
	return out, err
}

// Adopt takes over the paths whose descriptors a predecessor handed over: one
// an interface. The files are Adopt's from then on. Where the predecessor's
// program is another version's, the error wraps ErrABI: its path then ends with
// the predecessor, and the sockets answer.
func Adopt(files []Inherited) ([]*Path, error) {
	var names []string // of interfaces, in order
	given := map[string]map[string]*os.File{}
	var other error
	for _, f := range files {
		parts := strings.Split(f.Name, "/")
		if len(parts) != 3 || parts[1] != abi() {
			f.File.Close()
			other = fmt.Errorf("%w: %s", ErrABI, parts[0])
			continue
		}
		if given[parts[0]] == nil {
			given[parts[0]] = map[string]*os.File{}
			names = append(names, parts[0])
		}
		given[parts[0]][parts[2]] = f.File
	}
	var paths []*Path
	for _, name := range names {
		p, err := adopt(name, given[name])
		if err != nil {
			other = fmt.Errorf("%s: %w", name, err)
			continue
		}
		paths = append(paths, p)
	}
	return paths, other
}

func adopt(name string, files map[string]*os.File) (*Path, error) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	o, err := ParseInterface(name)
	if err != nil {
		return nil, err
	}
	p := &Path{o: o, maps: &maps{}, known: map[mapDoor]uint32{}}
	for what, m := range p.maps.all() {
		if *m, err = mapOf(files[what]); err != nil {
			p.Close()
			return nil, fmt.Errorf("the map %s: %w", what, err)
		}
	}
	if l := files["link"]; l != nil {
		p.hold = append(p.hold, l)
		delete(files, "link")
	}
	p.raw.adopt(files["raw4"], files["raw6"])
	if err := p.recall(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// mapOf makes a map of a descriptor; the file stays the caller's.
func mapOf(f *os.File) (*ebpf.Map, error) {
	if f == nil {
		return nil, os.ErrNotExist
	}
	fd, err := duplicate(f)
	if err != nil {
		return nil, err
	}
	return ebpf.NewMapFromFD(fd)
}

func duplicate(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	dup := -1
	var failed error
	if err := raw.Control(func(fd uintptr) { dup, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	return dup, failed
}

// recall reads from the maps what the predecessor knew: which book is in
// service, and which page is whose.
func (p *Path) recall() error {
	var inService uint32
	if err := p.maps.Books.Lookup(uint32(0), &inService); err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	info, err := p.maps.BookB.Info()
	if err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	p.active = 0
	if id, ok := info.ID(); ok && uint32(id) == inService {
		p.active = 1
	}
	clear(p.known)
	p.lengths, p.free, p.resting = [MaxDoors]uint32{}, nil, nil
	taken := [MaxDoors]bool{}
	var key mapDoor
	var b mapBehind
	each := p.maps.Doors.Iterate()
	for each.Next(&key, &b) {
		if b.Page >= MaxDoors {
			return fmt.Errorf("the doors: page %d does not exist", b.Page)
		}
		p.known[key], taken[b.Page] = b.Page, true
		var a mapAnswer
		if err := p.book(p.active).Lookup(b.Page, &a); err != nil {
			return fmt.Errorf("the book: %w", err)
		}
		p.lengths[b.Page] = a.Len
	}
	for page := range uint32(MaxDoors) {
		if !taken[page] {
			p.free = append(p.free, page)
		}
	}
	if err := each.Err(); err != nil {
		return fmt.Errorf("the doors: %w", err)
	}
	// One of them may have been let go just now. The kernel returns from this,
	// which changes nothing, when no packet has it any more.
	if err := p.maps.Books.Put(uint32(0), p.book(p.active)); err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	return nil
}
