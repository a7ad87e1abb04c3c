//go:build linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package xdp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

//go:embed program/fastpath.o
var object []byte

// abi tells programs apart: a process takes a path over only from one that has
// the same program.
func abi() string {
	sum := sha256.Sum256(object)
	return hex.EncodeToString(sum[:8])
}

// Path is the fast path on one interface. Its methods may be called from any
// goroutine.
type Path struct {
	o    Options
	maps *maps
	hold []*os.File // what keeps the program on the interface
	raw  rawSockets

	mu      sync.Mutex
	known   map[mapDoor]uint32 // the page of each door
	lengths [MaxDoors]uint32   // of the answers in service, by page
	free    []uint32           // pages
	resting []uint32           // pages that were free'd at the last Set
	active  int                // which book is in service, 0 or 1
	closed  bool
}

// maps are those of the program.
type maps struct {
	Doors     *ebpf.Map `ebpf:"doors"`
	Books     *ebpf.Map `ebpf:"books"`
	BookA     *ebpf.Map `ebpf:"book_a"`
	BookB     *ebpf.Map `ebpf:"book_b"`
	Counters  *ebpf.Map `ebpf:"counters"`
	Rows      *ebpf.Map `ebpf:"rows"`
	Strangers *ebpf.Map `ebpf:"strangers"`
}

func (m *maps) all() map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		"doors": &m.Doors, "books": &m.Books, "book_a": &m.BookA, "book_b": &m.BookB,
		"counters": &m.Counters, "rows": &m.Rows, "strangers": &m.Strangers,
	}
}

func (m *maps) close() {
	for _, x := range m.all() {
		(*x).Close() // nil is well
	}
}

// Open loads the program and puts it on the interface. There are no doors at
// first: every packet is passed on until [Path.Set]. It needs the privileges
// that the package comment names; nothing else here does.
//
// The error wraps one of the package's, or is the system's.
func Open(o Options) (*Path, error) {
	if err := CheckCookies(); err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInterface, err)
	}
	m, prog, err := load(ifi)
	if err != nil {
		return nil, err
	}
	defer prog.Close()
	p := &Path{o: o, maps: m, known: map[mapDoor]uint32{}}
	for page := uint32(MaxDoors); page > 0; page-- {
		p.free = append(p.free, page-1)
	}
	if err := p.begin(prog, ifi.Index); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// begin puts the first, empty book and the program in place.
func (p *Path) begin(prog *ebpf.Program, ifindex int) error {
	if err := p.maps.Books.Put(uint32(0), p.book(p.active)); err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	if err := p.raw.open(); err != nil {
		return err
	}
	return p.attach(prog, ifindex)
}

func (p *Path) book(i int) *ebpf.Map {
	if i == 0 {
		return p.maps.BookA
	}
	return p.maps.BookB
}

// load makes the maps and the program for an interface.
func load(ifi *net.Interface) (*maps, *ebpf.Program, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, nil, fmt.Errorf("the program that is built in: %w", err)
	}
	constants := map[string]uint32{"mtu": uint32(min(ifi.MTU, 1500))}
	if len(ifi.HardwareAddr) == 6 {
		constants["own_mac_head"] = binary.NativeEndian.Uint32(ifi.HardwareAddr)
		constants["own_mac_tail"] = uint32(binary.NativeEndian.Uint16(ifi.HardwareAddr[4:]))
	}
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, nil, fmt.Errorf("the program that is built in: %s: %w", name, err)
		}
	}
	var objects struct {
		maps
		Program *ebpf.Program `ebpf:"port843"`
	}
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return nil, nil, loadError(err)
	}
	return &objects.maps, objects.Program, nil
}

// loadError says what a refusal of the kernel means.
func loadError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) && os.Geteuid() != 0 {
		return fmt.Errorf("%w: %v", ErrPermission, err)
	}
	if features.HaveProgramHelper(ebpf.XDP, asm.FnTcpRawCheckSyncookieIpv4) != nil {
		return fmt.Errorf("%w: %v", ErrKernel, err)
	}
	return fmt.Errorf("the kernel does not take the program: %w", err)
}

// attach puts the program on the interface, by a link: it leaves with the last
// descriptor of that.
func (p *Path) attach(prog *ebpf.Program, ifindex int) error {
	flags := link.XDPDriverMode
	if p.o.Generic {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: flags})
	switch {
	case err == nil:
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%s: %w", p.o.Interface, ErrTaken)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %v", ErrPermission, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s, %s: %w (%v)", p.o.Interface, p.o.Mode(), ErrNative, err)
	default:
		return fmt.Errorf("%s: %w", p.o.Interface, err)
	}
	f, err := fileOf(l.(interface{ FD() int }).FD(), "link")
	if err != nil {
		l.Close()
		return err
	}
	p.hold = append(p.hold, f)
	return l.Close()
}

// fileOf returns a duplicate of a descriptor.
func fileOf(fd int, name string) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(dup), name), nil
}

// Options returns what the path was opened with.
func (p *Path) Options() Options { return p.o }

// ErrClosed is returned by a path that was closed.
var ErrClosed = errors.New("xdp: the path was closed")

// Set swaps the doors and all answers: every packet sees the old ones or the
// new ones. It returns when no packet sees the old ones any more. Doors beyond
// MaxDoors and doors whose answer does not fit are left to the kernel; left is
// how many those are.
func (p *Path) Set(doors []Door) (left int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, ErrClosed
	}
	want := map[mapDoor]mapBehind{}
	pages := make([]mapAnswer, MaxDoors)
	for _, d := range doors {
		key := doorOf(d.Local)
		if n := len(d.Answer); n < MinAnswer || n > MaxAnswer || d.Listener < 0 || d.Listener >= MaxListeners {
			left++
			continue
		}
		page, ok := p.known[key]
		if !ok && len(p.free) == 0 {
			left++
			continue
		}
		if !ok {
			page = p.free[len(p.free)-1]
			p.free = p.free[:len(p.free)-1]
			p.known[key] = page
		}
		before := p.lengths[page]
		pages[page].set(d.Answer, before)
		want[key] = mapBehind{page, uint32(d.Listener), d.Tags}
	}
	if err := p.turnPage(pages); err != nil {
		return left, err
	}
	return left, p.arrange(want, pages)
}

// turnPage fills the book that no packet reads and puts it in service. The
// kernel returns from that only when no packet reads the other one.
func (p *Path) turnPage(pages []mapAnswer) error {
	next := p.book(1 - p.active)
	keys := make([]uint32, len(pages))
	for i := range keys {
		keys[i] = uint32(i)
	}
	if _, err := next.BatchUpdate(keys, pages, nil); err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	if err := p.maps.Books.Put(uint32(0), next); err != nil {
		return fmt.Errorf("the book: %w", err)
	}
	p.active = 1 - p.active
	return nil
}

// arrange opens and closes doors, whose answers are in service. The page of a
// door that is closed rests until the next book but one: a packet may have just
// looked it up.
func (p *Path) arrange(want map[mapDoor]mapBehind, pages []mapAnswer) error {
	for key, b := range want {
		if err := p.maps.Doors.Put(key, b); err != nil {
			return fmt.Errorf("the doors: %w", err)
		}
		p.lengths[b.Page] = pages[b.Page].Len
	}
	p.free, p.resting = append(p.free, p.resting...), nil
	for key, page := range p.known {
		if _, ok := want[key]; ok {
			continue
		}
		if err := p.maps.Doors.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("the doors: %w", err)
		}
		delete(p.known, key)
		p.lengths[page] = 0
		p.resting = append(p.resting, page)
	}
	return nil
}

// Counters returns the packets of the first n listeners, at most MaxListeners.
func (p *Path) Counters(n int) ([]Counters, error) {
	out := make([]Counters, min(n, MaxListeners))
	var each []Counters // a processor
	for i := range out {
		if err := p.maps.Counters.Lookup(uint32(i), &each); err != nil {
			return nil, fmt.Errorf("the counters: %w", err)
		}
		for _, c := range each {
			out[i].Add(c)
		}
	}
	return out, nil
}

// Stranger returns the last packet that was refused.
func (p *Path) Stranger() (Stranger, error) {
	var each []mapStranger
	if err := p.maps.Strangers.Lookup(uint32(0), &each); err != nil {
		return Stranger{}, fmt.Errorf("the refused: %w", err)
	}
	var s Stranger
	last := slices.MaxFunc(each, func(a, b mapStranger) int { return cmp.Compare(a.Since, b.Since) })
	if last.Count > 0 {
		s.Client = netip.AddrFrom16(last.Client).Unmap()
	}
	for _, x := range each {
		s.Count += x.Count
	}
	return s, nil
}

// Recall learns anew what the maps say, after another process may have called
// Set: a successor that did not come up.
func (p *Path) Recall() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	return p.recall()
}

// Close lets go of the path. The program leaves the interface with it, unless
// another process holds it too.
func (p *Path) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for _, f := range p.hold {
		f.Close()
	}
	p.raw.close()
	p.maps.close()
}
