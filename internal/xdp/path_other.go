//go:build !(linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64))

package xdp

import (
	"net"
	"net/netip"
	"os"
	"time"
)

// Path is the fast path on one interface, which this system has not.
type Path struct{}

// Inherited is one descriptor that a predecessor handed over.
type Inherited struct {
	Name string
	File *os.File
}

// Open returns ErrSystem.
func Open(Options) (*Path, error) { return nil, ErrSystem }

// Adopt returns ErrSystem where there is something to adopt.
func Adopt(files []Inherited) ([]*Path, error) {
	if len(files) == 0 {
		return nil, nil
	}
	return nil, ErrSystem
}

// Carriers returns ErrSystem.
func Carriers([]netip.Addr) ([]string, error) { return nil, ErrSystem }

func (*Path) Options() Options                 { return Options{} }
func (*Path) Set([]Door) (int, error)          { return 0, ErrSystem }
func (*Path) Recall() error                    { return ErrSystem }
func (*Path) Counters(int) ([]Counters, error) { return nil, ErrSystem }
func (*Path) Stranger() (Stranger, error)      { return Stranger{}, ErrSystem }
func (*Path) Files() ([]Inherited, error)      { return nil, ErrSystem }
func (*Path) Locals() ([]Local, error)         { return nil, ErrSystem }
func (*Path) Close()                           {}

// IsVirtual returns false.
func IsVirtual(string) bool { return false }

// OnlyIPv6 returns false.
func OnlyIPv6(net.Listener) bool { return false }

func (*Path) SendAway(time.Duration) (ended [MaxListeners]uint64, err error) {
	return ended, ErrSystem
}
