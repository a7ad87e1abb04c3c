//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"testing"

	"github.com/port843/port843/policy"
)

// BenchmarkPacket has the kernel run the program on one packet again and again:
// what it costs with everything in the cache. Packets that are answered cannot
// be measured so, for the answer stands in the packet's place.
func BenchmarkPacket(b *testing.B) {
	p := newProgram(b)
	for _, x := range pairs {
		p.set(b, Door{Local: x.door, Tags: AnyTags, Answer: answerOf(239)})
		cookie := p.greet(b, x, linuxOptions)
		for name, s := range map[string]segment{
			"another's":      {from: x.door, to: x.client, seq: 7, ack: 8, flags: ack},
			"handshake-ack":  {from: x.client, to: x.door, seq: isn + 1, ack: cookie + 1, flags: ack},
			"answer-ack":     {from: x.client, to: x.door, seq: isn + 24, ack: cookie + 2 + 239, flags: ack},
			"forged-request": {from: x.client, to: x.door, seq: 7, ack: 8, flags: ack | psh, data: []byte(policy.Request)},
		} {
			version := "ipv4/"
			if x.door.Addr().Is6() {
				version = "ipv6/"
			}
			b.Run(version+name, func(b *testing.B) {
				s.dst, s.src = ownMAC, clientMAC
				_, each, err := p.prog.Benchmark(s.frame(), b.N, b.ResetTimer)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(each.Nanoseconds()), "ns/packet")
			})
		}
	}
}
