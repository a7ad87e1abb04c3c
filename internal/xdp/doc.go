// Package xdp is the fast path: policy exchanges answered by a program in the
// network driver (XDP), without a socket, and without a byte of memory for a
// connection. What it does not answer, the kernel and the server's engine do.
//
// # Vocabulary
//
// A door is an address and port of this machine, with the answer that is given
// there ([Door]). The book holds the answers of all doors at one moment; it is
// swapped as a whole. A client is proven when it has sent back the number of a
// SYN cookie: its address is not forged. The careful path is what the kernel
// does with a packet that the program passes on: a socket, and the engine
// behind it. A silent client has completed its handshake and sent nothing.
//
// # Call these first
//
//	p, err := xdp.Open(xdp.Options{Interface: "eth0"}) // with the privileges
//	…
//	err = p.Set(doors)                                 // at any moment, without them
//
// [Path.Counters] tells what became of the packets; [Path.SendAway] ends silent
// clients, and [Refresh] keeps the careful path open: both are to be called
// again and again. [Adopt] takes a path over from another process.
//
// # Guarantees
//
//   - Before a client is proven, what it gets is one SYN-ACK for each SYN, no
//     longer than that. Whoever forges addresses gains nothing.
//   - Nothing is kept for a connection. There is one table of a fixed size, in
//     which silent clients are remembered for a while if there is a place.
//   - An answer is one of the book's, whole: old or new, never mixed, and never
//     another door's.
//   - An answer or an end that is lost is sent again when the client repeats
//     what it said. The client's own patience is the only one.
//   - A cut request, white space, a missing NUL, HTTP, TLS, options, fragments,
//     an answer that does not fit: all that is the careful path's, with the
//     same packet, so that nothing has to be sent twice.
//   - Packets for other addresses, other ports and other machines are passed on
//     untouched.
//   - The program leaves the interface with the last process that holds the
//     path, however that ends.
//
// # What it never does
//
// It replaces no program that is on the interface already, changes no setting
// of the system, and never falls back to generic mode unless it was asked to.
// It limits no client: without state there is nothing that a client could hold.
//
// # Limits
//
// It needs Linux 6.0 (the helpers for cookies), a little-endian machine,
// CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW to open, and
// net.ipv4.tcp_syncookies=2 all the time. An answer may have 1,460 bytes, 1,220 for clients over IPv6; on
// a veth about 230, for there is hardly any room in its packets.
//
// # The program
//
// program/fastpath.c and its two headers make fastpath.o, which is embedded.
// "go generate" makes it anew with Debian's clang 14; a test holds the object
// to be what the source says. It is compiled by one command and not by bpf2go:
// the Go side of the maps is five small types, which a test compares with the
// object's own description of them, and so nothing but clang is needed.
package xdp

//go:generate ../../scripts/build-xdp program/fastpath.o
