/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SYN cookies: who has been sent one, and what it says.
 */
#ifndef PORT843_COOKIES_H
#define PORT843_COOKIES_H

#include "packet.h"

/* Any client may be sent as much in a segment, whatever it said of its own
 * limit: the least of the kernel's table for cookies (net/ipv4/syncookies.c),
 * and for IPv6 what fits the least MTU, since nobody is there whom a router
 * could tell that a packet was too big. */
#define LEAST_MSS4 536
#define LEAST_MSS6 1220

/* proven tells whether the client at the other end has been sent, by us or by
 * the kernel, a cookie that fits these numbers: its address is not forged. */
OUTLINE int proven(const struct packet *p, int v6, __u32 seq, __u32 ack)
{
	struct tcphdr th = {};

	th.source = p->client_port;
	th.dest = p->door.port;
	th.seq = swap32(seq);
	th.ack_seq = swap32(ack);
	if (v6) {
		struct ipv6hdr ip = {};

		__builtin_memcpy(ip.saddr, p->client, 16);
		__builtin_memcpy(ip.daddr, p->door.addr, 16);
		return check_cookie6(&ip, &th) == 0;
	} else {
		struct iphdr ip = {};

		ip.saddr = p->client[3];
		ip.daddr = p->door.addr[3];
		return check_cookie4(&ip, &th) == 0;
	}
}

/* said is a SYN as far as a cookie depends on it. */
struct said {
	struct tcphdr th;
	__u8 kind, len;
	__u16 mss;
};

INLINE void say(struct said *syn, const struct packet *p, __u32 seq, __u16 mss)
{
	syn->th.source = p->client_port;
	syn->th.dest = p->door.port;
	syn->th.seq = swap32(seq);
	syn->th.doff = (TCP_LEN + MSS_LEN) / 4 << 4;
	syn->kind = 2;
	syn->len = MSS_LEN;
	syn->mss = swap16(mss);
}

/* cookie4 returns the cookie of this minute for a client that says mss. */
OUTLINE __s64 cookie4(const struct packet *p, __u32 seq, __u16 mss)
{
	struct said syn = {};
	struct iphdr ip = {};

	ip.saddr = p->client[3];
	ip.daddr = p->door.addr[3];
	say(&syn, p, seq, mss);
	return gen_cookie4(&ip, &syn.th, sizeof(syn));
}

/* cookie6 does the same for IPv6. */
OUTLINE __s64 cookie6(const struct packet *p, __u32 seq, __u16 mss)
{
	struct said syn = {};
	struct ipv6hdr ip = {};

	__builtin_memcpy(ip.saddr, p->client, 16);
	__builtin_memcpy(ip.daddr, p->door.addr, 16);
	say(&syn, p, seq, mss);
	return gen_cookie6(&ip, &syn.th, sizeof(syn));
}

/* bears tells whether a proven client takes a segment of len bytes. What it
 * said in its SYN stands in its cookie, in four steps, and can be had again by
 * making the cookie anew. Around the turn of a minute that fails, and the
 * request is the kernel's. */
INLINE int bears(const struct packet *p, int v6, __u32 len)
{
	if (v6)
		return len <= LEAST_MSS6;
	if (len <= LEAST_MSS4)
		return 1;
	__u32 cookie = p->ack - 1, seq = p->seq - 1;

	if ((__u32)cookie4(p, seq, 1460) == cookie)
		return 1;
	if (len <= 1440 && (__u32)cookie4(p, seq, 1440) == cookie)
		return 1;
	return len <= 1300 && (__u32)cookie4(p, seq, 1300) == cookie;
}

#endif
