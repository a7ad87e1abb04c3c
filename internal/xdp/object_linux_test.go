//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/port843/port843/internal/need"
)

// TestObjectIsTheSource compiles the program anew, from another folder, and
// wants the very bytes that are embedded.
func TestObjectIsTheSource(t *testing.T) {
	need.Tool(t, "clang-14")
	need.Tool(t, "llvm-strip-14")
	elsewhere := t.TempDir()
	for _, dir := range []string{"scripts", "internal/xdp/program"} {
		if err := os.CopyFS(filepath.Join(elsewhere, dir), os.DirFS(filepath.Join("../..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(elsewhere, "scripts/build-xdp")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "fastpath.o")
	if said, err := exec.Command("bash", script, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	made, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, object) {
		t.Errorf("the object of %d bytes is not what its source says, %d bytes: run go generate ./internal/xdp", len(object), len(made))
	}
}

// TestLayouts compares the Go side of the maps with what the object says.
func TestLayouts(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"doors": {mapDoor{}, mapBehind{}}, "book_a": {uint32(0), mapAnswer{}}, "book_b": {uint32(0), mapAnswer{}},
		"counters": {uint32(0), Counters{}}, "rows": {uint32(0), mapRow{}}, "strangers": {uint32(0), mapStranger{}},
	} {
		m := spec.Maps[name]
		if m == nil {
			t.Errorf("the object has no map %s", name)
			continue
		}
		same(t, name+" key", m.Key, reflect.TypeOf(pair[0]), int(m.KeySize))
		same(t, name+" value", m.Value, reflect.TypeOf(pair[1]), int(m.ValueSize))
	}
	for name, n := range map[string]uint32{"doors": MaxDoors, "book_a": MaxDoors, "counters": MaxListeners} {
		if spec.Maps[name].MaxEntries != n {
			t.Errorf("%s holds %d, want %d", name, spec.Maps[name].MaxEntries, n)
		}
	}
	if got := spec.Programs["port843"].License; got != "Dual MIT/GPL" {
		t.Errorf("the licence is %q", got)
	}
	if n := unsafe.Sizeof(mapAnswer{}.Bytes); n < MaxAnswer {
		t.Errorf("a page has room for %d bytes", n)
	}
}

// same compares a type of the object with one of Go: the size, and the names
// and places of the fields.
func same(t *testing.T, what string, c btf.Type, g reflect.Type, size int) {
	t.Helper()
	if int(g.Size()) != size {
		t.Errorf("%s: %d bytes in Go, %d in the object", what, g.Size(), size)
	}
	s, ok := c.(*btf.Struct)
	if !ok {
		return
	}
	if g.NumField() != len(s.Members) {
		t.Errorf("%s: %d fields in Go, %d in the object", what, g.NumField(), len(s.Members))
		return
	}
	for i, m := range s.Members {
		f := g.Field(i)
		if strings.ReplaceAll(m.Name, "_", "") != strings.ToLower(f.Name) || uintptr(m.Offset.Bytes()) != f.Offset {
			t.Errorf("%s: field %d is %s at %d in Go, %s at %d in the object", what, i, f.Name, f.Offset, m.Name, m.Offset.Bytes())
		}
	}
}
