//go:build linux && (386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The engine sends a silent client away at its deadline. Here there is no
// connection that could have one; but the program writes down who completed a
// handshake, and strikes out who asks. Who still stands there at the deadline
// gets a reset. It is a courtesy: the client's connection is the client's
// alone, and costs us nothing.

// rawSockets send segments of our own making. They receive nothing.
type rawSockets struct{ v4, v6 int }

// open opens them, which needs CAP_NET_RAW. A system without IPv6 has the one.
func (r *rawSockets) open() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: %v", ErrPermission, os.NewSyscallError("socket SOCK_RAW", err))
	}
	if err != nil {
		return os.NewSyscallError("socket SOCK_RAW", err)
	}
	r.v4 = fd
	if fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW); err == nil {
		r.v6 = fd
	}
	return nil
}

func (r *rawSockets) adopt(v4, v6 *os.File) {
	for _, x := range []struct {
		f  *os.File
		to *int
	}{{v4, &r.v4}, {v6, &r.v6}} {
		if x.f == nil {
			continue
		}
		if fd, err := duplicate(x.f); err == nil {
			*x.to = fd
		}
	}
}

func (r *rawSockets) close() {
	for _, fd := range []int{r.v4, r.v6} {
		if fd > 0 {
			unix.Close(fd)
		}
	}
}

// SendAway resets the connections of clients that have been silent for as long
// as deadline, and forgets them. It returns how many there were of each
// listener.
func (p *Path) SendAway(deadline time.Duration) (ended [MaxListeners]uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ended, ErrClosed
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return ended, os.NewSyscallError("clock_gettime", err)
	}
	rows, err := p.rows()
	if err != nil {
		return ended, err
	}
	for i := range rows {
		due := false
		for j := range rows[i].At {
			w := &rows[i].At[j]
			if rows[i].Mark[j] == 0 || w.State != silent || w.Since > uint64(now.Nano()) || time.Duration(uint64(now.Nano())-w.Since) < deadline {
				continue
			}
			due, rows[i].Mark[j] = true, 0
			if p.raw.reset(w.local(), w.client(), w.Ack, w.Seq) == nil && w.Listener < MaxListeners {
				ended[w.Listener]++
			}
		}
		if !due {
			continue
		}
		// A place may have become another's meanwhile, who is then forgotten.
		if err := p.maps.Rows.Put(uint32(i), &rows[i]); err != nil {
			return ended, fmt.Errorf("the silent: %w", err)
		}
	}
	return ended, nil
}

// rows reads the table of silent clients.
func (p *Path) rows() ([]mapRow, error) {
	const atOnce = 256
	n := int(p.maps.Rows.MaxEntries())
	all := make([]mapRow, 0, n)
	var keys [atOnce]uint32
	some := make([]mapRow, atOnce)
	var cursor ebpf.MapBatchCursor
	for len(all) < n {
		got, err := p.maps.Rows.BatchLookup(&cursor, keys[:], some, nil)
		all = append(all, some[:got]...)
		if err != nil && len(all) < n {
			return nil, fmt.Errorf("the silent: %w", err)
		}
	}
	return all, nil
}

const (
	tcpLen  = 20
	ip4Len  = 20
	ip6Len  = 40
	protoIP = unix.IPPROTO_TCP
)

// reset sends a segment with RST from one of our addresses.
func (r *rawSockets) reset(from, to netip.AddrPort, seq, ack uint32) error {
	if from.Addr().Is4() {
		return unix.Sendto(r.v4, resetSegment(from, to, seq, ack), unix.MSG_DONTWAIT, &unix.SockaddrInet4{Addr: to.Addr().As4()})
	}
	return unix.Sendto(r.v6, resetSegment(from, to, seq, ack), unix.MSG_DONTWAIT, &unix.SockaddrInet6{Addr: to.Addr().As16()})
}

// resetSegment makes the segment, IP header and all. The kernel fills in what
// is left out of an IPv4 header.
func resetSegment(from, to netip.AddrPort, seq, ack uint32) []byte {
	ipLen := ip6Len
	if from.Addr().Is4() {
		ipLen = ip4Len
	}
	b := make([]byte, ipLen+tcpLen)
	source, target := from.Addr().AsSlice(), to.Addr().AsSlice()
	if from.Addr().Is4() {
		b[0] = 4<<4 | ip4Len/4
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[8], b[9] = hopLimit, protoIP
		copy(b[12:], source)
		copy(b[16:], target)
	} else {
		b[0] = 6 << 4
		binary.BigEndian.PutUint16(b[4:], tcpLen)
		b[6], b[7] = protoIP, hopLimit
		copy(b[8:], source)
		copy(b[24:], target)
	}
	const rst, withACK = 0x04, 0x10
	th := b[ipLen:]
	binary.BigEndian.PutUint16(th[0:], from.Port())
	binary.BigEndian.PutUint16(th[2:], to.Port())
	binary.BigEndian.PutUint32(th[4:], seq)
	binary.BigEndian.PutUint32(th[8:], ack)
	th[12], th[13] = tcpLen/4<<4, rst|withACK
	pseudo := append(append(append([]byte{}, source...), target...), 0, protoIP, 0, tcpLen)
	binary.NativeEndian.PutUint16(th[16:], ^onesSum(uint64(onesSum(0, pseudo)), th))
	return b
}

const hopLimit = 64
