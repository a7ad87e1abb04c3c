//go:build linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package xdp

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The Go side of fastpath.h. Every field is exported and there is no padding:
// so they are read and written as they lie in memory.

type mapDoor struct {
	Addr [16]byte
	Port [2]byte // network byte order
	Zero uint16
}

type mapBehind struct{ Page, Listener, Tags uint32 }

type mapAnswer struct {
	Len, Sum, Before, Zero uint32
	Bytes                  [MaxAnswer + 4]byte
}

type mapWaiting struct {
	Client, Local         [16]byte
	ClientPort, LocalPort [2]byte // network byte order
	Seq, Ack              uint32
	State, Listener, Zero uint32
	Since                 uint64
}

// silent is the one state of a mapWaiting that matters here.
const silent = 1

// places are those of a mapRow.
const places = 4

type mapRow struct {
	Mark [places]uint32 // 0: free
	At   [places]mapWaiting
}

type mapStranger struct {
	Client       [16]byte
	Count, Since uint64
}

func doorOf(a netip.AddrPort) mapDoor {
	d := mapDoor{Addr: a.Addr().As16()}
	binary.BigEndian.PutUint16(d.Port[:], a.Port())
	return d
}

func (w *mapWaiting) client() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(w.Client).Unmap(), binary.BigEndian.Uint16(w.ClientPort[:]))
}

func (w *mapWaiting) local() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(w.Local).Unmap(), binary.BigEndian.Uint16(w.LocalPort[:]))
}

// set makes a page of the book; before is the length that the answer there had
// before.
func (a *mapAnswer) set(answer []byte, before uint32) {
	*a = mapAnswer{Before: before}
	if n := len(answer); n >= MinAnswer && n <= MaxAnswer {
		a.Len = uint32(copy(a.Bytes[:], answer))
		a.Sum = uint32(onesSum(0, answer))
	}
}

// onesSum adds b as 16-bit words, in the byte order of this machine's memory, to
// a ones' complement sum (RFC 1071), and folds it.
func onesSum(sum uint64, b []byte) uint16 {
	for pair := range slices.Chunk(b, 2) {
		var word [2]byte
		copy(word[:], pair)
		sum += uint64(binary.NativeEndian.Uint16(word[:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
