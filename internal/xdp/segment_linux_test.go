//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// Flags of a TCP header.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
)

const (
	drop = 1
	pass = 2
	tx   = 3
)

var ownMAC, clientMAC = net.HardwareAddr{2, 8, 4, 3, 0, 1}, net.HardwareAddr{2, 8, 4, 3, 0, 2}

// segment is a TCP segment in a frame, as tests write and read it.
type segment struct {
	dst, src  net.HardwareAddr
	tags      []uint16 // VLAN ids, the outer one first
	from, to  netip.AddrPort
	seq, ack  uint32
	flags     byte
	options   []byte
	data      []byte
	fragment  uint16 // of an IPv4 header
	ipOptions bool
	hops      byte
	padding   int // behind the packet, in the frame
	window    uint16
}

// frame writes it.
func (s *segment) frame() []byte {
	b := append(append([]byte{}, s.dst...), s.src...)
	for i, id := range s.tags {
		proto := uint16(0x8100)
		if len(s.tags) > 1 && i == 0 {
			proto = 0x88a8
		}
		b = binary.BigEndian.AppendUint16(b, proto)
		b = binary.BigEndian.AppendUint16(b, 5<<13|id) // with a priority
	}
	th := make([]byte, 20, 80)
	binary.BigEndian.PutUint16(th[0:], s.from.Port())
	binary.BigEndian.PutUint16(th[2:], s.to.Port())
	binary.BigEndian.PutUint32(th[4:], s.seq)
	binary.BigEndian.PutUint32(th[8:], s.ack)
	th[12], th[13] = byte((20+len(s.options))/4<<4), s.flags
	binary.BigEndian.PutUint16(th[14:], 64240)
	th = append(append(th, s.options...), s.data...)
	from, to := s.from.Addr().AsSlice(), s.to.Addr().AsSlice()
	if s.from.Addr().Is6() {
		b = append(b, 0x86, 0xdd, 6<<4, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(th)))
		b = append(append(append(b, 6, 57), from...), to...)
	} else {
		head := byte(5)
		var options []byte
		if s.ipOptions {
			head, options = 6, []byte{1, 1, 1, 0}
		}
		b = append(b, 8, 0, 4<<4|head, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(int(head)*4+len(th)))
		b = append(b, 1, 2)
		b = binary.BigEndian.AppendUint16(b, s.fragment)
		b = append(append(append(b, 57, 6, 0, 0), from...), to...)
		b = append(b, options...)
	}
	return append(append(b, th...), make([]byte, s.padding)...)
}

// read reads a frame and checks every sum and length in it.
func read(b []byte) (s segment, err error) {
	if len(b) < 14 {
		return s, fmt.Errorf("a frame of %d bytes", len(b))
	}
	s.dst, s.src = b[:6], b[6:12]
	b = b[12:]
	for b[0] == 0x81 || b[0] == 0x88 {
		s.tags = append(s.tags, binary.BigEndian.Uint16(b[2:])&0xfff)
		b = b[4:]
	}
	proto, b := binary.BigEndian.Uint16(b), b[2:]
	var th, from, to []byte
	switch proto {
	case 0x0800:
		total := int(binary.BigEndian.Uint16(b[2:]))
		if b[0] != 0x45 || total > len(b) {
			return s, fmt.Errorf("an IP header % x", b[:20])
		}
		if got := onesSum(0, b[:20]); got != 0xffff {
			return s, fmt.Errorf("the sum of the IP header gives %#x", got)
		}
		s.hops, s.fragment = b[8], binary.BigEndian.Uint16(b[6:])
		from, to, th, s.padding = b[12:16], b[16:20], b[20:total], len(b)-total
	case 0x86dd:
		total := int(binary.BigEndian.Uint16(b[4:]))
		if total+40 > len(b) {
			return s, fmt.Errorf("%d bytes in %d", total, len(b)-40)
		}
		s.hops = b[7]
		from, to, th, s.padding = b[8:24], b[24:40], b[40:40+total], len(b)-40-total
	default:
		return s, fmt.Errorf("protocol %#x", proto)
	}
	pseudo := append(append(append([]byte{}, from...), to...), 0, 6)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(th)))
	if got := onesSum(uint64(onesSum(0, pseudo)), th); got != 0xffff {
		return s, fmt.Errorf("the sum of the TCP segment gives %#x", got)
	}
	f, _ := netip.AddrFromSlice(from)
	t, _ := netip.AddrFromSlice(to)
	s.from = netip.AddrPortFrom(f, binary.BigEndian.Uint16(th))
	s.to = netip.AddrPortFrom(t, binary.BigEndian.Uint16(th[2:]))
	s.seq, s.ack = binary.BigEndian.Uint32(th[4:]), binary.BigEndian.Uint32(th[8:])
	s.flags, s.window = th[13], binary.BigEndian.Uint16(th[14:])
	head := int(th[12] >> 4 * 4)
	s.options, s.data = th[20:head], th[head:]
	return s, nil
}
