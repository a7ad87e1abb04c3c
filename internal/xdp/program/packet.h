/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The packet in work, as the parts of the program hand it to each other.
 */
#ifndef PORT843_PACKET_H
#define PORT843_PACKET_H

#include "fastpath.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88a8
#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd

#define TCP_LEN 20
#define MSS_LEN 4       /* the option that a SYN-ACK carries */
#define MAX_TCP 60      /* a header with all options that fit */
#define REQUEST_LEN 23  /* "<policy-file-request/>" and its NUL */
#define ETH_LEAST 60    /* a shorter frame must not be made */
#define MAX_HEADERS (32 + 40 + TCP_LEN) /* 82, and what level3 could be for all the verifier knows */
#define WINDOW 65535    /* before the kernel takes a connection over, and then it says its own */
#define HOP_LIMIT 64

/* The compiler may not guess what x was before. */
#define OPAQUE(x) asm volatile("" : "+r"(x))

/* packet is what was found out about the one in work. It is all scalars, so
 * that it stays valid when the packet is moved. */
struct packet {
	struct xdp_md *ctx;
	__u32 l3;      /* where the IP header begins */
	__u32 frame;   /* bytes in the frame */
	__u32 payload; /* bytes behind the TCP header */
	__u32 head;    /* bytes of the TCP header */
	__u32 seq, ack;
	__u8 flags;
	struct door door;
	__u32 client[4];
	__u16 client_port;
	__u32 listener;
	struct answer *answer;
	struct counted *counted;
};

#endif
