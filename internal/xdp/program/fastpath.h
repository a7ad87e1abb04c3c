/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What fastpath.c shares with the loader (maps_linux.go): the maps and what stands in
 * them. Whoever changes a layout here changes it there; a test compares both.
 */
#ifndef PORT843_FASTPATH_H
#define PORT843_FASTPATH_H

#include "kernel.h"

#define MAX_ANSWER 1460  /* a segment of Ethernet: no policy that is longer is answered here */
#define MIN_ANSWER 32    /* or the ends of an exchange could be mistaken for each other (finish) */
#define MAX_PAGES 1024   /* doors that can have answers */
#define MAX_LISTENERS 64 /* listening sockets that are counted apart */
#define ROWS 4096        /* of clients that can be remembered as silent; a power of two */

#define PLACES 4         /* in a row */

/* door is an address and port of this machine that is answered for. IPv4
 * addresses are mapped into IPv6. All of it in network byte order. */
struct door {
	__u32 addr[4];
	__u16 port;
	__u16 zero;
};

/* behind is what stands behind a door. */
struct behind {
	__u32 page;     /* of the book, where its answer stands */
	__u32 listener; /* to count for */
	__u32 tags;     /* the VLAN tags its packets must have: outer, then inner id << 16; or ANY_TAGS */
};

#define ANY_TAGS 0xffffffff

/* answer is a page of the book. */
struct answer {
	__u32 len;    /* of bytes; 0: this door is the kernel's */
	__u32 sum;    /* the ones' complement sum of bytes as 16-bit words in memory's order, folded */
	__u32 before; /* the length that the answer before this one had, or 0 */
	__u32 zero;
	__u8 bytes[MAX_ANSWER + 4];
};

/* counted are packets of one listener, by what became of them. */
struct counted {
	__u64 syns;      /* answered with a cookie */
	__u64 opened;    /* handshakes that were completed */
	__u64 answered;  /* answers sent, repeated ones too */
	__u64 finished;  /* ends acknowledged */
	__u64 passed;    /* handed to the kernel: it serves them on the socket */
	__u64 no_room;   /* of those: requests whose answer did not fit the packet or the client's segments */
	__u64 dropped;   /* acknowledgements of what needs none, and what came too early */
	__u64 refused;   /* without a valid cookie and without a connection: dropped */
	__u64 forgotten; /* silent clients that there was no place to remember */
};

/* waiting is a client that has completed its handshake and said nothing yet,
 * or whose first bytes were handed to the kernel, or may have been lost. */
struct waiting {
	__u32 client[4]; /* addresses and ports as in a door */
	__u32 local[4];
	__u16 client_port;
	__u16 local_port;
	__u32 seq; /* of the client's next byte, in host byte order */
	__u32 ack; /* of our next byte */
	__u32 state;
	__u32 listener;
	__u32 zero;
	__u64 since; /* by CLOCK_MONOTONIC, in ns, coarse */
};

enum { SILENT = 1, HANDED, SUSPECT };

/* row is where a client may be remembered, in one of the places. The marks
 * come first, so that a look at one cache line tells whether it is: 0 is free,
 * another one is a hash of the client there. */
struct row {
	__u32 mark[PLACES];
	struct waiting at[PLACES];
};

/* stranger is the last packet that was refused. */
struct stranger {
	__u32 client[4];
	__u64 count; /* how many there were */
	__u64 since; /* when the last one came, as in waiting */
};

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, MAX_PAGES);
	__type(key, struct door);
	__type(value, struct behind);
} doors SEC(".maps");

/* The books: the answers of one moment, all of them. The loader fills one that
 * no packet reads, and puts it in place in one step. */
struct book {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, MAX_PAGES);
	__type(key, __u32);
	__type(value, struct answer);
};

struct book book_a SEC(".maps"), book_b SEC(".maps");

struct {
	__uint(type, MAP_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct book);
} books SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, MAX_LISTENERS);
	__type(key, __u32);
	__type(value, struct counted);
} counters SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, ROWS);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stranger);
} strangers SEC(".maps");

/* What the loader knows of the interface. The verifier takes them for
 * constants, since their map is frozen. */
const volatile __u32 own_mac_head = 0; /* the first four bytes, as they stand in memory */
const volatile __u32 own_mac_tail = 0; /* the other two */
const volatile __u32 mtu = 1500;

#endif
