// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fast path: a policy exchange answered from the driver, without a socket
// and without a byte of memory for a connection. docs/fastpath.md tells how it
// works; the package comment what is guaranteed.
//
// This file is under two licences, because the kernel gives its SYN cookie
// helpers to programs only whose licence it takes for compatible with the GPL
// (include/linux/license.h), and "Apache-2.0", that of everything else here,
// is not on its list.

#include "waiting.h"

/* level3 returns where the IP header begins, 14, 18 or 22, as the verifier
 * believes it: it does not follow a number through memory. */
INLINE __u32 level3(const struct packet *p)
{
	__u32 at = p->l3;

	OPAQUE(at);
	return at & 31;
}

INLINE __u32 headers(const struct packet *p, int v6)
{
	return level3(p) + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + TCP_LEN;
}

INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* connected returns what the kernel knows of the connection: the state of its
 * socket, or 0. */
OUTLINE __u32 connected(const struct packet *p, int v6)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	__u32 state;

	if (v6) {
		__builtin_memcpy(t.ipv6.saddr, p->client, 16);
		__builtin_memcpy(t.ipv6.daddr, p->door.addr, 16);
		t.ipv6.sport = p->client_port;
		t.ipv6.dport = p->door.port;
		sk = skc_lookup_tcp(p->ctx, &t, sizeof(t.ipv6), CURRENT_NETNS, 0);
	} else {
		t.ipv4.saddr = p->client[3];
		t.ipv4.daddr = p->door.addr[3];
		t.ipv4.sport = p->client_port;
		t.ipv4.dport = p->door.port;
		sk = skc_lookup_tcp(p->ctx, &t, sizeof(t.ipv4), CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	state = sk->state;
	sk_release(sk);
	return state == TCP_LISTEN ? 0 : state;
}

INLINE int pass(const struct packet *p)
{
	p->counted->passed++;
	return XDP_PASS;
}

/* refuse drops what nobody on this machine can make sense of. */
OUTLINE int refuse(const struct packet *p)
{
	__u32 zero = 0;
	struct stranger *s = map_lookup(&strangers, &zero);

	p->counted->refused++;
	if (s) {
		__builtin_memcpy(s->client, p->client, 16);
		s->count++;
		s->since = ktime_coarse();
	}
	return XDP_DROP;
}

/* turn makes a packet to its sender of the one that came: head bytes of TCP
 * header, then len bytes, whose sum is known and which stand there already. */
INLINE int turn(const struct packet *p, int v6, __u32 head, __u32 len, __u64 sum, __u32 seq, __u32 ack, __u8 flags)
{
	void *data = (void *)(long)p->ctx->data, *end = (void *)(long)p->ctx->data_end;
	struct ethhdr *eth = data;
	void *l3 = data + level3(p);
	struct tcphdr *th;

	OPAQUE(l3); /* or the compiler compares a sum that the verifier does not know as this pointer */
	th = l3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if ((void *)(eth + 1) > end || (void *)th + head > end)
		return XDP_ABORTED;
	for (int i = 0; i < 3; i++) {
		__u16 mac = eth->dst[i];

		eth->dst[i] = eth->src[i];
		eth->src[i] = mac;
	}
	if (v6) {
		struct ipv6hdr *ip = l3;

		ip->version_class_flow = swap32(6U << 28);
		ip->payload_len = swap16(head + len);
		ip->hop_limit = HOP_LIMIT;
		for (int i = 0; i < 4; i++) {
			ip->saddr[i] = p->door.addr[i];
			ip->daddr[i] = p->client[i];
			sum += (__u64)p->door.addr[i] + p->client[i];
		}
	} else {
		struct iphdr *ip = l3;
		__u64 own = 0;

		ip->tos = 0;
		ip->tot_len = swap16(sizeof(*ip) + head + len);
		/* A router may cut it: nobody is here whom it could tell otherwise. */
		ip->frag_off = 0;
		ip->id = swap16((__u16)(seq ^ seq >> 16));
		ip->ttl = HOP_LIMIT;
		ip->check = 0;
		ip->saddr = p->door.addr[3];
		ip->daddr = p->client[3];
		sum += (__u64)ip->saddr + ip->daddr;
		for (int i = 0; i < 5; i++)
			own += ((__u32 *)ip)[i];
		ip->check = ~fold(own);
	}
	th->source = p->door.port;
	th->dest = p->client_port;
	th->seq = swap32(seq);
	th->ack_seq = swap32(ack);
	th->doff = head / 4 << 4;
	th->flags = flags;
	th->window = swap16(WINDOW);
	th->check = 0;
	th->urg_ptr = 0;
	sum += swap16(6) + swap16(head + len); /* what else the pseudo header holds: TCP's number, the length */
	for (int i = 0; i < 5; i++)
		sum += ((__u32 *)th)[i];
	if (head > TCP_LEN)
		sum += ((__u32 *)th)[5];
	th->check = ~fold(sum);
	return XDP_TX;
}

/* greet answers a SYN with a cookie, in no more bytes than it had itself: so
 * nobody whose address was forged gets more than the forger has sent. */
OUTLINE int greet(const struct packet *p, int v6)
{
	struct {
		__u8 b[MAX_TCP];
	} syn = {};
	__u32 at = headers(p, v6) - TCP_LEN, len = p->head, head = TCP_LEN;
	__s64 cookie;

	OPAQUE(len);
	if (len < TCP_LEN || len > MAX_TCP || load_bytes(p->ctx, at, &syn, len))
		return XDP_DROP;
	if (v6) {
		struct ipv6hdr ip = {};

		__builtin_memcpy(ip.saddr, p->client, 16);
		__builtin_memcpy(ip.daddr, p->door.addr, 16);
		cookie = gen_cookie6(&ip, (struct tcphdr *)&syn, len);
	} else {
		struct iphdr ip = {};

		ip.saddr = p->client[3];
		ip.daddr = p->door.addr[3];
		cookie = gen_cookie4(&ip, (struct tcphdr *)&syn, len);
	}
	if (cookie < 0)
		return pass(p);
	if (len >= TCP_LEN + MSS_LEN) {
		__u32 own = mtu - TCP_LEN - (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
		__u32 option = swap32(2U << 24 | MSS_LEN << 16 | (own & 0xffff));

		head += MSS_LEN;
		if (store_bytes(p->ctx, at + TCP_LEN, &option, sizeof(option)))
			return XDP_DROP;
	}
	__u32 want = at + head < ETH_LEAST ? ETH_LEAST : at + head;

	if (p->frame > want && adjust_tail(p->ctx, (int)want - (int)p->frame))
		return XDP_DROP;
	p->counted->syns++;
	if (head == TCP_LEN)
		return turn(p, v6, TCP_LEN, 0, 0, (__u32)cookie, p->seq + 1, TCP_SYN | TCP_ACK);
	return turn(p, v6, TCP_LEN + MSS_LEN, 0, 0, (__u32)cookie, p->seq + 1, TCP_SYN | TCP_ACK);
}

/* stretch makes the frame want bytes long: at its end, where most drivers have
 * room, else at its beginning, with the headers moved forward. It returns 0, or
 * leaves the frame as it is. */
INLINE int stretch(const struct packet *p, int v6, __u32 want)
{
	int more = (int)want - (int)p->frame;
	__u8 h[MAX_HEADERS];
	__u32 len = headers(p, v6);

	if (more == 0 || !adjust_tail(p->ctx, more))
		return 0;
	/* A driver that cannot even be told to shorten the frame is not one that
	 * can lengthen it. */
	if (more < 0 || adjust_head(p->ctx, -more))
		return -1;
	if (load_bytes(p->ctx, more, h, len) || store_bytes(p->ctx, 0, h, len)) {
		adjust_head(p->ctx, more);
		return -1;
	}
	return 0;
}

/* reply sends the answer and the connection's end, in the packet of what it
 * answers. The client is proven. */
OUTLINE int reply(const struct packet *p, int v6, __u32 seq, __u32 ack)
{
	struct answer *a = p->answer;
	__u32 len = a->len, at = headers(p, v6);

	OPAQUE(len);
	if (len < MIN_ANSWER || len > MAX_ANSWER)
		return pass(p);
	if (!bears(p, v6, len) || stretch(p, v6, at + len)) {
		p->counted->no_room++;
		remember(p, HANDED);
		return pass(p);
	}
	if (store_bytes(p->ctx, at, a->bytes, len))
		return XDP_ABORTED;
	forget(p);
	p->counted->answered++;
	return turn(p, v6, TCP_LEN, len, a->sum, seq, ack, TCP_ACK | TCP_PSH | TCP_FIN);
}

/* asked serves a whole request: all 23 bytes, and nothing else, at its place. */
INLINE int asked(const struct packet *p, int v6)
{
	__u32 fin = p->flags & TCP_FIN ? 1 : 0;

	if (proven(p, v6, p->seq, p->ack))
		return reply(p, v6, p->ack, p->seq + REQUEST_LEN + fin);
	if (connected(p, v6))
		return pass(p);
	return refuse(p);
}

/* began serves other bytes: they are the kernel's, and so is their connection
 * from then on. What comes before its beginning does not go there: the kernel
 * would reset it, or take it for the beginning. The client sends it again. */
INLINE int began(const struct packet *p, int v6)
{
	if (connected(p, v6))
		return pass(p);
	if (!proven(p, v6, p->seq, p->ack))
		return was_handed(p) ? pass(p) : refuse(p); /* its beginning is on the way to the kernel */
	if (!begins(p, v6)) {
		p->counted->dropped++;
		return XDP_DROP;
	}
	remember(p, HANDED);
	return pass(p);
}

/* acked serves an acknowledgement without a byte. */
INLINE int acked(const struct packet *p, int v6)
{
	if (proven(p, v6, p->seq, p->ack)) {
		p->counted->opened++;
		listen(p);
		return XDP_DROP;
	}
	__u32 state = connected(p, v6);

	if (state && state != TCP_TIME_WAIT)
		return pass(p);
	if (was_handed(p))
		return pass(p);
	/* Mostly the acknowledgement of an answer. */
	p->counted->dropped++;
	return XDP_DROP;
}

/* finish serves the client's end. A cookie is checked with the numbers moved
 * back to the beginning; the check looks at their difference, and takes it for
 * good if it is up to three off. */
OUTLINE int finish(const struct packet *p, int v6)
{
	__u32 state = connected(p, v6), len = p->answer->len, before = p->answer->before;

	if (state && state != TCP_TIME_WAIT)
		return pass(p);
	if (proven(p, v6, p->seq - REQUEST_LEN, p->ack - len - 1) ||
	    (before && proven(p, v6, p->seq - REQUEST_LEN, p->ack - before - 1))) {
		p->counted->finished++;
		return turn(p, v6, TCP_LEN, 0, 0, p->ack, p->seq + 1, TCP_ACK);
	}
	if (state)
		return pass(p);
	if (proven(p, v6, p->seq, p->ack)) { /* it never asked */
		remember(p, HANDED);
		return pass(p);
	}
	if (proven(p, v6, p->seq - REQUEST_LEN, p->ack)) {
		/* It asked, and has not had its answer. Were its end acknowledged
		 * alone, it would not ask again. */
		struct packet asking = *p;

		asking.seq -= REQUEST_LEN;
		return reply(&asking, v6, p->ack, p->seq + 1);
	}
	if (was_handed(p))
		return pass(p);
	return refuse(p);
}

INLINE int is_request(const void *payload)
{
	struct words {
		__u64 a, b;
		__u32 c;
		__u16 d;
		__u8 e;
	} __attribute__((packed));
	const struct words *w = payload;

	/* "<policy-", "file-req", "uest", "/>", and the NUL, as they stand in
	 * the memory of a little-endian machine */
	return w->a == 0x2d7963696c6f703cULL && w->b == 0x7165722d656c6966ULL && w->c == 0x74736575 &&
	       w->d == 0x3e2f && w->e == 0;
}

/* segment serves a TCP segment to one of the doors. */
INLINE int segment(const struct packet *p, int v6, const void *payload, const void *end)
{
	__u8 flags = p->flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST | TCP_URG);

	if (flags == TCP_SYN)
		return greet(p, v6);
	if (flags & TCP_RST) {
		forget(p);
		return pass(p);
	}
	/* Nobody who got our SYN-ACK sends options. */
	if ((flags & ~TCP_FIN) != TCP_ACK || p->head != TCP_LEN)
		return pass(p);
	if (p->payload == REQUEST_LEN && payload + REQUEST_LEN <= end && is_request(payload))
		return asked(p, v6);
	if (p->payload)
		return began(p, v6);
	if (flags & TCP_FIN)
		return finish(p, v6);
	return acked(p, v6);
}

/* look finds the door that a packet wants and what stands behind it. */
INLINE int look(struct packet *p, int v6, __u32 tags)
{
	void *data = (void *)(long)p->ctx->data, *end = (void *)(long)p->ctx->data_end;
	void *l3 = data + level3(p);
	struct ethhdr *eth = data;
	struct behind *b;
	struct tcphdr *th;
	void *book;
	__u32 total, zero = 0;

	OPAQUE(l3);
	if (v6) {
		struct ipv6hdr *ip = l3;

		th = (void *)(ip + 1);
		if ((void *)(th + 1) > end || ip->nexthdr != 6)
			return XDP_PASS;
		total = sizeof(*ip) + swap16(ip->payload_len);
		__builtin_memcpy(p->client, ip->saddr, 16);
		__builtin_memcpy(p->door.addr, ip->daddr, 16);
	} else {
		struct iphdr *ip = l3;

		th = (void *)(ip + 1);
		/* No options, and no fragment. */
		if ((void *)(th + 1) > end || ip->version_ihl != 0x45 || ip->protocol != 6 || ip->frag_off & swap16(0x3fff))
			return XDP_PASS;
		total = swap16(ip->tot_len);
		p->client[2] = p->door.addr[2] = 0xffff0000;
		p->client[3] = ip->saddr;
		p->door.addr[3] = ip->daddr;
	}
	p->door.port = th->dest;
	b = map_lookup(&doors, &p->door);
	if (!b)
		return XDP_PASS;
	if (b->tags != ANY_TAGS && b->tags != tags)
		return XDP_PASS;
	if (((__u32)eth->dst[1] << 16 | eth->dst[0]) != own_mac_head || eth->dst[2] != own_mac_tail)
		return XDP_PASS; /* another machine's, that a bridge or a promiscuous card shows us */
	p->listener = b->listener;
	p->counted = map_lookup(&counters, &p->listener);
	book = map_lookup(&books, &zero);
	if (!p->counted || !book)
		return XDP_PASS;
	p->answer = map_lookup(book, &b->page);
	if (!p->answer || !p->answer->len)
		return XDP_PASS;
	p->client_port = th->source;
	p->seq = swap32(th->seq);
	p->ack = swap32(th->ack_seq);
	p->flags = th->flags;
	p->head = th->doff >> 4 << 2;
	p->frame = end - data;
	/* One piece, and as long as it says. */
	if (p->head < TCP_LEN || total < (void *)th - l3 + p->head || p->l3 + total > p->frame || buff_len(p->ctx) != p->frame)
		return XDP_PASS;
	p->payload = total - ((void *)th - l3) - p->head;
	return segment(p, v6, th + 1, end);
}

SEC("xdp.frags")
int port843(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct packet p = {.ctx = ctx};
	__u32 tags = 0;
	__u16 proto;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	proto = eth->proto;
	p.l3 = sizeof(*eth);
	/* A card that is told to strip the tags shows none: see locals_linux.go. */
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlanhdr *tag = data + p.l3;

		if (proto != swap16(ETH_VLAN) && proto != swap16(ETH_QINQ))
			break;
		if ((void *)(tag + 1) > end)
			return XDP_PASS;
		tags |= (swap16(tag->tci) & 0xfff) << 16 * i;
		proto = tag->proto;
		p.l3 += sizeof(*tag);
	}
	if (proto == swap16(ETH_IPV4))
		return look(&p, 0, tags);
	if (proto == swap16(ETH_IPV6))
		return look(&p, 1, tags);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
