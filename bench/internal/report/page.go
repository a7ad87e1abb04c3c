package report

import (
	"fmt"
	"io"
	"strings"
)

// Page writes docs/performance.md: the machine, the plots, the tables and how
// they were made.
func Page(w io.Writer, r *Results) error {
	m := r.Machine
	var b strings.Builder
	b.WriteString("# Performance\n\n")
	b.WriteString("Written by `go run ./bench -write-docs` from what `make bench` measured; do not edit it.\n\n")
	fmt.Fprintf(&b, "Measured on %s: %s, %d cores, %s MB of memory, Linux %s, %s; load average %s at the start.\n",
		m.Date, m.CPU, m.Cores, number(float64(m.MemoryMB), 0), m.Kernel, m.Go, m.Load)
	fmt.Fprintf(&b, "Medians of %d rounds, %d for the measures that take long. Processor time: %s. Packets were lost by %s. Each server process may have %s descriptors.\n\n",
		r.Rounds, r.Heavy, m.Accounting, orNone(m.Loss), number(float64(m.Descriptors), 0))
	b.WriteString(`Absolute figures drift from day to day and differ from machine to machine. What counts is a ratio: it is made
within each round, of figures that were measured seconds apart, and the median of the rounds' ratios is shown.

`)
	for _, p := range Plots {
		if _, ok := SVG(r, p); ok {
			fmt.Fprintf(&b, "![%s](performance/%s)\n\n", p.Title, p.File)
		}
	}
	if err := Tables(&b, r); err != nil {
		return err
	}
	profile(&b, r)
	b.WriteString(method)
	_, err := io.WriteString(w, b.String())
	return err
}

func orNone(s string) string {
	if s == "" {
		return "nothing (neither netem nor nftables was to be had)"
	}
	return s
}

// few is the share in percent below which a place is summed up with others.
const few = 1.0

func profile(b *strings.Builder, r *Results) {
	if len(r.Profile) == 0 {
		return
	}
	rows := [][]string{{"where port843's time goes, saturated", "percent"}}
	rest := 0.0
	for _, s := range r.Profile {
		if s.Percent < few {
			rest += s.Percent
			continue
		}
		rows = append(rows, []string{s.Name, number(s.Percent, 1)})
	}
	if rest > 0 {
		rows = append(rows, []string{"all others, each below 1", number(rest, 1)})
	}
	b.WriteString("## Where the time goes\n\nSampled with perf, by system call. What a call has the kernel do for packets on loopback is named apart: it would be done by the other machine, or by the network card's interrupt.\n\n")
	grid(b, rows)
}

const method = `## How it is measured

Server and clients are processes on one machine and talk over loopback, in a network namespace that nothing else
uses. The server's processes are in a cgroup of their own, which counts their processor time and can hold them to a
quota. Round by round every server takes its turn at one measure, each time freshly started, and the order changes
with the round.

The load generator (bench/load) uses raw sockets and one epoll instance a process, comes from a thousand addresses in
127/8, sends the request at once or 5 ms after the connect, and compares every byte of every answer. It tells apart
how an exchange ended: by FIN, by RST after the answer, by RST that took the answer, cut, wrong, or not in time. An
open loop begins each exchange at its own time by the clock and counts latency from then, so that a stall shows in
every exchange that fell into it. Should a generator reach a bound of its own, the figures are thrown away.

The reference is a C program (bench/cserver) with the same tricks and without everything else that a server needs:
what the kernel allows.

What to keep in mind:

- Loopback has no network card. The kernel's work for a packet is done in the context of the sender, so part of what
  the server's packets cost is in its figure although another machine would pay for it, for all servers alike.
- With server and generator on the same few cores, "saturated" measures both. The fair figures are processor time
  per exchange, and exchanges at an equal budget.
- strace slows a server down, so that more is waiting at each turn; its count of calls is that of a busy server.

To repeat it: ` + "`make bench`" + `, as root, on a machine that does nothing else.
`
