//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/port843/port843/policy"
)

// BenchmarkPacket gives the program each packet of an exchange, and some that
// are none, and reports the kernel's own account of the program: what a packet
// costs with everything in the cache, its account included.
func BenchmarkPacket(b *testing.B) {
	p := newProgram(b)
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	for i, x := range pairs {
		p.set(b, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(239)})
		cookie := p.greet(b, x, linuxOptions)
		for _, c := range []struct {
			name string
			s    segment
		}{
			{"another's", segment{from: x.door, to: x.client, seq: isn, flags: syn, options: linuxOptions}},
			{"SYN", segment{from: x.client, to: x.door, seq: isn, flags: syn, options: linuxOptions}},
			{"handshake-ACK", segment{from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack}},
			{"request", segment{from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack | psh, data: []byte(policy.Request)}},
			{"answer-ACK", segment{from: x.client, to: x.door, seq: isn + 24, ack: cookie + 2 + 239, flags: ack}},
			{"end", segment{from: x.client, to: x.door, seq: isn + 24, ack: cookie + 2 + 239, flags: ack | fin}},
			{"forged-request", segment{from: x.client, to: x.door, seq: 7, ack: 8, flags: ack | psh, data: []byte(policy.Request)}},
		} {
			c.s.dst, c.s.src = ownMAC, clientMAC
			b.Run([]string{"IPv4", "IPv6"}[i]+"/"+c.name, func(b *testing.B) { p.account(b, c.s.frame()) })
		}
	}
}

// account runs the program b.N times and reports what the kernel says of it.
func (p *program) account(b *testing.B, frame []byte) {
	before, err := p.prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 2048)
	for range b.N {
		o := ebpf.RunOptions{Data: frame, DataOut: out, Repeat: 1}
		if _, err := p.prog.Run(&o); err != nil {
			b.Fatal(err)
		}
	}
	after, err := p.prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount), "ns/packet")
}
