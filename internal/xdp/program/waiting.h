/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The table of clients that were silent so far, or have just been handed to the
 * kernel. It has a fixed size; who finds no place in it is served all the same.
 */
#ifndef PORT843_WAITING_H
#define PORT843_WAITING_H

#include "cookies.h"

/* How long a client whose first bytes were handed to the kernel may need for
 * its next ones, and a silent one to be sent away by the loader. Then its place
 * is anybody's. */
#define HANDED_FOR 2000000000ULL
#define SILENT_FOR 60000000000ULL

/* No client says anything again earlier, because it has had no answer: RFC 6298
 * has one second, Linux 200 ms. */
#define REPEATED_AFTER 150000000ULL

/* mark_of returns the client's mark, by which it is told from others. Two in
 * some thousand million share one: what is remembered of them is a courtesy,
 * and where it is more, the addresses are compared. */
INLINE __u32 mark_of(const struct packet *p)
{
	__u32 h = p->client[0] ^ p->client[1] ^ p->client[2] ^ p->client[3] ^ p->client_port << 16 ^ p->door.port;

	h = (h ^ p->door.addr[3]) * 0x9e3779b1;
	h = (h ^ h >> 15) * 0x85ebca6b;
	h ^= h >> 13;
	return h ? h : 1;
}

/* row_of returns the row in which the client may stand. It is written without a
 * lock; two processors that write to one place at once make a client that does
 * not exist, and what is sent to that is thrown away. */
INLINE struct row *row_of(__u32 mark)
{
	__u32 at = mark % ROWS;

	return map_lookup(&rows, &at);
}

/* remembered returns what is remembered of the client, or NULL. */
OUTLINE struct waiting *remembered(const struct packet *p)
{
	__u32 mark = mark_of(p);
	struct row *r = row_of(mark);

	if (!r)
		return 0;
#pragma unroll
	for (int i = 0; i < PLACES; i++) {
		struct waiting *w = &r->at[i];

		if (r->mark[i] == mark && w->client_port == p->client_port && w->client[3] == p->client[3] &&
		    w->client[2] == p->client[2] && w->client[1] == p->client[1] && w->client[0] == p->client[0] &&
		    w->local_port == p->door.port)
			return w;
	}
	return 0;
}

INLINE void write_down(const struct packet *p, __u32 state, __u64 now, struct waiting *w)
{
	__builtin_memcpy(w->client, p->client, 16);
	__builtin_memcpy(w->local, p->door.addr, 16);
	w->client_port = p->client_port;
	w->local_port = p->door.port;
	w->seq = p->seq;
	w->ack = p->ack;
	w->state = state;
	w->listener = p->listener;
	w->since = now;
}

/* remember writes the client down: where it stands, or where nobody does, or
 * where somebody does that is too old to matter. */
OUTLINE void remember(const struct packet *p, __u32 state)
{
	__u32 mark = mark_of(p);
	struct row *r = row_of(mark);
	__u64 now = ktime_coarse();
	int place = -1;

	if (!r)
		return;
#pragma unroll
	for (int i = PLACES - 1; i >= 0; i--)
		if (!r->mark[i])
			place = i;
#pragma unroll
	for (int i = 0; i < PLACES; i++)
		if (r->mark[i] == mark)
			place = i;
	if (place < 0) {
#pragma unroll
		for (int i = 0; i < PLACES; i++)
			if (now - r->at[i].since >= (r->at[i].state == SILENT ? SILENT_FOR : HANDED_FOR))
				place = i;
	}
#pragma unroll
	for (int i = 0; i < PLACES; i++) {
		if (place == i) {
			write_down(p, state, now, &r->at[i]);
			r->mark[i] = mark;
			return;
		}
	}
	p->counted->forgotten++;
}

OUTLINE void forget(const struct packet *p)
{
	__u32 mark = mark_of(p);
	struct row *r = row_of(mark);

	if (!r)
		return;
#pragma unroll
	for (int i = 0; i < PLACES; i++)
		if (r->mark[i] == mark)
			r->mark[i] = 0;
}

OUTLINE int was_handed(const struct packet *p)
{
	struct waiting *w = remembered(p);

	return w && w->state == HANDED && ktime_coarse() - w->since < HANDED_FOR;
}

/* begins tells whether the bytes of a proven client that come first are its
 * first ones. Its cookie does not tell: up to three bytes further on it fits as
 * well, only as that of a client with smaller segments. Whoever says that it
 * takes the usual ones can be told, and so can who was seen before. Anybody
 * else has to repeat itself, and that begins with the first byte that nobody
 * has acknowledged. */
OUTLINE int begins(const struct packet *p, int v6)
{
	__u32 cookie = p->ack - 1, seq = p->seq - 1;
	__u64 now = ktime_coarse();
	struct waiting *w;
	__s32 after;

	if (v6 ? (__u32)cookie6(p, seq, 1440) == cookie : (__u32)cookie4(p, seq, 1460) == cookie)
		return 1;
	w = remembered(p);
	if (!w) {
		remember(p, SUSPECT);
		return 0;
	}
	after = p->seq - w->seq;
	if (w->state != SUSPECT)
		return w->state == HANDED || after <= 0;
	if (after < 0) {
		w->seq = p->seq;
		w->since = now;
	}
	return after == 0 && now - w->since >= REPEATED_AFTER;
}

/* listen remembers a client as silent, unless it is known to have spoken. */
OUTLINE void listen(const struct packet *p)
{
	struct waiting *w = remembered(p);

	if (!w || ktime_coarse() - w->since >= HANDED_FOR ||
	    (w->state != HANDED && (__s32)(p->seq - w->seq) <= 0))
		remember(p, SILENT);
}

#endif
